/**
 * `devices join-code`: one line from the gateway to a new machine. The line is a secret until it is used; what it
 * grants stays on the gateway (decision 35).
 */
import { verificationCode } from "../../../identity/verification_code.ts";
import { withDeadline } from "../../../lib/deadline.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { type Infer, num, obj, opt, str } from "../../../lib/schema.ts";
import { Secret } from "../../../lib/secret.ts";
import { urlHost } from "../../../net/endpoint.ts";
import { CAPABILITY_INVOKE_OUTPUT } from "../../../protocol/hello.ts";
import { parseJoinLine, renderJoinLine } from "../../../protocol/setup_code.ts";
import { type Gateway, withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { reachableAddresses, readRunningGateway } from "../../connect/running_gateway.ts";
import { deviceList, readAnswer } from "../../shapes.ts";

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
  /** A `/j/<code>` address: its certificate must be one the system trusts, the address carries no pin. */
  readonly joinUrl: boolean | undefined;
}

const made = obj({
  setupId: str(),
  setupCode: str(),
  expiresAtMs: num(),
  gatewayUrl: str(),
  joinUrl: opt(str()),
}, { unknown: "keep" });

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
      const line = answer.joinUrl ?? renderJoinLine(answer.setupCode);
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
  if (!gateway.offers(CAPABILITY_INVOKE_OUTPUT)) return referenceParams(values);
  const [publicUrl, ...further] = values.publicUrl === undefined
    ? await lanUrls(gateway, values.also, io)
    : [values.publicUrl];
  const urls = [...further, ...values.also];
  return {
    bootstrapProfile: values.operator ? "operator" : "node",
    ttlMs: values.ttlMs,
    includeQr: false,
    ...(values.joinUrl ? { joinUrl: true } : {}),
    uses: values.uses,
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(Object.keys(labels).length > 0 ? { labels } : {}),
    ...(values.commands === undefined ? {} : { commands: commandsOf(values.commands) }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(urls.length > 0 ? { urls } : {}),
  };
}

/** What a gateway of the reference takes; how long its codes last is its own matter, and shown. */
function referenceParams(values: JoinCodeValues): unknown {
  const foreign = [
    ...(values.name === undefined ? [] : ["--name"]),
    ...(values.label.length === 0 ? [] : ["--label"]),
    ...(values.commands === undefined ? [] : ["--commands"]),
    ...(values.uses === 1 ? [] : ["--uses"]),
    ...(values.also.length === 0 ? [] : ["--also"]),
  ];
  if (foreign.length > 0) {
    throw new OpenclawError("USAGE", `The codes of this gateway know no ${foreign.join(", ")}`, {
      exitCode: 2,
      hint: "openclaw devices join-code --public-url wss://gw.example:18789",
    });
  }
  return {
    bootstrapProfile: values.operator ? "limited" : "node",
    includeQr: false,
    ...(values.joinUrl ? { joinUrl: true } : {}),
    ...(values.publicUrl === undefined ? {} : { publicUrl: values.publicUrl }),
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

function commandsOf(text: string): string[] {
  const commands = text.split(/[\s,]+/).filter((name) => name !== "");
  if (commands.length > 0) return commands;
  throw new OpenclawError("USAGE", "--commands names no command", {
    exitCode: 2,
    hint: "openclaw devices join-code --commands system.run,system.which",
  });
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
    throw new OpenclawError("USAGE", `--label wants key=value, found "${pair}"`, { exitCode: 2 });
  }));
}
