/**
 * The gateway's store: which kinds of records it holds, plus the audit table. Source: decisions 24, 25.
 */
import { messageOf, OpenclawError } from "../lib/errors.ts";
import type { ApprovalRecord } from "./approval_record.ts";
import type { AuditRow, StoredAuditRow } from "./audit_row.ts";
import { type LoadedDatabase, readAudit } from "./database.ts";
import type { DeviceRecord, SeenRecord } from "./device_record.ts";
import type { JoinCode } from "./join_code.ts";
import type { StoredApproval } from "./open_approval.ts";
import type { AnsweredRequest, PairingRequest } from "./pairing_request.ts";
import { Store, type StoreOptions } from "./store.ts";
import { Table } from "./table.ts";

/** Audit rows kept; the oldest go first. */
const MAX_AUDIT_ROWS = 200_000;
const PRUNE_EVERY_ROWS = 1_000;

/** Filter of {@linkcode GatewayStore.listAudit}. */
export interface AuditQuery {
  readonly limit: number;
  readonly beforeId?: number;
  readonly nodeId?: string;
}

interface Tables {
  readonly devices: Table<DeviceRecord>;
  readonly requests: Table<PairingRequest>;
  readonly answered: Table<AnsweredRequest>;
  readonly joinCodes: Table<JoinCode>;
  readonly approvals: Table<ApprovalRecord>;
  readonly openApprovals: Table<StoredApproval>;
  readonly seen: Table<SeenRecord>;
  readonly meta: Table<string>;
}

/** Durable state of one gateway. */
export class GatewayStore extends Store implements Tables {
  readonly devices: Table<DeviceRecord>;
  readonly requests: Table<PairingRequest>;
  readonly answered: Table<AnsweredRequest>;
  readonly joinCodes: Table<JoinCode>;
  /** Decided ones. */
  readonly approvals: Table<ApprovalRecord>;
  /** Those that wait for an answer, or whose answer may still be used. */
  readonly openApprovals: Table<StoredApproval>;
  readonly seen: Table<SeenRecord>;
  /** Single values by name: the token key. */
  readonly meta: Table<string>;
  #auditRows = 0;

  private constructor(options: StoreOptions, tables: Tables, from: LoadedDatabase) {
    super(options, Object.values(tables) as Table<unknown>[], from);
    this.devices = tables.devices;
    this.requests = tables.requests;
    this.answered = tables.answered;
    this.joinCodes = tables.joinCodes;
    this.approvals = tables.approvals;
    this.openApprovals = tables.openApprovals;
    this.seen = tables.seen;
    this.meta = tables.meta;
  }

  /**
   * Opens (or makes) the database at `options.path`; its folder must exist.
   * @throws `STORE_UNREADABLE`, `STORE_TOO_NEW`: the file was not touched.
   */
  static async open(options: StoreOptions): Promise<GatewayStore> {
    const tables: Tables = {
      devices: new Table("device", "deviceId", "publicKey", "roles", "approvedScopes", "tokens"),
      requests: new Table("request", "requestId", "deviceId", "roles", "scopes", "refreshedAtMs"),
      answered: new Table("answered", "requestId", "deviceId", "outcome"),
      joinCodes: new Table("join", "setupId", "tokenHash", "scopes", "uses", "expiresAtMs"),
      approvals: new Table("approval", "id", "status", "allowedDecisions", "resolver"),
      openApprovals: new Table("open-approval", "id", "view", "requester", "expiresAtMs"),
      seen: new Table("seen", "lastSeenAtMs"),
      meta: new Table("meta"),
    };
    return new GatewayStore(options, tables, await Store.load(options.path));
  }

  /** Records a run; written with the next batch, never waited for. */
  audit(row: AuditRow): void {
    this.append([
      "audit",
      row.atMs,
      "run",
      row.requester,
      row.nodeId,
      row.command,
      row.argv === undefined ? null : JSON.stringify(row.argv),
      row.cwd ?? null,
      row.decision ?? null,
      row.rule ?? null,
      row.ok ? 1 : 0,
      row.exitCode ?? null,
      row.durationMs,
      row.outputSha256 ?? null,
      row.outputBytes ?? null,
      row.error ?? null,
    ]);
    if (++this.#auditRows % PRUNE_EVERY_ROWS === 1) this.append(["prune-audit", MAX_AUDIT_ROWS]);
  }

  /** Audit rows, newest first, including those not yet written. */
  async listAudit(query: AuditQuery): Promise<StoredAuditRow[]> {
    await this.flush();
    try {
      return (await readAudit(this.path, query)).map(toAuditRow);
    } catch (error) {
      throw new OpenclawError(
        "STORE_UNAVAILABLE",
        `Cannot read the audit from "${this.path}": ${messageOf(error)}`,
        { retryable: true, cause: error },
      );
    }
  }
}

function toAuditRow(row: Record<string, unknown>): StoredAuditRow {
  const optional = {
    argv: typeof row.argv_json === "string" ? JSON.parse(row.argv_json) : undefined,
    cwd: row.cwd ?? undefined,
    decision: row.decision ?? undefined,
    rule: row.rule ?? undefined,
    exitCode: row.exit_code ?? undefined,
    outputSha256: row.output_sha256 ?? undefined,
    outputBytes: row.output_bytes ?? undefined,
    error: row.error ?? undefined,
  };
  return {
    id: Number(row.id),
    atMs: Number(row.at_ms),
    requester: String(row.requester),
    nodeId: String(row.node_id),
    command: String(row.command),
    ok: row.ok === 1,
    durationMs: Number(row.duration_ms),
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}
