/**
 * `node.json`: where the gateway is and what this node calls itself. Owns the file's rules and the order flag > file >
 * configuration > default; connecting belongs to `node/host.ts`. Source: node-host.md 1.1.
 */
import { parse as parseJsonc } from "@std/jsonc";
import {
  type Fingerprint,
  parseFingerprint,
  requireFingerprint,
} from "../../identity/fingerprint.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { any, bool, check, type Infer, int, obj, opt, problemText, str } from "../../lib/schema.ts";
import { quoted } from "../../lib/text.ts";
import { type Endpoint, parseEndpoint, urlHost } from "../../net/endpoint.ts";
import { readOwned, writeAtomic } from "../../platform/files.ts";
import { parseSshTarget, sshTargetText } from "../../remote/ssh_target.ts";

const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_PORT = 18789;
const MAX_BYTES = 1024 * 1024;

const gatewaySchema = obj({
  host: opt(str({ max: 255 })),
  port: opt(int({ min: 1, max: 65_535 })),
  tls: opt(bool()),
  tlsFingerprint: opt(str({ max: 512 })),
  /** Ours: announced by the gateway for after its renewal (F22). */
  tlsFingerprintNext: opt(str({ max: 512 })),
  contextPath: opt(str({ max: 1024 })),
  via: opt(str({ max: 512 })),
}, { unknown: "keep" });

const fileSchema = obj({
  version: opt(any()),
  nodeId: opt(str({ max: 128 })),
  token: opt(str({ max: 4096 })),
  displayName: opt(str({ max: 256 })),
  gateway: opt(gatewaySchema),
}, { unknown: "keep" });

/** What the file holds; every key may be missing (seed 000, "method C"). */
export type NodeFile = Infer<typeof fileSchema>;

/** What the command line says. */
export interface NodeFlags {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly tls?: boolean | undefined;
  readonly tlsFingerprint?: string | undefined;
  readonly contextPath?: string | undefined;
  /** `ssh://[user@]host[:port]`: go through an ssh tunnel to the gateway on that host's loopback. */
  readonly via?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly displayName?: string | undefined;
}

/** Effective settings of a node. */
export interface NodeSettings {
  /** Client instance id; the gateway's `nodeId` is the device id. */
  readonly nodeId: string;
  readonly displayName: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly pin?: Fingerprint;
  /** Announced successor of the pin. */
  readonly nextPin?: Fingerprint;
  readonly contextPath?: string;
  /** ssh host to go through, `ssh://[user@]host[:port]`; host and port above are as seen from there. */
  readonly via?: string;
  readonly url: string;
}

/** Inputs of {@linkcode decideSettings}. */
export interface SettingsFacts {
  /** Path of the file, for messages. */
  readonly path: string;
  readonly file: NodeFile | undefined;
  readonly flags: NodeFlags;
  /** `gateway.tls.enabled` of the configuration. */
  readonly configTls: boolean | undefined;
  readonly machineName: string;
  readonly newId: () => string;
}

/** Effective settings, the file as it should be on disk, and what to tell the user. */
export interface DecidedSettings {
  readonly settings: NodeSettings;
  readonly file: NodeFile;
  readonly notices: readonly string[];
  /** `--node-id` was given: the stored `node` device token must go too (seed 003). */
  readonly identityReset: boolean;
}

/**
 * Reads the file; `undefined` when there is none.
 * @throws {OpenclawError} `NODE_FILE_UNREADABLE` (exit 1) when it does not parse; it is never overwritten then.
 */
export async function loadNodeFile(path: string): Promise<NodeFile | undefined> {
  const found = await readOwned(path, { maxBytes: MAX_BYTES });
  if (!found) return undefined;
  const refuse = (why: string, cause?: unknown) =>
    new OpenclawError("NODE_FILE_UNREADABLE", `Cannot read ${quoted(path)}: ${why}`, {
      cause,
      hint: `repair the file, or start over with: mv ${path} ${path}.broken`,
    });
  let value: unknown;
  try {
    value = parseJsonc(new TextDecoder("utf-8", { fatal: true }).decode(found.bytes));
  } catch (error) {
    throw refuse(`not JSON (${messageOf(error)})`, error);
  }
  const checked = check(fileSchema, value);
  if (!checked.ok) throw refuse(problemText(checked.problems));
  return checked.value;
}

