/**
 * Which addresses a gateway listens on, and every refusal that depends on it. Pure. Attack stopped: a gateway that
 * ends up reachable from the network without anyone having asked for it. Source: config-and-credentials.md 8.
 */
import { ipKind, parseIp } from "../../lib/ip.ts";
import { quoted } from "../../lib/text.ts";
import { refusal } from "../refusal.ts";
import type { Config } from "../schema/schema.ts";

/** `gateway.bind`. */
export type BindMode = NonNullable<Config["gateway"]["bind"]>;

/** One address to listen on. */
export interface ListenAddress {
  readonly host: string;
  /** Whether failing to listen there is an error; `::1` may be missing. */
  readonly required: boolean;
}

/** Where to listen. */
export interface BindDecision {
  readonly mode: BindMode;
  readonly addresses: readonly ListenAddress[];
  readonly loopbackOnly: boolean;
}

/** What the choice depends on. */
export interface BindFacts {
  /** `--bind`, else `gateway.bind`. */
  readonly mode: BindMode | undefined;
  readonly customBindHost: string | undefined;
  readonly tailscaleMode: Config["gateway"]["tailscale"]["mode"];
  readonly inContainer: boolean;
  /** First interface address in 100.64.0.0/10. */
  readonly tailnetIpv4: string | undefined;
}

const LOOPBACK: readonly ListenAddress[] = [
  { host: "127.0.0.1", required: true },
  { host: "::1", required: false },
];
const EVERYWHERE: readonly ListenAddress[] = [{ host: "0.0.0.0", required: true }];

/** Throws `GATEWAY_BIND_INVALID` and `TAILSCALE_BIND_CONFLICT`, exit code 78. */
export function decideBind(facts: BindFacts): BindDecision {
  const published = facts.tailscaleMode !== "off";
  // Also in a container: a plaintext port open to the network must be asked for, with `auto` or `lan`.
  const mode = facts.mode ?? "loopback";
  const addresses = addressesOf(mode, facts);
  const loopbackOnly = addresses.every(({ host }) => isLoopback(host));
  if (published && !loopbackOnly) {
    throw refusal(
      "TAILSCALE_BIND_CONFLICT",
      "tailscale serve/funnel requires gateway bind=loopback (127.0.0.1)",
      "openclaw config set gateway.bind loopback",
    );
  }
  return { mode, addresses, loopbackOnly };
}

function addressesOf(mode: BindMode, facts: BindFacts): readonly ListenAddress[] {
  switch (mode) {
    case "loopback":
      return LOOPBACK;
    case "lan":
      return EVERYWHERE;
    case "auto":
      return facts.inContainer ? EVERYWHERE : LOOPBACK;
    case "tailnet": {
      const host = facts.tailnetIpv4;
      return host === undefined
        ? LOOPBACK
        : [{ host, required: true }, { host: "127.0.0.1", required: true }];
    }
    case "custom":
      return [{ host: customHost(facts.customBindHost), required: true }];
  }
}

function customHost(configured: string | undefined): string {
  const host = configured?.trim() ?? "";
  const hint = "openclaw config set gateway.customBindHost 192.168.1.10";
  if (host === "") {
    throw refusal(
      "GATEWAY_BIND_INVALID",
      "gateway.bind=custom requires gateway.customBindHost",
      hint,
    );
  }
  if (parseIp(host)?.length === 4 && !host.includes(":")) return host;
  throw refusal(
    "GATEWAY_BIND_INVALID",
    `gateway.bind=custom requires a valid IPv4 customBindHost, found ${quoted(host)}`,
    hint,
  );
}

function isLoopback(host: string): boolean {
  const bytes = parseIp(host);
  return bytes !== undefined && ipKind(bytes) === "loopback";
}
