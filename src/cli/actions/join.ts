/**
 * `connect` and `node run --pair`: a new machine uses the line that `devices join-code` made.
 */
import { verificationCode } from "../../identity/verification_code.ts";
import { openSession } from "../../client/session.ts";
import { editConfig } from "../../config/file/edit.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import { type DeviceKey, loadOrCreateDeviceKey } from "../../identity/device_key.ts";
import { type Fingerprint, requireFingerprint } from "../../identity/fingerprint.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { Secret } from "../../lib/secret.ts";
import { loadNodeFile } from "../../node/node_file.ts";
import { parseEndpoint } from "../../net/endpoint.ts";
import { dial } from "../../net/ws_client.ts";
import {
  isJoinUrl,
  parseJoinLine,
  readSetupJson,
  type SetupCode,
} from "../../protocol/setup_code.ts";
import { operatorHello, operatorTokens } from "../operator.ts";
import type { Io } from "../io.ts";
import { installNode } from "./services.ts";
import { type NodeRunValues, runNode } from "./node_run.ts";

/** Values of `connect`. */
export interface ConnectValues {
  readonly line: string;
  readonly displayName: string | undefined;
  readonly service: boolean | undefined;
  readonly operator: boolean | undefined;
  readonly json: boolean;
}

/** A way in that answered. */
interface Way {
  readonly url: string;
  readonly pin: Fingerprint | undefined;
  readonly secret: Secret;
  /** ssh host to go through. */
  readonly via?: string;
}

/** `connect`. Returns the exit code. */
export async function connectWithLine(values: ConnectValues, io: Io): Promise<number> {
  const setup = isJoinUrl(values.line) ? await fetchSetup(values.line) : parseJoinLine(values.line);
  if (setup.expiresAtMs !== undefined && setup.expiresAtMs < Date.now()) {
    throw new OpenclawError("JOIN_LINE_EXPIRED", "The join line has expired", {
      hint: "on the gateway: openclaw devices join-code",
    });
  }
  const way = await firstWay(setup);
  const paths = statePaths(io.env);
  const key = await loadOrCreateDeviceKey(
    values.operator ? paths.operatorKeyFile : paths.deviceKeyFile,
  );
  const code = await verificationCode(way.secret, key.publicKey);
  io.out.note(
    `Joining ${way.url}${
      way.via ? ` through ${way.via}` : ""
    }; verification code ${code} (as devices join-code --wait shows)`,
  );
  if (values.operator) {
    if (way.via === undefined) return await joinAsOperator(way, paths, key, io);
    throw new OpenclawError(
      "JOIN_UNREACHABLE",
      `Only ${way.via} is left of the line's addresses`,
      {
        hint: `openclaw tunnel run ${way.via.slice(6)}`,
      },
    );
  }
  return await joinAsNode(way, values, io);
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

/** A join URL is fetched once; its answer is the setup object (gateway-protocol.md 15.3). */
async function fetchSetup(url: string): Promise<SetupCode> {
  const response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(15_000) });
  const body = await response.text();
  if (response.ok && body.length < 32_768) return readSetupJson(body);
  throw new OpenclawError(
    "JOIN_LINE_INVALID",
    `The join URL answered ${response.status}: it was used, has expired, or never existed`,
    { hint: "on the gateway: openclaw devices join-code" },
  );
}

/** The first address of the line that answers; a wrong certificate is an answer that ends the search. */
async function firstWay(setup: SetupCode): Promise<Way> {
  const pin = setup.tlsFingerprint === undefined
    ? undefined
    : requireFingerprint(setup.tlsFingerprint, "the join line");
  const secret = new Secret(setup.bootstrapToken);
  const failures: string[] = [];
  for (const text of [setup.url, ...setup.urls ?? []]) {
    if (text.startsWith("ssh://")) {
      // Whether ssh works shows when the node uses it; the gateway's port is that of the main address.
      const { port } = parseEndpoint(setup.url);
      const url = `${pin ? "wss" : "ws"}://127.0.0.1:${port}`;
      return { url, pin, secret, via: text };
    }
    try {
      const secure = parseEndpoint(text).secure;
      const socket = await dial({
        url: text,
        timeoutMs: 5_000,
        ...(pin && secure ? { pin } : {}),
      });
      socket.terminate();
      return { url: text, pin: secure ? pin : undefined, secret };
    } catch (error) {
      failures.push(`${text}: ${messageOf(error)}`);
    }
  }
  throw new OpenclawError("JOIN_UNREACHABLE", "No address of the join line answers", {
    details: { context: failures },
  });
}

/** Node: runs in the foreground, or until it has joined and the service can take over. */
async function joinAsNode(way: Way, values: ConnectValues, io: Io): Promise<number> {
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
    bootstrapToken: way.secret,
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

/** Person: one connection redeems the line; the device token and the address are kept for all commands. */
async function joinAsOperator(
  way: Way,
  paths: StatePaths,
  key: DeviceKey,
  io: Io,
): Promise<number> {
  const session = await openSession({
    dial: { url: way.url, timeoutMs: 10_000, ...(way.pin ? { pin: way.pin } : {}) },
    hello: operatorHello({ scopes: ["operator.read", "operator.write"] }),
    credentials: { bootstrapToken: way.secret },
    deviceKey: key,
    tokens: operatorTokens(paths, key),
  });
  session.close();
  await editConfig({ paths, env: io.env }, [
    { op: "set", path: ["gateway", "mode"], value: "remote" },
    { op: "set", path: ["gateway", "remote", "url"], value: way.url },
    { op: "set", path: ["gateway", "remote", "transport"], value: "direct" },
    ...(way.pin
      ? [{ op: "set" as const, path: ["gateway", "remote", "tlsFingerprint"], value: way.pin }]
      : []),
  ]);
  io.out.show({ ok: true, url: way.url, scopes: session.hello.auth.scopes }, () => {
    io.out.text(`Joined ${way.url}; kept in ${paths.configFile}`);
    io.out.text("Try it: openclaw nodes status");
  });
  return 0;
}
