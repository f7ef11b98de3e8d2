/**
 * The gateway host's own `exec-approvals.json` as a snapshot with a hash, read and replaced. A text that does not parse is
 * shown as it is, and can be repaired with its hash. Source: gateway-protocol.md 11.6; decision 19.
 */
import { parseApprovals, renderApprovals } from "../../approvals/file/approvals_file.ts";
import { takeWireApprovals, wireApprovals } from "../../approvals/file/approvals_wire.ts";
import { sha256Hex } from "../../lib/bytes.ts";
import { refusal } from "../../protocol/errors.ts";
import { readOwned, withFileLock, writeAtomic } from "../../platform/files.ts";

const MAX_FILE_BYTES = 8 * 1024 * 1024;
const LOCK_WAIT_MS = 5_000;

const newId = () => crypto.randomUUID();

/** What `exec.approvals.get` and `.set` answer. */
export interface ApprovalsSnapshot {
  readonly path: string;
  readonly exists: boolean;
  readonly hash?: string;
  readonly file: unknown;
  /** Only for a text that does not parse. */
  readonly raw?: string;
  readonly error?: string;
}

async function readText(path: string): Promise<string | undefined> {
  const file = await readOwned(path, { maxBytes: MAX_FILE_BYTES });
  return file === undefined ? undefined : new TextDecoder().decode(file.bytes);
}

/** The file now. */
export async function approvalsSnapshot(path: string): Promise<ApprovalsSnapshot> {
  return await snapshotOf(path, await readText(path));
}

async function snapshotOf(path: string, text: string | undefined): Promise<ApprovalsSnapshot> {
  const parsed = parseApprovals(text, newId);
  const hash = await sha256Hex(text ?? "");
  const base = { path, exists: text !== undefined, hash, file: wireApprovals(parsed.file) };
  return parsed.state === "unparsable" && text !== undefined
    ? { ...base, raw: text, error: parsed.problems[0] ?? "unreadable" }
    : base;
}

/** Replaces the file when it is still the one `baseHash` names. A missing file needs no hash. */
export async function setApprovals(
  path: string,
  asked: { readonly file: unknown; readonly baseHash?: string | null },
): Promise<ApprovalsSnapshot> {
  return await withFileLock(`${path}.lock`, async () => {
    const text = await readText(path);
    if (text !== undefined) {
      if (!asked.baseHash) {
        throw refusal(
          "INVALID_REQUEST",
          "exec approvals base hash required; re-run exec.approvals.get and retry",
        );
      }
      if (asked.baseHash !== await sha256Hex(text)) {
        throw refusal(
          "INVALID_REQUEST",
          "exec approvals changed since last load; re-run exec.approvals.get and retry",
        );
      }
    }
    const taken = takeWireApprovals(parseApprovals(text, newId).file, asked.file, newId);
    if (!taken.ok) {
      throw refusal("INVALID_REQUEST", `invalid exec approvals file: ${taken.problem}`);
    }
    const next = renderApprovals(taken.file);
    await writeAtomic(path, next);
    return await snapshotOf(path, next);
  }, { waitMs: LOCK_WAIT_MS });
}
