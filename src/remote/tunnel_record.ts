/**
 * What a lasting tunnel (`openclaw tunnel run`) says about itself, so that other commands find it, use it and can tell
 * a live one from the leftovers of a killed one.
 */
import { join } from "@std/path";
import { check, int, obj, oneOf, opt, str, union } from "../lib/schema.ts";
import { readOwned, writeAtomic } from "../platform/files.ts";
import { ownIdentity, type ProcessIdentity, stillRuns } from "../platform/process/identity.ts";
import type { TunnelState } from "./keep_tunnel.ts";
import { jsonValue } from "../lib/objects.ts";

const recordSchema = obj({
  pid: int({ min: 1 }),
  startTicks: opt(int()),
  target: str(),
  remotePort: int(),
  state: obj({
    tunnel: oneOf("connecting", "open", "down", "stopped"),
    gateway: opt(oneOf("gateway", "untrusted", "no-gateway", "silent")),
    pid: opt(int()),
    local: opt(union(
      obj({ kind: oneOf("unix"), path: str() }),
      obj({ kind: oneOf("port"), port: int() }),
    )),
    place: opt(str()),
    sinceMs: int(),
    lastError: opt(obj({ code: str(), message: str(), hint: opt(str()) })),
    restarts: int(),
  }),
});

/** A record as other commands read it. */
export interface TunnelRecord extends ProcessIdentity {
  /** `user@host:port` as given. */
  readonly target: string;
  readonly remotePort: number;
  readonly state: TunnelState;
}

/** File of the record in `tunnelsDir`. */
export function recordFile(tunnelsDir: string): string {
  return join(tunnelsDir, "tunnel.json");
}

/** Writes the record of this process. */
export async function writeRecord(
  tunnelsDir: string,
  facts: { readonly target: string; readonly remotePort: number; readonly state: TunnelState },
): Promise<void> {
  const record = { ...ownIdentity(), ...facts };
  await writeAtomic(recordFile(tunnelsDir), JSON.stringify(record, null, 2) + "\n");
}

/** The record of a tunnel that is running now; `undefined` when there is none or its process is gone. */
export async function readRecord(tunnelsDir: string): Promise<TunnelRecord | undefined> {
  const file = await readOwned(recordFile(tunnelsDir), { maxBytes: 64 * 1024 });
  if (!file) return undefined;
  const checked = check(recordSchema, jsonValue(file.bytes));
  if (!checked.ok) return undefined;
  const record = checked.value as TunnelRecord;
  return stillRuns(record) ? record : undefined;
}
