/**
 * Which of a join line's addresses is used: each is tried in its order until one answers, ssh included. The addresses of
 * this machine come last: what listens there may be another gateway.
 */
import { readEnv } from "../../../config/env.ts";
import { statePaths } from "../../../config/paths.ts";
import { type Fingerprint, requireFingerprint } from "../../../identity/fingerprint.ts";
import { gatewayKeyOf } from "../../../identity/token_store.ts";
import { messageOf, OpenclawError } from "../../../lib/errors.ts";
import { Secret } from "../../../lib/secret.ts";
import { isLoopback, parseEndpoint, renderEndpoint } from "../../../net/endpoint.ts";
import { dial, type DialOptions } from "../../../net/dial/dial.ts";
import type { SetupCode } from "../../../protocol/setup_code.ts";
import { parseSshTarget, sshTargetText } from "../../../remote/ssh_target.ts";
import type { Io } from "../../terminal/io.ts";
import { useTunnel } from "../../connect/tunnel_for.ts";

/** Port of a gateway that only has ssh addresses. */
const DEFAULT_PORT = 18_789;
const DIRECT_MS = 5_000;
const SSH_MS = 15_000;

/** A way in that answered. */
export interface Way {
  /** The gateway as it is dialled; behind ssh as its own host sees it. */
  readonly url: string;
  readonly pin: Fingerprint | undefined;
  /** `[user@]host[:port]` to go through. */
  readonly via?: string;
}

/** An open way: what to dial now, and under which name the gateway's tokens are kept. */
export interface OpenWay {
  readonly dial: Pick<DialOptions, "url" | "unixPath" | "plaintext">;
  readonly gatewayKey: string;
  close(): Promise<void>;
}

/** The secret of a line; nothing else may keep it as text. */
export const secretOfLine = (setup: SetupCode): Secret => new Secret(setup.bootstrapToken);

/**
 * The first address of the line that answers.
 * @throws {OpenclawError} `JOIN_UNREACHABLE` with the reason of every address; `PIN_MALFORMED`.
 */
export async function firstWay(setup: SetupCode, io: Io): Promise<Way> {
  const ways = waysOf(setup);
  const failures: string[] = [];
  for (const way of ways) {
    try {
      await (await openWay(way, io)).close();
      return way;
    } catch (error) {
      failures.push(`${nameOf(way)}: ${messageOf(error)}`);
    }
  }
  throw new OpenclawError("JOIN_UNREACHABLE", "No address of the join line answers", {
    details: { context: failures },
    hint: "on the gateway: openclaw devices join-code --public-url <address this machine reaches>",
  });
}

/** The ways a line names, loopback last. Source: decision 35. */
export function waysOf(setup: SetupCode): Way[] {
  const pin = setup.tlsFingerprint === undefined
    ? undefined
    : requireFingerprint(setup.tlsFingerprint, "the join line");
  const texts = [...new Set([setup.url, ...setup.urls ?? []])];
  const isSsh = (text: string) => text.startsWith("ssh://");
  const main = texts.find((text) => !isSsh(text));
  const port = main === undefined ? DEFAULT_PORT : parseEndpoint(main).port;
  const behindSsh = `${pin ? "wss" : "ws"}://127.0.0.1:${port}`;
  const ways = texts.map((text): Way => {
    if (isSsh(text)) return { url: behindSsh, pin, via: sshTargetText(parseSshTarget(text)) };
    const endpoint = parseEndpoint(text);
    return { url: renderEndpoint(endpoint), pin: endpoint.secure ? pin : undefined };
  });
  const isHere = ({ url, via }: Way) => via === undefined && isLoopback(parseEndpoint(url));
  return [...ways.filter((way) => !isHere(way)), ...ways.filter(isHere)];
}

/** Opens a way. Nothing secret is sent; a gateway with another certificate than the line's is no way. */
export async function openWay(way: Way, io: Io): Promise<OpenWay> {
  const { url, pin, via } = way;
  if (via === undefined) {
    const plaintext = { optIn: readEnv(io.env).allowInsecurePrivateWs };
    const socket = await dial({ url, timeoutMs: DIRECT_MS, plaintext, ...(pin ? { pin } : {}) });
    socket.terminate();
    const gatewayKey = gatewayKeyOf(url, pin ? [pin] : []);
    return { dial: { url, plaintext }, gatewayKey, close: () => Promise.resolve() };
  }
  const { home, tunnelsDir } = statePaths(io.env);
  const remotePort = parseEndpoint(url).port;
  // The tunnel says itself whether a gateway answers behind it.
  return await useTunnel({
    tunnel: { sshTarget: via, sshIdentity: undefined, sshHostKeyPolicy: "strict", remotePort },
    url,
    pin,
    home,
    tunnelsDir,
    timeoutMs: SSH_MS,
    shareSeconds: 0,
  }, io.env);
}

/** How a way is named to a person. */
export function nameOf({ url, via }: Way): string {
  return via === undefined ? url : `${url} through ssh://${via}`;
}
