/**
 * How a command that waits for a decision looks. Everything a requester or a node said goes through `text.js`.
 */
import { card, listed } from "./card.js";
import { el, facts, moved } from "./dom.js";
import { showable, shownKey, shownName } from "./text.js";

/** @typedef {import("./card.js").Desk} Desk */

/** @type {Readonly<Record<string, readonly [label: string, style: string, said: string]>>} */
const DECISIONS = {
  "allow-once": ["Allow once", "primary", "Allowed once"],
  "allow-always": ["Always allow", "", "Always allowed"],
  "deny": ["Deny", "danger", "Denied"],
};

/**
 * A command that waits for a decision: everything it is about, nothing cut (A15).
 * @param {any} approval
 * @param {Desk} desk
 */
export function approvalCard(approval, desk) {
  const { id, request, requester } = approval;
  const offered = Object.keys(DECISIONS).filter((d) => request.allowedDecisions?.includes(d));
  const node = request.nodeId ? desk.nodeName(request.nodeId) : undefined;
  const why = el("code", {}, "asking the node…");
  void explain(request, desk).then((text) => {
    why.textContent = text;
    moved();
  });
  const always = offered.includes("allow-always")
    ? el("p", {}, "“Always” means exactly these arguments in this directory.")
    : undefined;
  return card(
    desk,
    `Run on ${shownName(node ?? request.nodeId ?? request.host)}`,
    [
      el(
        "pre",
        { class: "command", tabindex: "0", "aria-label": "Command" },
        showable(request.command),
      ),
      request.warningText
        ? el("p", { class: "warning" }, showable(request.warningText))
        : undefined,
      facts([
        ["Directory", showable(request.cwd ?? "(the node's own)")],
        ["Program", request.resolvedPath && showable(request.resolvedPath)],
        ["Environment", listed(request.envKeys)],
        ["Input", request.systemRunBinding?.stdin ? "what the requester sends" : undefined],
        ["Node", request.nodeId && el("code", {}, shownKey(request.nodeId))],
        ["Asked by", requesterText(requester)],
        ["Agent", request.agentId && shownName(request.agentId)],
        ["Why", why],
        ["Time left", el("span", { "data-until": String(approval.expiresAtMs) })],
      ]),
      always,
    ],
    offered.map((decision) => {
      const [label, style, said] = DECISIONS[decision] ?? ["", "", ""];
      return [label, style, () => desk.call("exec.approval.resolve", { id, decision }), said];
    }),
  );
}

/** @param {{ name?: string, deviceId?: string } | undefined} requester */
function requesterText(requester) {
  if (requester === undefined) return undefined;
  const device = requester.deviceId ? ` · key ${shownKey(requester.deviceId)}` : " · no device key";
  return shownName(requester.name) + device;
}

/**
 * Why the command needs a decision, in the words of the node itself: what a requester says about it is no reason.
 * @param {any} request
 * @param {Desk} desk
 */
async function explain({ nodeId, systemRunPlan: plan }, desk) {
  if (!nodeId || !plan) return "the requester asks for it";
  const { argv, cwd, agentId } = plan;
  try {
    const { payload } = await desk.call("node.invoke", {
      nodeId,
      command: "system.run.prepare",
      params: {
        command: argv,
        explain: true,
        ...(cwd ? { cwd } : {}),
        ...(agentId ? { agentId } : {}),
      },
      idempotencyKey: crypto.randomUUID(),
    });
    if (typeof payload?.text !== "string") return "this node does not explain its policy";
    const add = "openclaw approvals allowlist add ";
    return payload.text.replaceAll(add, `${add}--node ${nodeId} `).split("\n").map(showable).join(
      "\n",
    );
  } catch (error) {
    return `the node could not be asked: ${showable(/** @type {Error} */ (error).message)}`;
  }
}
