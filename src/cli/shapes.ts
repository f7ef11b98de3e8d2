/**
 * What the commands read in a gateway's answers: only the fields that are shown or decided on, everything else is
 * kept as it came for `--json`. Both protocol generations pass; a gateway that answers something else is told so.
 */
import { OpenclawError } from "../lib/errors.ts";
import {
  any,
  bool,
  check,
  type Infer,
  list,
  nullable,
  num,
  obj,
  opt,
  problemText,
  type Schema,
  str,
} from "../lib/schema.ts";

const words = opt(nullable(list(str())));
const word = opt(nullable(str()));
const time = opt(nullable(num()));
const flag = opt(nullable(bool()));
const keep = { unknown: "keep" } as const;

const pendingDevice = obj({
  requestId: str(),
  deviceId: str(),
  publicKey: word,
  displayName: word,
  platform: word,
  clientId: word,
  clientMode: word,
  role: word,
  roles: words,
  scopes: words,
  caps: words,
  commands: words,
  surfaceHash: word,
  remoteIp: word,
  isRepair: flag,
  ts: time,
}, keep);

const deviceToken = obj({ role: str(), revokedAtMs: time }, keep);

const pairedDevice = obj({
  deviceId: str(),
  publicKey: word,
  displayName: word,
  operatorLabel: word,
  clientId: word,
  role: word,
  roles: words,
  scopes: words,
  remoteIp: word,
  tokens: opt(nullable(list(deviceToken))),
}, keep);

const pendingSurface = obj({
  requestId: str(),
  nodeId: str(),
  displayName: word,
  platform: word,
  remoteIp: word,
  caps: words,
  commands: words,
  ts: time,
}, keep);

const nodeEntry = obj({
  nodeId: str(),
  displayName: word,
  platform: word,
  version: word,
  clientId: word,
  clientMode: word,
  deviceFamily: word,
  modelIdentifier: word,
  remoteIp: word,
  caps: words,
  commands: words,
  pathEnv: word,
  permissions: opt(any()),
  instanceId: word,
  connectedAtMs: time,
  lastSeenAtMs: time,
  lastConnectedAtMs: time,
  approvalState: word,
  pendingRequestId: word,
  paired: flag,
  connected: flag,
}, keep);

const approvalEntry = obj({
  id: str(),
  request: opt(any()),
  createdAtMs: time,
  expiresAtMs: time,
  requester: opt(nullable(obj({ name: str(), deviceId: word }, keep))),
}, keep);

/** `device.pair.list`. Source: gateway-protocol.md 8.5. */
export const deviceList = obj({ pending: list(pendingDevice), paired: list(pairedDevice) }, keep);
/** `node.pair.list`. Source: gateway-protocol.md 9.3. */
export const surfaceList = obj({ pending: list(pendingSurface), paired: list(nodeEntry) }, keep);
/** `node.list`. Source: gateway-protocol.md 11.3. */
export const nodeList = obj({ ts: time, nodes: list(nodeEntry) }, keep);
/** `node.describe`. */
export const nodeDescription = nodeEntry;
/** `exec.approval.list`. Source: gateway-protocol.md 11.7. */
export const approvalList = list(approvalEntry);
/** Answer of `node.invoke`. Source: gateway-protocol.md 11.4. */
export const invokeAnswer = obj({ payload: opt(any()), payloadJSON: word }, keep);

/** A device that asks to be paired. */
export type PendingDevice = Infer<typeof pendingDevice>;
/** A paired device. */
export type PairedDevice = Infer<typeof pairedDevice>;
/** A command surface that waits for approval. */
export type PendingSurface = Infer<typeof pendingSurface>;
/** A node. */
export type NodeEntry = Infer<typeof nodeEntry>;
/** An exec approval that waits for a decision. */
export type ApprovalEntry = Infer<typeof approvalEntry>;

/** Checks an answer. @throws OpenclawError `UNEXPECTED_ANSWER`. */
export function readAnswer<T>(schema: Schema<T>, method: string, value: unknown): T {
  const checked = check(schema, value);
  if (checked.ok) return checked.value;
  throw new OpenclawError(
    "UNEXPECTED_ANSWER",
    `The gateway's answer to ${method} is not what the protocol says: ${
      problemText(checked.problems)
    }`,
  );
}

/** A copy without any `token` text in it: no command ever prints one (v3 gateways send node tokens). */
export function withoutTokens(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTokens);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([key, item]) => !(key === "token" && typeof item === "string"))
      .map(([key, item]) => [key, withoutTokens(item)]),
  );
}
