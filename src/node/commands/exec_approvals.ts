/**
 * `system.execApprovals.get` and `.set`: the approvals file for an operator, with optimistic concurrency by hash.
 * Ours beside it: grants with a clock, shown as `grants` next to the file to those who ask, and changed by
 * `file.grantChanges`; a peer that does not know them sees and changes nothing. Source: node-host.md 7.7.
 */
import { isObject } from "../../lib/objects.ts";
import { type Grant, type GrantWish, isLive, newGrant } from "../../approvals/grants.ts";
import { any, bool, check, int, list, num, obj, opt, problemText, str } from "../../lib/schema.ts";
import { invalidRequest, type InvokeContext, nodeCommand } from "./define.ts";

const name = () => opt(str({ min: 1, max: 1024 }));

/** Edits of the grants: they need no base, because each names what it adds or ends. */
const changesSchema = obj({
  add: opt(list(
    obj({
      pattern: str({ min: 1, max: 4096 }),
      args: opt(list(str({ max: 4096 }), { max: 256 })),
      directory: name(),
      requester: name(),
      agentId: name(),
      runs: opt(int()),
      minutes: opt(num()),
    }),
    { max: 100 },
  )),
  revoke: opt(list(str({ min: 1, max: 128 }), { max: 1000 })),
});

/** Grants only for a peer that asks for them: other peers check the answer's members strictly. */
async function snapshot({ approvals, clock }: InvokeContext, withGrants: boolean) {
  if (!withGrants) return await approvals.snapshot();
  const nowMs = clock.now();
  const grants = (await approvals.grants()).filter((grant) => isLive(grant, nowMs));
  return { ...await approvals.snapshot(), grants };
}

export const execApprovalsGet = nodeCommand("system.execApprovals.get", {
  params: obj({ grants: opt(bool()) }, { unknown: "drop" }),
}, ({ grants }, context) => snapshot(context, grants ?? false));

export const execApprovalsSet = nodeCommand("system.execApprovals.set", {
  params: obj({ file: any(), baseHash: opt(str({ max: 128 })), grants: opt(bool()) }, {
    unknown: "drop",
  }),
  refusal: invalidRequest("exec approvals file required").message,
}, async ({ file, baseHash, grants }, context) => {
  const { grantChanges, ...plain } = isObject(file) ? file : { grantChanges: undefined };
  const change = grantChanges === undefined ? undefined : readChanges(grantChanges, context);
  await context.approvals.set(isObject(file) ? plain : file, baseHash);
  if (change) await context.approvals.changeGrants(change);
  return await snapshot(context, grants ?? false);
});

/** Checks the edits before anything is written; this node's clock decides when a grant ends. */
function readChanges(value: unknown, { clock }: InvokeContext) {
  const checked = check(changesSchema, value);
  if (!checked.ok) throw invalidRequest(`grantChanges: ${problemText(checked.problems)}`);
  const nowMs = clock.now();
  const added = (checked.value.add ?? []).map((wish) => grantOf(wish, nowMs));
  const revoked = new Set(checked.value.revoke ?? []);
  return (grants: readonly Grant[]): readonly Grant[] => [
    ...grants.filter((grant) => isLive(grant, nowMs) && !revoked.has(grant.id)),
    ...added,
  ];
}

function grantOf(wish: GrantWish, nowMs: number): Grant {
  const grant = newGrant({ ...wish, id: crypto.randomUUID().slice(0, 8), createdAtMs: nowMs });
  if (typeof grant === "string") throw invalidRequest(grant);
  return grant;
}