/** Writes the file, only when something changed. Whether it was written. */
export async function saveNodeFile(
  path: string,
  before: NodeFile | undefined,
  after: NodeFile,
): Promise<boolean> {
  if (before && JSON.stringify(before) === JSON.stringify(after)) return false;
  await writeAtomic(path, JSON.stringify(after, null, 2) + "\n");
  return true;
}

/** Decides the settings. @throws {OpenclawError} `INVALID_FLAG_VALUE`, `PIN_MALFORMED`, `PIN_WITHOUT_TLS`, all before anything is dialled. */
export function decideSettings(facts: SettingsFacts): DecidedSettings {
  const { file, flags } = facts;
  const saved = file?.gateway;
  const via = decideVia(facts);
  const host = via ? DEFAULT_HOST : decideHost(facts);
  const port = flags.port ?? saved?.port ?? DEFAULT_PORT;
  const notices: string[] = [];
  const sameEndpoint = host.toLowerCase() === (saved?.host?.trim() || DEFAULT_HOST).toLowerCase() &&
    port === (saved?.port ?? DEFAULT_PORT) && via === filled(saved?.via);
  // A pin belongs to one endpoint: taking it to another would refuse a good gateway, or bless a wrong one.
  const savedPin = sameEndpoint ? filled(saved?.tlsFingerprint) : undefined;
  if (!sameEndpoint && filled(saved?.tlsFingerprint) && flags.tlsFingerprint === undefined) {
    notices.push(
      `dropped the saved TLS fingerprint: it belongs to ${saved?.host ?? DEFAULT_HOST}:${
        saved?.port ?? DEFAULT_PORT
      }${saved?.via ? ` behind ${saved.via}` : ""}, not to ${host}:${port}${
        via ? ` behind ${via}` : ""
      }`,
    );
  }
  const pin = flags.tlsFingerprint !== undefined
    ? requireFingerprint(flags.tlsFingerprint, "--tls-fingerprint")
    : savedPin === undefined
    ? undefined
    : requireFingerprint(savedPin, facts.path);
  // An announced pin follows exactly the saved one; a flag that names another gateway ends it.
  const savedNext =
    pin !== undefined && savedPin !== undefined && pin === parseFingerprint(savedPin)
      ? parseFingerprint(saved?.tlsFingerprintNext ?? "")
      : undefined;
  const tls = decideTls({ facts, pinned: pin !== undefined, sameEndpoint });
  const contextPath = normalPath(flags.contextPath ?? (sameEndpoint ? saved?.contextPath : ""));
  const identityReset = flags.nodeId !== undefined;
  const nodeId = filled(flags.nodeId) ??
    (file?.version === undefined || file.version === 1 ? filled(file?.nodeId) : undefined) ??
    facts.newId();
  const displayName = filled(flags.displayName) ?? filled(file?.displayName) ?? facts.machineName;
  const settings: NodeSettings = {
    nodeId,
    displayName,
    host,
    port,
    tls,
    ...(pin ? { pin } : {}),
    ...(savedNext ? { nextPin: savedNext } : {}),
    ...(contextPath ? { contextPath } : {}),
    ...(via ? { via } : {}),
    url: `${tls ? "wss" : "ws"}://${urlHost(host)}:${port}${contextPath}`,
  };
  return { settings, file: fileOf(file, settings, identityReset), notices, identityReset };
}

const filled = (text: string | undefined) => text?.trim() || undefined;

