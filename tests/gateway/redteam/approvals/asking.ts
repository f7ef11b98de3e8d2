/** Requests for approval by scripted peers. */
import { planOf } from "../../approval_plan.ts";
import type { ScriptedPeer } from "../../world.ts";

export const NODE = "a".repeat(64);

/** Params of a request for `/bin/true` on a node. */
export const requestOf = (more: Record<string, unknown> = {}) => ({
  host: "node",
  nodeId: NODE,
  systemRunPlan: planOf(["/bin/true"]),
  twoPhase: true,
  timeoutMs: 60_000,
  ...more,
});

/** Sends a request; returns its approval id and the id its final answer will carry. */
export async function ask(peer: ScriptedPeer, more: Record<string, unknown> = {}) {
  const call = peer.send("exec.approval.request", requestOf(more));
  const first = await peer.response(call);
  if (first.payload?.status !== "accepted") throw new Error(JSON.stringify(first));
  return { id: first.payload.id as string, call };
}
