/**
 * Params of the `connect` request: one closed schema that accepts what both protocol generations send.
 * Source: gateway-protocol.md 2.2.
 */
import { any, bool, int, list, obj, oneOf, opt, record, str } from "../lib/schema.ts";
import type { Infer } from "../lib/schema.ts";
import { CLIENT_IDS, CLIENT_MODES } from "./client_ids.ts";
import { MAX_SECRET_CHARS } from "./limits.ts";

/** Longest name, label or version a client may send, in UTF-16 units. */
const SHORT = 512;
const filled = (max = SHORT) => str({ min: 1, max });

const clientSchema = obj({
  id: oneOf(...CLIENT_IDS),
  mode: oneOf(...CLIENT_MODES),
  version: filled(),
  platform: filled(),
  displayName: opt(str({ max: SHORT })),
  deviceFamily: opt(str({ max: SHORT })),
  modelIdentifier: opt(str({ max: SHORT })),
  instanceId: opt(str({ max: SHORT })),
  buildId: opt(str({ max: 96 })),
  timeZone: opt(str({ max: 64 })),
});

const authSchema = obj({
  token: opt(str({ max: MAX_SECRET_CHARS })),
  bootstrapToken: opt(str({ max: MAX_SECRET_CHARS })),
  deviceToken: opt(str({ max: MAX_SECRET_CHARS })),
  password: opt(str({ max: MAX_SECRET_CHARS })),
  approvalRuntimeToken: opt(str({ max: 4096 })),
  agentRuntimeIdentityToken: opt(str({ max: 4096 })),
});

const deviceSchema = obj({
  id: filled(),
  publicKey: filled(4096),
  signature: filled(4096),
  signedAt: int({ min: 0 }),
  nonce: filled(),
});

/** Schema of `connect` params. Unknown keys anywhere are refused. */
export const connectSchema = obj({
  minProtocol: int({ min: 1 }),
  maxProtocol: int({ min: 1 }),
  client: clientSchema,
  role: opt(str({ max: SHORT })),
  scopes: opt(list(str({ min: 1, max: SHORT }), { max: 64 })),
  caps: opt(list(str({ min: 1, max: SHORT }), { max: 256 })),
  commands: opt(list(str({ min: 1, max: SHORT }), { max: 1024 })),
  permissions: opt(record(bool(), { max: 256 })),
  pathEnv: opt(str({ max: 32_768 })),
  auth: opt(authSchema),
  device: opt(deviceSchema),
  locale: opt(str({ max: SHORT })),
  userAgent: opt(str({ max: 4096 })),
  computerUse: opt(any()),
  workerRuns: opt(any()),
  modelCatalog: opt(any()),
});

/** Checked `connect` params. */
export type ConnectParams = Infer<typeof connectSchema>;

/** The token a device signature covers: first present of token, deviceToken, bootstrapToken. Source: 3.2. */
export function signedToken(auth: ConnectParams["auth"]): string | undefined {
  return auth?.token ?? auth?.deviceToken ?? auth?.bootstrapToken;
}
