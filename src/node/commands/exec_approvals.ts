/**
 * `system.execApprovals.get` and `.set`: the approvals file for an operator, with optimistic concurrency by hash.
 * Source: node-host.md 7.7.
 */
import { any, obj, opt, str } from "../../lib/schema.ts";
import { invalidRequest, nodeCommand } from "./define.ts";

export const execApprovalsGet = nodeCommand("system.execApprovals.get", {
  params: any(),
}, (_params, { approvals }) => approvals.snapshot());

export const execApprovalsSet = nodeCommand("system.execApprovals.set", {
  params: obj({ file: any(), baseHash: opt(str({ max: 128 })) }, { unknown: "drop" }),
  refusal: invalidRequest("exec approvals file required").message,
}, ({ file, baseHash }, { approvals }) => approvals.set(file, baseHash));
