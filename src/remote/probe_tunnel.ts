/**
 * Looks through the local end of a tunnel for a gateway's greeting. No credential is ever sent by a look.
 */
import { requireFingerprint } from "../identity/fingerprint.ts";
import { isOpenclawError } from "../lib/errors.ts";
import { dial, type DialOptions } from "../net/dial/dial.ts";
import type { LocalEnd } from "./ssh_args.ts";
import type { ProbeResult, TunnelProbe } from "./tunnel.ts";

/** How the gateway behind a tunnel is spoken to. */
export type BehindTunnel = Pick<DialOptions, "pins"> & {
  /** Scheme of the gateway as seen from its own host: `ws://127.0.0.1` or `wss://127.0.0.1`. */
  readonly url: string;
};

/** How the gateway of `gateway.remote` is spoken to: its URL's scheme and its pin; plaintext inside ssh by default. */
export function gatewayBehind(
  remote: { readonly url?: string | undefined; readonly tlsFingerprint?: string | undefined },
): BehindTunnel {
  const pin = remote.tlsFingerprint === undefined
    ? undefined
    : requireFingerprint(remote.tlsFingerprint, "gateway.remote.tlsFingerprint");
  const secure = pin !== undefined || remote.url?.startsWith("wss:") ||
    remote.url?.startsWith("https:");
  return { url: secure ? "wss://127.0.0.1" : "ws://127.0.0.1", ...(pin ? { pins: [pin] } : {}) };
}

/** What to dial so that the bytes go through the tunnel. */
export function throughTunnel(
  local: LocalEnd,
  behind: BehindTunnel,
): Pick<DialOptions, "url" | "unixPath"> {
  const scheme = new URL(behind.url).protocol;
  return local.kind === "unix"
    ? { url: `${scheme}//127.0.0.1`, unixPath: local.path }
    : { url: `${scheme}//127.0.0.1:${local.port}` };
}

/** Errors that tell "ssh carried it, but nobody there speaks the protocol" from "nothing came through". */
const SILENT = ["CONNECT_TIMEOUT", "CONNECTION_REFUSED", "TIMEOUT"];

/** A probe for gateways spoken to as `behind` says. */
export function probeTunnel(behind: BehindTunnel): TunnelProbe {
  return async (local, timeoutMs): Promise<ProbeResult> => {
    if (local.kind === "unix" && !await Deno.lstat(local.path).catch(() => undefined)) {
      return "silent";
    }
    try {
      const socket = await dial({ ...behind, ...throughTunnel(local, behind), timeoutMs });
      return await new Promise<ProbeResult>((resolve) => {
        const timer = setTimeout(() => done("silent"), timeoutMs);
        const done = (result: ProbeResult) => {
          clearTimeout(timer);
          resolve(result);
          socket.terminate();
        };
        socket.attach({
          onText: (text) => done(text.includes('"connect.challenge"') ? "gateway" : "no-gateway"),
          onClose: () => done("no-gateway"),
        });
      });
    } catch (error) {
      if (!isOpenclawError(error)) throw error;
      if (error.code === "TLS_PIN_MISMATCH" || error.code === "TLS_UNTRUSTED") return "untrusted";
      return SILENT.includes(error.code) ? "silent" : "no-gateway";
    }
  };
}
