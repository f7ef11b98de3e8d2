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
import { withDeadline } from "../../lib/deadline.ts";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { Secret } from "../../lib/secret.ts";
import { loadNodeFile } from "../../node/node_file.ts";
import { parseEndpoint, urlHost } from "../../net/endpoint.ts";
import { dial } from "../../net/ws_client.ts";
import {
  isJoinUrl,
  parseJoinLine,
  readSetupJson,
  renderJoinLine,
  type SetupCode,
} from "../../protocol/setup_code.ts";
import { type Infer, num, obj, str } from "../../lib/schema.ts";
import { type Gateway, withGateway } from "../connect.ts";
import { operatorHello, operatorTokens } from "../operator.ts";
import type { Io } from "../io.ts";
import type { RpcValues } from "../rpc_flags.ts";
import { reachableAddresses, readRunningGateway } from "../running_gateway.ts";
import { deviceList, readAnswer } from "../shapes.ts";
import { installNode } from "./services.ts";
import { type NodeRunValues, runNode } from "./node_run.ts";

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
  readonly wait: boolean | undefined;
}

const made = obj({ setupId: str(), setupCode: str(), expiresAtMs: num(), gatewayUrl: str() }, {
  unknown: "keep",
});

/** `devices join-code`: the line on stdout, everything else on stderr. */
export async function makeJoinLine(values: JoinCodeValues, io: Io): Promise<void> {
  await withGateway(
    io,
    values,
    { scopes: ["operator.admin"], longLived: true },
    async (gateway) => {
      const joined = Promise.withResolvers<string>();
      const params = await paramsOf(values, gateway, io);
      const answer = readAnswer(
        made,
        "device.pair.setupCode",
        await gateway.call("device.pair.setupCode", params),
      );
      gateway.onEvent((event, payload) => {
        if (event !== "device.pair.setup.completed") return;
        const { setupId, deviceId } = payload as { setupId?: string; deviceId?: string };
        if (setupId === answer.setupId && deviceId) joined.resolve(deviceId);
      });
      const line = renderJoinLine(answer.setupCode);
      io.out.show({ ...answer, line }, () => {
        const role = values.operator ? " --operator" : "";
        const until = new Date(answer.expiresAtMs).toISOString();
        io.out.note(`Joins ${answer.gatewayUrl} until ${until}`);
        io.out.note(`On the new machine: openclaw connect${role} <the line below>`);
        io.out.text(line);
      });
      if (values.wait) await showJoined(gateway, answer, joined.promise, io);
    },
  );
}

/** Waits for the line to be used and shows the code that the new machine shows, too. */
async function showJoined(
  gateway: Gateway,
  answer: Infer<typeof made>,
  joined: Promise<string>,
  io: Io,
): Promise<void> {
  const timeoutMs = Math.max(1, answer.expiresAtMs - Date.now());
  const deviceId = await withDeadline(joined, { timeoutMs, what: "the join line to be used" });
  const list = readAnswer(deviceList, "device.pair.list", await gateway.call("device.pair.list"));
  const device = list.paired.find((d) => d.deviceId === deviceId);
  const secret = new Secret(parseJoinLine(answer.setupCode).bootstrapToken);
  const code = device?.publicKey ? await verificationCode(secret, device.publicKey) : "unknown";
  io.out.note(`${device?.displayName ?? deviceId} joined; verification code ${code}`);
}

async function paramsOf(values: JoinCodeValues, gateway: Gateway, io: Io): Promise<unknown> {
  const labels = labelsOf(values.label);
  const [publicUrl, ...further] = values.publicUrl === undefined
    ? await lanUrls(gateway, values.also, io)
    : [values.publicUrl];
  const urls = [...further, ...values.also];
  return {
    bootstrapProfile: values.operator ? "operator" : "node",
    ttlMs: values.ttlMs,
    uses: values.uses,
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    ...(values.commands === undefined ? {} : { commands: values.commands.split(/[\s,]+/) }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(urls.length > 0 ? { urls } : {}),
  };
}

/** Addresses of a gateway that runs here: those of this machine, or loopback; else it chooses itself. */
async function lanUrls({ target }: Gateway, also: readonly string[], io: Io): Promise<string[]> {
  if (target.source !== "local") return [];
  const running = await readRunningGateway(target.paths);
  if (!running) return [];
  const scheme = running.tls ? "wss" : "ws";
  if (/^(0\.0\.0\.0|::)$/.test(running.host)) {
    return reachableAddresses().map((host) => `${scheme}://${urlHost(host)}:${running.port}`);
  }
  if (!/^(127\.|::1$|localhost$)/.test(running.host)) return [];
  if (!also.some((url) => url.startsWith("ssh:"))) {
    io.out.warn(
      "This gateway listens on loopback only: the line works on this machine. For others start it with " +
        "--bind lan, or add --also ssh://user@host to go through ssh",
    );
  }
  return [`${scheme}://127.0.0.1:${running.port}`];
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
      way.via ? ` through ssh ${way.via}` : ""
    }; verification code ${code} (as devices join-code --wait shows)`,
  );
  if (values.operator) {
    if (way.via === undefined) return await joinAsOperator(way, paths, key, io);
    throw new OpenclawError(
      "JOIN_UNREACHABLE",
      `Only ssh ${way.via} is left of the line's addresses`,
      {
        hint: `openclaw tunnel run ${way.via}`,
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
      return { url, pin, secret, via: text.slice(6) };
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
