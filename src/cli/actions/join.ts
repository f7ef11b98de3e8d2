/**
 * `devices join-code` and `connect`: one line from the gateway to a new machine. The line is a secret until it is
 * used; what it grants stays on the gateway (decision 35).
 */
import { verificationCode } from "../../identity/verification_code.ts";
import { openSession } from "../../client/session.ts";
import { editConfig } from "../../config/edit.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import { type DeviceKey, loadOrCreateDeviceKey } from "../../identity/device_key.ts";
import { type Fingerprint, requireFingerprint } from "../../identity/fingerprint.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { Secret } from "../../lib/secret.ts";
import { parseEndpoint } from "../../net/endpoint.ts";
import { dial } from "../../net/ws_client.ts";
import {
  isJoinUrl,
  parseJoinLine,
  readSetupJson,
  renderJoinLine,
  type SetupCode,
} from "../../protocol/setup_code.ts";
import { num, obj, str } from "../../lib/schema.ts";
import { withGateway } from "../connect.ts";
import { operatorHello, operatorTokens } from "../operator.ts";
import type { Io } from "../io.ts";
import type { RpcValues } from "../rpc_flags.ts";
import { readAnswer } from "../shapes.ts";
import { installNode } from "./services.ts";
import { runNode } from "./node_run.ts";

/** Values of `devices join-code`. */
export interface JoinCodeValues extends RpcValues {
  readonly name: string | undefined;
  readonly label: readonly string[];
  readonly commands: string | undefined;
  readonly ttlMs: number;
  readonly uses: number;
  readonly publicUrl: string | undefined;
  readonly also: readonly string[];
  readonly operator: boolean | undefined;
}

const made = obj({ setupId: str(), setupCode: str(), expiresAtMs: num(), gatewayUrl: str() }, {
  unknown: "keep",
});

/** `devices join-code`: the line on stdout, everything else on stderr. */
export async function makeJoinLine(values: JoinCodeValues, io: Io): Promise<void> {
  const labels = labelsOf(values.label);
  const params = {
    bootstrapProfile: values.operator ? "operator" : "node",
    ttlMs: values.ttlMs,
    uses: values.uses,
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    ...(values.commands === undefined ? {} : { commands: values.commands.split(/[\s,]+/) }),
    ...(values.publicUrl === undefined ? {} : { publicUrl: values.publicUrl }),
    ...(values.also.length > 0 ? { urls: values.also } : {}),
  };
  const answer = await withGateway(
    io,
    values,
    { scopes: ["operator.admin"] },
    async (gateway) =>
      readAnswer(
        made,
        "device.pair.setupCode",
        await gateway.call("device.pair.setupCode", params),
      ),
  );
  const line = renderJoinLine(answer.setupCode);
  io.out.show({ ...answer, line }, () => {
    const role = values.operator ? " --operator" : "";
    io.out.note(`Joins ${answer.gatewayUrl} until ${new Date(answer.expiresAtMs).toISOString()}`);
    io.out.note(`On the new machine: openclaw connect${role} <the line below>`);
    io.out.text(line);
  });
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
    throw new OpenclawError("USAGE", `--label wants key=value, found "${pair}"`, { exitCode: 2 });
  }));
}

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
  io.out.note(`Joining ${way.url}; verification code ${code} (the gateway shows the same)`);
  if (values.operator) return await joinAsOperator(way, paths, key, io);
  return await joinAsNode(way, values, io);
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
    if (text.startsWith("ssh:")) {
      failures.push(`${text}: open a tunnel first: openclaw tunnel run ${text.slice(6)}`);
      continue;
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
