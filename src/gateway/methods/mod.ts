/**
 * The list of all methods. Everything about methods is derived from it.
 */
import { configMethods } from "./config/config.ts";
import { certificateMethods } from "./certificate.ts";
import type { MethodDefinition } from "./define.ts";
import { deviceMethods } from "./device.ts";
import { execApprovalMethods } from "./exec_approval.ts";
import { execApprovalsFileMethods } from "./exec_approvals.ts";
import { joinMethods } from "./join.ts";
import { nodeMethods } from "./node.ts";
import { nodeCallMethods } from "./node_calls.ts";
import { nodeInvokeMethods } from "./node_invoke.ts";
import { olderMethods } from "./older.ts";
import { statusMethods } from "./status.ts";

/** Every method of this gateway. */
export const METHODS: readonly MethodDefinition[] = [
  ...statusMethods,
  ...configMethods,
  ...certificateMethods,
  ...deviceMethods,
  ...nodeMethods,
  ...nodeInvokeMethods,
  ...nodeCallMethods,
  ...joinMethods,
  ...execApprovalMethods,
  ...execApprovalsFileMethods,
  ...olderMethods,
];
