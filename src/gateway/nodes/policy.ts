/**
 * Which commands a node may be asked for: configuration, platform lists, declared and approved surface, in one verdict.
 * Pure. Source: gateway-protocol.md 12.
 */
import { DETAIL, refusal } from "../../protocol/errors.ts";
import type { OpenclawError } from "../../lib/errors.ts";
import { nearest, quoted } from "../../lib/text.ts";
import {
  DANGEROUS_NODE_COMMANDS,
  defaultNodeCommands,
  KNOWN_NODE_COMMANDS,
  nodePlatform,
  type PlatformFacts,
} from "../../protocol/node_commands.ts";

/** Command lists of the configuration, v3 and v4 keys merged. */
export interface NodePolicy {
  readonly allow: ReadonlySet<string>;
  readonly deny: ReadonlySet<string>;
}

/** The keys of `gateway.nodes` this policy reads. */
export interface NodePolicyKeys {
  readonly commands?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] };
  readonly allowCommands?: readonly string[];
  readonly denyCommands?: readonly string[];
}

/** Reads v4 `commands.allow/deny` and v3 `allowCommands/denyCommands`; both count. */
export function readNodePolicy(keys: NodePolicyKeys | undefined): NodePolicy {
  return {
    allow: new Set([...(keys?.commands?.allow ?? []), ...(keys?.allowCommands ?? [])]),
    deny: new Set([...(keys?.commands?.deny ?? []), ...(keys?.denyCommands ?? [])]),
  };
}

/** Why the policy does not let a command through; `undefined` = it does. Deny beats allow. */
function policyProblem(
  command: string,
  facts: PlatformFacts,
  policy: NodePolicy,
): "denied" | "dangerous" | "not-listed" | undefined {
  if (policy.deny.has(command)) return "denied";
  if (policy.allow.has(command)) return undefined;
  if (DANGEROUS_NODE_COMMANDS.has(command)) return "dangerous";
  return defaultNodeCommands(nodePlatform(facts), facts.protocol).includes(command)
    ? undefined
    : "not-listed";
}

/** The declared commands the policy lets through, unique, in order: the surface an operator is asked to approve. */
export function filterDeclared(
  commands: readonly string[],
  facts: PlatformFacts,
  policy: NodePolicy,
): string[] {
  return [...new Set(commands)].filter((c) => policyProblem(c, facts, policy) === undefined);
}

/** Refuses to grant what no node may ever be asked for: a slip of the pen, or a command of somebody's own nodes that is not allowed yet. */
export function refuseUnknown(commands: readonly string[], policy: NodePolicy): void {
  const unknown = commands.find((c) => !policy.allow.has(c) && !KNOWN_NODE_COMMANDS.has(c));
  if (unknown === undefined) return;
  const near = nearest(unknown, [...KNOWN_NODE_COMMANDS, ...policy.allow]);
  throw refusal(
    "INVALID_REQUEST",
    `unknown node command ${quoted(unknown)}` +
      (near === undefined ? "" : `; did you mean "${near}"?`) +
      " (a command of your own nodes has to be in gateway.nodes.commands.allow)",
    { details: { reason: "command not allowlisted", command: unknown } },
  );
}

/** What the verdict on one call looks at. */
export interface CallFacts {
  readonly command: string;
  readonly platform: PlatformFacts;
  /** As the node declared them, before the policy. */
  readonly declared: readonly string[];
  /** In force: declared, allowed and approved. */
  readonly effective: ReadonlySet<string>;
  /** Whether the node has any approved surface. */
  readonly approved: boolean;
  /** Waiting surface request. */
  readonly pendingRequestId: string | undefined;
}

/** The refusal of a call, or `undefined` when it may go to the node. */
export function refuseCall(facts: CallFacts, policy: NodePolicy): OpenclawError | undefined {
  if (facts.effective.has(facts.command) && !policy.deny.has(facts.command)) return undefined;
  if (!facts.approved && facts.pendingRequestId !== undefined) {
    return pairingChanged(facts.pendingRequestId); // I09
  }
  const { command } = facts;
  const platform = nodePlatform(facts.platform);
  const problem = policyProblem(command, facts.platform, policy);
  if (problem === "denied") {
    return notAllowed(command, `"${command}" is blocked by gateway.nodes.commands.deny`);
  }
  if (problem === "dangerous") {
    return notAllowed(
      command,
      `"${command}" requires explicit gateway.nodes.commands.allow opt-in`,
    );
  }
  if (problem === "not-listed") {
    return notAllowed(command, `"${command}" is not in the allowlist for platform "${platform}"`);
  }
  if (facts.declared.length === 0) {
    return notAllowed(
      command,
      "the node did not declare any supported commands",
      "node did not declare commands",
    );
  }
  const text = facts.declared.includes(command)
    ? "the node's declared command surface is pending approval; run `openclaw nodes pending`, then " +
      `\`openclaw nodes approve ${facts.pendingRequestId ?? "<requestId>"}\``
    : `the node (platform: ${platform}) does not support "${command}"`;
  return notAllowed(command, text, "command not declared by node");
}

function notAllowed(
  command: string,
  text: string,
  reason = "command not allowlisted",
): OpenclawError {
  return refusal("INVALID_REQUEST", `node command not allowed: ${text}`, {
    details: { reason, command },
  });
}

/** A node whose surface was never approved, or that is unknown. Source: 11.4. */
export function pairingChanged(requestId?: string): OpenclawError {
  const next = requestId === undefined
    ? ""
    : `; its commands wait for approval: run \`openclaw nodes approve ${requestId}\``;
  return refusal("UNAVAILABLE", `node pairing changed while invocation was active${next}`, {
    retryable: true,
    details: { code: DETAIL.pairingChanged },
  });
}
