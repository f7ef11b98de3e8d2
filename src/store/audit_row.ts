/**
 * One line of the audit: what ran where, who asked, what decided, how it ended. Source: decision 24.
 */

/** One audited run. Texts are cut by the writer of the row, times are wall-clock milliseconds. */
export interface AuditRow {
  readonly atMs: number;
  /** Device id or client id of the caller. */
  readonly requester: string;
  readonly nodeId: string;
  readonly command: string;
  readonly argv?: readonly string[];
  readonly cwd?: string;
  /** `allow-once`, `allow-always`, `policy` (the node's own), `denied`. */
  readonly decision?: string;
  /** Approval id or node rule. */
  readonly rule?: string;
  readonly ok: boolean;
  readonly exitCode?: number;
  readonly durationMs: number;
  readonly outputSha256?: string;
  readonly outputBytes?: number;
  readonly error?: string;
}

/** {@linkcode AuditRow} with its place in the table. */
export interface StoredAuditRow extends AuditRow {
  readonly id: number;
}
