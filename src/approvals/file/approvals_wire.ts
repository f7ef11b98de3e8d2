/**
 * exec-approvals.json as peers see and set it: no socket token, no key that a reference peer would refuse, and what was
 * hidden comes back from disk when a peer writes. Source: node-host.md 7.7.
 */
import {
  agentJson,
  type AgentScope,
  type ApprovalsFile,
  type Json,
  parseApprovals,
} from "./approvals_file.ts";

/** What `system.execApprovals.get` shows: no token, and no key that a reference peer would refuse. Source: 7.7. */
export function wireApprovals(file: ApprovalsFile): Json {
  const agents = [...file.agents].map(([name, { unknown: _agent, ...scope }]) =>
    [
      name,
      agentJson({
        ...scope,
        allowlist: scope.allowlist.map(({ unknown: _entry, ...entry }) => entry),
      }),
    ] as const
  );
  const path = file.socket?.path;
  return {
    version: 1,
    ...(file.socket ? { socket: path === undefined ? {} : { path } } : {}),
    defaults: file.defaults,
    agents: Object.fromEntries(agents),
  };
}

/** Outcome of {@linkcode takeWireApprovals}. */
export type TakenApprovals = {
  readonly ok: true;
  readonly file: ApprovalsFile;
  readonly problems: readonly string[];
} | {
  readonly ok: false;
  readonly problem: string;
};

/**
 * A file set by a peer, checked, with what peers do not see kept from disk: socket token, test cases, unknown keys.
 * Unlike the text on disk, a wrong value here refuses the whole set.
 */
export function takeWireApprovals(
  current: ApprovalsFile,
  wire: unknown,
  newId: () => string,
): TakenApprovals {
  const parsed = parseApprovals(JSON.stringify(wire) ?? "", newId);
  if (parsed.state !== "ok") {
    return { ok: false, problem: parsed.problems[0] ?? "exec approvals file required" };
  }
  if (parsed.problems.length > 0) return { ok: false, problem: parsed.problems[0] ?? "" };
  const { file } = parsed;
  const socket = {
    ...current.socket,
    ...file.socket,
    ...(current.socket?.token === undefined ? {} : { token: current.socket.token }),
  };
  const agents = new Map(
    [...file.agents].map(([name, scope]) => [name, keepUnknown(current.agents.get(name), scope)]),
  );
  return {
    ok: true,
    problems: [],
    file: {
      ...file,
      ...(Object.keys(socket).length > 0 ? { socket } : {}),
      agents,
      ...(file.tests ?? current.tests ? { tests: file.tests ?? current.tests ?? [] } : {}),
      ...(current.unknown || file.unknown
        ? { unknown: { ...current.unknown, ...file.unknown } }
        : {}),
    },
  };
}

/** An entry that was hidden from a peer comes back narrowed as it was: matching by id and pattern. */
function keepUnknown(old: AgentScope | undefined, scope: AgentScope): AgentScope {
  const hidden = new Map(
    (old?.allowlist ?? []).filter((entry) => entry.unknown).map((entry) => [entry.id, entry]),
  );
  const allowlist = scope.allowlist.map((entry) => {
    const before = hidden.get(entry.id);
    return before?.unknown && before.pattern === entry.pattern
      ? { ...entry, unknown: before.unknown }
      : entry;
  });
  return {
    ...scope,
    allowlist,
    ...(old?.unknown || scope.unknown ? { unknown: { ...old?.unknown, ...scope.unknown } } : {}),
  };
}
