/**
 * Changes to the rules of an approvals file: add, remove, record a use. Pure; each returns a new file.
 * Use is recorded on the entry where it lives, never by creating one elsewhere. Source: node-host.md 7.4, 7.6.
 */
import type { AgentScope, AllowEntry, ApprovalsFile } from "./approvals_file.ts";
import type { ScopedEntry } from "../policy.ts";

/** The file with `entries` appended to an agent's rules; patterns already there (same argPattern) are left alone. */
export function addEntries(
  file: ApprovalsFile,
  agent: string,
  entries: readonly AllowEntry[],
): { file: ApprovalsFile; added: number } {
  const scope: AgentScope = file.agents.get(agent) ?? { allowlist: [] };
  const fresh = entries.filter((entry) =>
    !scope.allowlist.some((old) =>
      old.pattern === entry.pattern && old.argPattern === entry.argPattern && !old.unknown
    )
  );
  if (fresh.length === 0) return { file, added: 0 };
  const agents = new Map(file.agents).set(agent, {
    ...scope,
    allowlist: [...scope.allowlist, ...fresh],
  });
  return { file: { ...file, agents }, added: fresh.length };
}

/** The file without an agent's rules of this pattern. */
export function removeEntries(
  file: ApprovalsFile,
  agent: string,
  pattern: string,
): { file: ApprovalsFile; removed: number } {
  const scope = file.agents.get(agent);
  const kept = scope?.allowlist.filter((entry) => entry.pattern !== pattern) ?? [];
  const removed = (scope?.allowlist.length ?? 0) - kept.length;
  if (!scope || removed === 0) return { file, removed: 0 };
  return {
    file: { ...file, agents: new Map(file.agents).set(agent, { ...scope, allowlist: kept }) },
    removed,
  };
}

/** What is written on a used entry. */
export interface UseRecord {
  readonly nowMs: number;
  readonly command: string;
  readonly path: string | undefined;
}

/** The file with the use of rules recorded; rules that are gone meanwhile are skipped. */
export function recordUse(
  file: ApprovalsFile,
  used: readonly ScopedEntry[],
  use: UseRecord,
): ApprovalsFile {
  const agents = new Map(file.agents);
  for (const { agent, entry } of used) {
    const scope = agents.get(agent);
    if (!scope) continue;
    const allowlist = scope.allowlist.map((one) =>
      one.id === entry.id && one.pattern === entry.pattern ? usedEntry(one, use) : one
    );
    agents.set(agent, { ...scope, allowlist });
  }
  return { ...file, agents };
}

function usedEntry(entry: AllowEntry, { nowMs, command, path }: UseRecord): AllowEntry {
  return {
    ...entry,
    lastUsedAt: nowMs,
    lastUsedCommand: command,
    ...(path === undefined ? {} : { lastResolvedPath: path }),
  };
}