/** A host name or address alone: anything else would be kept, and fail only when it is dialled. */
function decideHost({ path, file, flags }: SettingsFacts): string {
  const host = flags.host?.trim() ?? filled(file?.gateway?.host) ?? DEFAULT_HOST;
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  if (endpointOf(`ws://${urlHost(bare)}:1`)) return bare;
  // Not repeated: a URL may hold a password (N21).
  const wanted = "wanted a host name or address alone";
  if (flags.host === undefined) {
    throw new OpenclawError(
      "NODE_FILE_UNREADABLE",
      `Cannot use the gateway.host of ${quoted(path)}: ${wanted}`,
      { hint: "openclaw node run --host <gateway> --port 18789" },
    );
  }
  const meant = endpointOf(host.includes("://") ? host : `ws://${host}`);
  throw new OpenclawError("INVALID_FLAG_VALUE", `Invalid --host: ${wanted}`, {
    hint: meant
      ? `--host ${meant.host} --port ${meant.port}${meant.secure ? " --tls" : ""}`
      : "--host gw.example --port 18789",
  });
}

function endpointOf(text: string): Endpoint | undefined {
  try {
    return parseEndpoint(text);
  } catch {
    return undefined; // Told by the caller in its own words.
  }
}

/** The ssh host: the flag's, or the saved one unless `--host` names another way. */
function decideVia({ path, file, flags }: SettingsFacts): string | undefined {
  const given = filled(flags.via);
  const host = flags.host?.trim().toLowerCase();
  if (given !== undefined && host !== undefined && host !== DEFAULT_HOST && host !== "localhost") {
    throw new OpenclawError(
      "VIA_WITH_HOST",
      `--via and --host ${
        quoted(host)
      } exclude each other: a tunnel leads to the loopback of its ssh host`,
      { hint: `openclaw node run --via ${given} --port <port of the gateway there>`, exitCode: 2 },
    );
  }
  const text = given ?? (host === undefined ? filled(file?.gateway?.via) : undefined);
  if (text === undefined) return undefined;
  try {
    return `ssh://${sshTargetText(parseSshTarget(text))}`;
  } catch (error) {
    if (given !== undefined) throw error;
    throw new OpenclawError(
      "NODE_FILE_UNREADABLE",
      `Cannot use ${quoted(path)}: ${messageOf(error)}`,
    );
  }
}

function normalPath(path: string | undefined): string {
  const text = path?.trim().replace(/^\/*/, "/").replace(/\/+$/, "") ?? "";
  return text;
}

function decideTls(
  { facts, pinned, sameEndpoint }: { facts: SettingsFacts; pinned: boolean; sameEndpoint: boolean },
): boolean {
  const saved = facts.file?.gateway;
  const asked = facts.flags.tls ??
    (facts.flags.tlsFingerprint !== undefined ? true : saved?.tls ?? (pinned || facts.configTls));
  if (pinned && !asked) {
    throw new OpenclawError(
      "PIN_WITHOUT_TLS",
      `A TLS fingerprint is set for ${sameEndpoint ? "this" : "the"} gateway, but TLS is off`,
      { hint: "openclaw node run --tls", exitCode: 1 },
    );
  }
  return asked ?? false;
}

/** The file with the effective values; keys we do not know stay. */
function fileOf(before: NodeFile | undefined, settings: NodeSettings, reset: boolean): NodeFile {
  const {
    token,
    gateway: oldGateway,
    version: _version,
    nodeId: _id,
    displayName: _name,
    ...rest
  } = before ?? {};
  const {
    host: _h,
    port: _p,
    tls: _t,
    tlsFingerprint: _f,
    tlsFingerprintNext: _n,
    contextPath: _c,
    via: _v,
    ...foreign
  } = oldGateway ?? {};
  return {
    version: 1,
    nodeId: settings.nodeId,
    ...(token !== undefined && !reset ? { token } : {}),
    displayName: settings.displayName,
    gateway: {
      host: settings.host,
      port: settings.port,
      tls: settings.tls,
      ...(settings.pin ? { tlsFingerprint: settings.pin } : {}),
      ...(settings.nextPin ? { tlsFingerprintNext: settings.nextPin } : {}),
      ...(settings.contextPath ? { contextPath: settings.contextPath } : {}),
      ...(settings.via ? { via: settings.via } : {}),
      ...foreign,
    },
    ...rest,
  };
}
