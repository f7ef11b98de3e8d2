/**
 * `connect` and `node run --pair`: a new machine uses the line that `devices join-code` made.
 */
import { verificationCode } from "../../../identity/verification_code.ts";
import { withRepair } from "../../../client/refused_credential.ts";
import { openSession } from "../../../client/session.ts";
import { type ConfigChange, editConfig } from "../../../config/file/edit.ts";
import { statePaths } from "../../../config/paths.ts";
import { type DeviceKey, loadOrCreateDeviceKey } from "../../../identity/device_key.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import type { Secret } from "../../../lib/secret.ts";
import { loadNodeFile } from "../../../node/files/node_file.ts";
import { parseEndpoint } from "../../../net/endpoint.ts";
import { isJoinUrl, parseJoinLine } from "../../../protocol/setup_code.ts";
import { fetchJoinUrl } from "./url.ts";
import { firstWay, nameOf, openWay, secretOfLine, type Way } from "./way.ts";
import { operatorHello, operatorTokens } from "../../connect/operator.ts";
import type { Io } from "../../terminal/io.ts";
import { readStdinLine } from "../../terminal/stdin_line.ts";
import { installNode } from "../services/services.ts";
import { type NodeRunValues, runNode } from "../node/run.ts";

/** Values of `connect`. */
export interface ConnectValues {
  /** `-`: it is read from stdin. */
  readonly line: string;
  readonly displayName: string | undefined;
  readonly service: boolean | undefined;
  readonly operator: boolean | undefined;
  readonly json: boolean;
}

/** `connect`. Returns the exit code. */
export async function connectWithLine(values: ConnectValues, io: Io): Promise<number> {
  const line = values.line === "-" ? await readStdinLine() : values.line;
  const setup = isJoinUrl(line) ? await fetchJoinUrl(line) : parseJoinLine(line);
  if (setup.expiresAtMs !== undefined && setup.expiresAtMs < Date.now()) {
    throw new OpenclawError("JOIN_LINE_EXPIRED", "The join line has expired", {
      hint: "on the gateway: openclaw devices join-code",
    });
  }
  const way = await firstWay(setup, io);
  const secret = secretOfLine(setup);
  const paths = statePaths(io.env);
  const key = await loadOrCreateDeviceKey(
    values.operator ? paths.operatorKeyFile : paths.deviceKeyFile,
  );
  const code = await verificationCode(secret, key.publicKey);
  io.out.note(
    `Joining ${nameOf(way)}; verification code ${code} (as devices join-code --wait shows)`,
  );
  return values.operator
    ? await joinAsOperator({ way, secret, key }, io)
    : await joinAsNode(way, secret, values, io);
}

/** `node run --pair` and `--pair-if-needed`: a machine with a node.json and a token for it has joined before. */
export async function pairAndRun(
  values: NodeRunValues & {
    readonly pair: string | undefined;
    readonly pairIfNeeded: string | undefined;
  },
  io: Io,
): Promise<number> {
  const line = values.pair ?? values.pairIfNeeded ?? "";
  const paths = statePaths(io.env);
  const file = values.pair === undefined ? await loadNodeFile(paths.nodeFile) : undefined;
  if (file?.gateway?.host !== undefined) return await runNode(values, io);
  const { displayName, json } = values;
  return await connectWithLine({ line, displayName, json, service: false, operator: false }, io);
}

/** Node: runs in the foreground, or until it has joined and the service can take over. */
async function joinAsNode(
  way: Way,
  secret: Secret,
  values: ConnectValues,
  io: Io,
): Promise<number> {
  const endpoint = parseEndpoint(way.url);
  const flags = {
    host: endpoint.host,
    port: endpoint.port,
    tls: endpoint.secure,
    tlsFingerprint: way.pin,
    displayName: values.displayName,
    nodeId: undefined,
    via: way.via,
  };
  const code = await runNode({
    ...flags,
    untilStdinCloses: false,
    untilJoined: values.service ?? false,
    bootstrapToken: secret,
    json: values.json,
  }, io);
  if (code !== 0 || !values.service) return code;
  return await installNode({
    ...flags,
    system: undefined,
    force: true,
    print: undefined,
    runtime: undefined,
  }, io);
}

/** What a person joins with. */
interface PersonJoin {
  readonly way: Way;
  readonly secret: Secret;
  readonly key: DeviceKey;
}

/** Person: one connection redeems the line; the device token and the way are kept for all commands. */
async function joinAsOperator({ way, secret, key }: PersonJoin, io: Io): Promise<number> {
  const paths = statePaths(io.env);
  const open = await openWay(way, io);
  let scopes: readonly string[];
  try {
    const session = await openSession({
      dial: { ...open.dial, timeoutMs: 10_000, ...(way.pin ? { pin: way.pin } : {}) },
      hello: operatorHello({ scopes: ["operator.read", "operator.write"] }),
      credentials: { bootstrapToken: secret },
      deviceKey: key,
      tokens: operatorTokens(paths, key),
      gatewayKey: open.gatewayKey,
    });
    session.close();
    scopes = session.hello.auth.scopes;
  } catch (error) {
    throw withRepair(error, {
      role: "operator",
      tokenSource: undefined,
      passwordSource: undefined,
    });
  } finally {
    await open.close();
  }
  await editConfig({ paths, env: io.env }, [remoteEdit(way)]);
  const name = nameOf(way);
  io.out.show({ ok: true, url: way.url, via: way.via, scopes }, () => {
    io.out.text(`Joined ${name}; kept in ${paths.configFile}`);
    io.out.text("Try it: openclaw nodes status");
  });
  return 0;
}

/** `gateway.remote` for a way; what an earlier gateway needed goes. */
function remoteEdit({ url, pin, via }: Way): ConfigChange {
  const reached = via === undefined
    ? { transport: "direct", url, sshTarget: null, remotePort: null }
    : { transport: "ssh", url: null, sshTarget: via, remotePort: parseEndpoint(url).port };
  const remote = { ...reached, tlsFingerprint: pin ?? null };
  return { op: "merge", patch: { gateway: { mode: "remote", remote } } };
}
