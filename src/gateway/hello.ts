/**
 * Builds hello-ok. The parts that are the same for everybody are serialised once; a thousand nodes that reconnect at once
 * cost little more than their own fields. Source: gateway-protocol.md 2.6.
 */
import { responseText } from "../protocol/frames.ts";
import { CAPABILITY_INVOKE_OUTPUT, type HelloAuth } from "../protocol/hello.ts";
import { MAX_BUFFERED_BYTES, MAX_FRAME_BYTES, TICK_INTERVAL_MS } from "../protocol/limits.ts";
import { coversScope } from "../protocol/scopes.ts";
import { type ProtocolVersion, WIRE_VERSION } from "../protocol/versions.ts";
import { EVENT_NAMES } from "./peers/events.ts";
import type { Admitted } from "./pairing/desk.ts";
import type { Principal } from "./peers/principal.ts";
import type { GatewayServices } from "./services/services.ts";

/** Facts of one hello. */
export interface HelloFacts {
  readonly requestId: string;
  readonly connId: string;
  readonly principal: Principal;
  readonly admitted: Admitted | undefined;
}

const POLICY = {
  maxPayload: MAX_FRAME_BYTES,
  maxBufferedBytes: MAX_BUFFERED_BYTES,
  tickIntervalMs: TICK_INTERVAL_MS,
};
const POLICY_V4 = {
  ...POLICY,
  // Nothing takes attachments here; the published schema allows no 0.
  attachments: { maxBytes: 1, maxImageBytes: 1 },
  allowedSessionVisibilities: [],
  hasMultipleSessionSharingIdentities: false,
};
const SESSION_DEFAULTS = {
  defaultAgentId: "main",
  mainKey: "main",
  mainSessionKey: "agent:main:main",
  scope: "per-sender",
};
const SESSION_DEFAULTS_V4 = {
  ...SESSION_DEFAULTS,
  modelConfigured: false,
  ownership: "sole",
  selectionRequired: false,
};

/** Writes hello-ok frames. */
export class HelloBuilder {
  readonly #services: GatewayServices;
  readonly #features: Readonly<Record<ProtocolVersion, string>>;

  constructor(
    services: GatewayServices,
    methodNames: (protocol: ProtocolVersion) => readonly string[],
  ) {
    this.#services = services;
    const features = (protocol: ProtocolVersion) =>
      JSON.stringify({
        methods: methodNames(protocol),
        events: EVENT_NAMES,
        capabilities: [CAPABILITY_INVOKE_OUTPUT],
      });
    this.#features = { 3: features(3), 4: features(4) };
  }

  /** The whole response frame. */
  text(facts: HelloFacts): string {
    const { principal } = facts;
    const four = principal.protocol === 4;
    const server = {
      version: WIRE_VERSION,
      ...(four ? { bootId: this.#services.facts.bootId } : {}),
      connId: facts.connId,
    };
    const payload = `{"type":"hello-ok","protocol":${principal.protocol},` +
      `"server":${JSON.stringify(server)},"features":${this.#features[principal.protocol]},` +
      `"snapshot":${this.#snapshot(principal)},` +
      `"auth":${JSON.stringify(helloAuth(facts))},` +
      `"policy":${four ? POLICY_V4_TEXT : POLICY_TEXT}}`;
    const empty = responseText(facts.requestId, undefined);
    return `${empty.slice(0, -1)},"payload":${payload}}`;
  }

  /** What a connection may not read by method it does not get here either. */
  #snapshot(principal: Principal): string {
    const services = this.#services;
    const mayRead = coversScope(principal.scopes, "operator.read");
    const presence = mayRead ? JSON.stringify(services.presence.list()) : "[]";
    const { ok, ts, durationMs } = services.health.current;
    const health = mayRead ? services.health.text : JSON.stringify({ ok, ts, durationMs });
    const rest = {
      stateVersion: { presence: services.presence.version, health: services.health.version },
      uptimeMs: Math.round(services.clock.monotonic() - services.facts.startedAtMs),
      ...this.#versioned(principal.protocol),
      ...this.#adminFields(principal),
    };
    return `{"presence":${presence},"health":${health},${JSON.stringify(rest).slice(1)}`;
  }

  #versioned(protocol: ProtocolVersion): Record<string, unknown> {
    if (protocol === 3) return { sessionDefaults: SESSION_DEFAULTS };
    return {
      sessionDefaults: SESSION_DEFAULTS_V4,
      suspension: { phase: "accepting" },
      appliedConfigHash: this.#services.config.current.hash,
    };
  }

  #adminFields(principal: Principal): Record<string, unknown> {
    if (!coversScope(principal.scopes, "operator.admin")) return {};
    const { paths, authMode } = this.#services;
    return { configPath: paths.configFile, stateDir: paths.stateDir, authMode: authMode() };
  }
}

const POLICY_TEXT = JSON.stringify(POLICY);
const POLICY_V4_TEXT = JSON.stringify(POLICY_V4);

/** Protocol 3 shows the scopes of the issued token, protocol 4 those in force on the socket. */
function helloAuth({ principal, admitted }: HelloFacts): HelloAuth {
  const { deviceToken, issuedAtMs, tokenScopes } = admitted ?? {};
  const old = principal.protocol === 3;
  return {
    ...(old ? {} : { method: principal.authMethod }),
    role: principal.role,
    scopes: old && deviceToken && tokenScopes ? tokenScopes : principal.scopes,
    ...(deviceToken ? { deviceToken: deviceToken.reveal() } : {}),
    ...(deviceToken && issuedAtMs !== undefined ? { issuedAtMs } : {}),
  };
}
