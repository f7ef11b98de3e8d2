/**
 * The pairing stores of the reference as plain rows: the JSON files of the 2026.4 line and the SQLite store of the
 * 2026.9 line, the latter read from a copy. Nothing here is ever written, renamed or locked in the source.
 * Source: gateway-protocol.md 16; decision 25.
 */
import { isObject, jsonValue } from "../../lib/objects.ts";
import { join } from "@std/path";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { readOwned } from "../../platform/files.ts";

const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** Any row as it was found; nothing about it is trusted. */
export type Row = Readonly<Record<string, unknown>>;

/** What a state directory of the reference holds. */
export interface ImportSource {
  /** Which line wrote it. */
  readonly kind: "json" | "sqlite";
  /** Paired devices, field names as in the JSON files. */
  readonly devices: readonly Row[];
  /** Approved nodes of the JSON line, by node id. */
  readonly nodes: ReadonlyMap<string, Row>;
  /** Text of the exec approvals file, when it lies in the SQLite store. */
  readonly approvalsText?: string;
  /** Text for `identity/device.json`, when the key lies in the SQLite store. */
  readonly deviceKeyText?: string;
}

/** Reads what is there; `undefined` when the folder holds no store of the reference. */
export async function readImportSource(dir: string): Promise<ImportSource | undefined> {
  return await readSqlite(join(dir, "state", "openclaw.sqlite")) ?? await readJsonStores(dir);
}

async function readJsonStores(dir: string): Promise<ImportSource | undefined> {
  const devices = await readJson(join(dir, "devices", "paired.json"));
  const nodes = await readJson(join(dir, "nodes", "paired.json"));
  if (devices === undefined && nodes === undefined) return undefined;
  return {
    kind: "json",
    devices: Object.values(devices ?? {}).filter(isObject),
    nodes: new Map(
      Object.entries(nodes ?? {}).filter((entry): entry is [string, Row] => isObject(entry[1])),
    ),
  };
}

async function readJson(path: string): Promise<Row | undefined> {
  const file = await readOwned(path, { maxBytes: MAX_FILE_BYTES });
  if (file === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(file.bytes));
    if (isObject(value)) return value;
  } catch (error) {
    throw unreadable(path, messageOf(error));
  }
  throw unreadable(path, "it is not a JSON object");
}

function unreadable(path: string, why: string): OpenclawError {
  return new OpenclawError("IMPORT_UNREADABLE", `Cannot import "${path}": ${why}`);
}

async function readSqlite(path: string): Promise<ImportSource | undefined> {
  try {
    await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw unreadable(path, messageOf(error));
  }
  const folder = await Deno.makeTempDir({ prefix: "openclaw-import-" });
  try {
    const copy = join(folder, "copy.sqlite");
    await Deno.copyFile(path, copy);
    await Deno.copyFile(`${path}-wal`, `${copy}-wal`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    return await readCopy(copy);
  } catch (error) {
    throw unreadable(path, messageOf(error));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function readCopy(path: string): Promise<ImportSource> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path);
  const rows = (table: string): Row[] => {
    const known = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")
      .get(table);
    return known === undefined ? [] : database.prepare(`SELECT * FROM ${table}`).all() as Row[];
  };
  try {
    const approvals = rows("exec_approvals_config")[0]?.raw_json;
    const identity = rows("device_identities").find((row) => row.identity_key === "primary");
    return {
      kind: "sqlite",
      devices: rows("device_pairing_paired").map(fromColumns),
      nodes: new Map(),
      ...(typeof approvals === "string" ? { approvalsText: approvals } : {}),
      ...(identity === undefined ? {} : { deviceKeyText: keyText(identity) }),
    };
  } finally {
    database.close();
  }
}

/** `snake_case` columns and `*_json` texts → the field names of the JSON files. */
function fromColumns(columns: Row): Row {
  const out: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(columns)) {
    if (value === null) continue;
    const name = column.replace(/_json$/, "").replace(/_([a-z])/g, (_all, c) => c.toUpperCase());
    out[name] = column.endsWith("_json") && typeof value === "string" ? jsonValue(value) : value;
  }
  return out;
}

function keyText(row: Row): string {
  return JSON.stringify(
    {
      version: 1,
      deviceId: row.device_id,
      publicKeyPem: row.public_key_pem,
      privateKeyPem: row.private_key_pem,
      createdAtMs: row.created_at_ms,
    },
    null,
    2,
  ) + "\n";
}
