/**
 * Device tokens this machine was given, per gateway and role, in one file (`identity/device-tokens.json`). The seeds'
 * `device-auth.json` knows no gateway: it is read once, for the gateway the caller names. Source: decision 8.
 */
import { dirname } from "@std/path";
import { messageOf, OpenclawError } from "../lib/errors.ts";
import {
  check,
  type Infer,
  int,
  list,
  obj,
  oneOf,
  opt,
  problemText,
  record,
  type Schema,
  str,
} from "../lib/schema.ts";
import { Secret } from "../lib/secret.ts";
import { quoted } from "../lib/text.ts";
import { ensureDir, readOwned, withFileLock, writeAtomic } from "../platform/files.ts";

/** One stored token. */
export interface StoredToken {
  readonly token: Secret;
  readonly scopes: readonly string[];
  /** Wall clock of the gateway at issue, milliseconds, when it told. */
  readonly issuedAtMs?: number;
}

const MAX_FILE_BYTES = 1024 * 1024;

const TOKEN = obj({
  token: str({ min: 1, max: 4096 }),
  scopes: opt(list(str())),
  issuedAtMs: opt(int({ min: 0 })),
}, { unknown: "keep" });

const FILE = obj({
  version: oneOf(1),
  /** The key the tokens were given to; tokens of a lost key are worthless (F42). */
  deviceId: str(),
  gateways: record(record(TOKEN)),
  imported: opt(oneOf(true)),
}, { unknown: "keep" });
type FileContent = Infer<typeof FILE>;

const SEED_FILE = obj({
  version: oneOf(1),
  deviceId: str(),
  tokens: record(TOKEN),
}, { unknown: "keep" });

/** Where tokens are kept and whose they are. */
export interface TokenStoreOptions {
  readonly path: string;
  /** Id of the key that signs with these tokens. */
  readonly deviceId: string;
  /** A `device-auth.json` of the seeds and the gateway its tokens belong to. */
  readonly seed?: { readonly path: string; readonly gatewayKey: string };
}

/** Name of a gateway in the store: its first pin, else its URL. */
export function gatewayKeyOf(url: string, pins: readonly string[]): string {
  return pins[0] ?? url;
}

/** The tokens of one device key. */
export class TokenStore {
  readonly #options: TokenStoreOptions;

  constructor(options: TokenStoreOptions) {
    this.#options = options;
  }

  /** The token for a gateway and role. A store that cannot be read is reported, never replaced. */
  async load(gatewayKey: string, role: string): Promise<StoredToken | undefined> {
    const content = await this.#read();
    const gateway = Object.hasOwn(content.gateways, gatewayKey)
      ? content.gateways[gatewayKey]
      : undefined;
    const entry = gateway && Object.hasOwn(gateway, role) ? gateway[role] : undefined;
    return entry && {
      token: new Secret(entry.token),
      scopes: entry.scopes ?? [],
      ...(entry.issuedAtMs === undefined ? {} : { issuedAtMs: entry.issuedAtMs }),
    };
  }

  /** Keeps a token; nothing is written when it is the one already kept. */
  async save(gatewayKey: string, role: string, stored: StoredToken): Promise<void> {
    const known = await this.load(gatewayKey, role);
    // A connection may ask for less than its token allows: what was seen granted once is not forgotten.
    const same = known?.token.reveal() === stored.token.reveal();
    const scopes = same ? [...new Set([...known.scopes, ...stored.scopes])] : stored.scopes;
    if (same && sameList(known.scopes, scopes)) return;
    await this.#change((content) => {
      const gateway = Object.hasOwn(content.gateways, gatewayKey)
        ? content.gateways[gatewayKey]
        : {};
      content.gateways[gatewayKey] = {
        ...gateway,
        [role]: {
          token: stored.token.reveal(),
          scopes: [...scopes],
          ...(stored.issuedAtMs === undefined ? {} : { issuedAtMs: stored.issuedAtMs }),
        },
      };
    });
  }

  /** Forgets the token for a gateway and role. */
  async remove(gatewayKey: string, role: string): Promise<void> {
    if (!await this.load(gatewayKey, role)) return;
    await this.#change((content) => void delete content.gateways[gatewayKey]?.[role]);
  }

  /** Forgets every gateway's token of a role (`--node-id`). */
  async removeRole(role: string): Promise<void> {
    await this.#change((content) => {
      for (const gateway of Object.values(content.gateways)) delete gateway[role];
    });
  }

  async #change(apply: (content: FileContent) => void): Promise<void> {
    await ensureDir(dirname(this.#options.path));
    await withFileLock(`${this.#options.path}.lock`, async () => {
      const content = await this.#read();
      apply(content);
      await writeAtomic(this.#options.path, JSON.stringify(content, null, 2) + "\n");
    });
  }

  async #read(): Promise<FileContent> {
    const { path, deviceId, seed } = this.#options;
    const content = await readJson(path, FILE);
    const own = content?.deviceId === deviceId ? content : undefined;
    const out: FileContent = own ?? { version: 1, deviceId, gateways: Object.create(null) };
    if (!seed || out.imported) return out;
    const old = await readJson(seed.path, SEED_FILE);
    out.imported = true;
    if (old?.deviceId === deviceId) {
      out.gateways[seed.gatewayKey] = { ...old.tokens, ...out.gateways[seed.gatewayKey] };
    }
    return out;
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry === b[i]);
}

async function readJson<T>(path: string, schema: Schema<T>): Promise<T | undefined> {
  const file = await readOwned(path, { maxBytes: MAX_FILE_BYTES });
  if (!file) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(file.bytes));
  } catch (error) {
    throw unreadable(path, `not JSON (${messageOf(error)})`);
  }
  const checked = check(schema, value);
  if (!checked.ok) throw unreadable(path, problemText(checked.problems));
  return checked.value;
}

function unreadable(path: string, why: string): OpenclawError {
  return new OpenclawError(
    "TOKEN_STORE_UNREADABLE",
    `Cannot read the device tokens ${quoted(path)}: ${why}`,
    {
      hint: `to pair again without them: mv ${path} ${path}.old`,
    },
  );
}
