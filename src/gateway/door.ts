/**
 * From an upgrade to a live session and back out: judges the peer, runs its handshake, says hello, keeps registry,
 * presence and invoker in step with what is connected.
 */
import type { IncomingMessage } from "node:http";
import type { UpgradeRefusal } from "../net/listen/options.ts";
import { repeatedHeaders } from "../net/listen/peer_info.ts";
import type { CloseInfo, PeerInfo, ServerSocket } from "../net/socket.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/log.ts";
import { sharedList, sharedText } from "../lib/shared.ts";
import type { AuthPolicy } from "./auth/auth.ts";
import { Connection, type ConnectionHost, SLOW_CONSUMER } from "./peers/connection.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { Gate, GatewayPhase, SessionFacts, WelcomeEffect } from "./handshake/gate.ts";
import { duplicateIdentity, REFUSALS } from "./handshake/refusals.ts";
import { HandshakeDriver } from "./handshake/driver.ts";
import type { HelloBuilder } from "./hello.ts";
import { UNATTRIBUTABLE } from "./http.ts";
import type { OriginPolicy } from "./auth/origin.ts";
import type { FrameLog } from "./peers/frame_log.ts";
import { Outgoing } from "./peers/outgoing.ts";
import { judgePeer, type PeerFacts } from "./peers/peer_facts.ts";
import { Takeovers } from "./peers/takeovers.ts";
import type { Principal } from "./peers/principal.ts";
import type { PairingDesk } from "./pairing/desk.ts";
import type { GatewayServices } from "./services/services.ts";
import type { Throttle } from "./auth/throttle.ts";
import { Tidy } from "./tidy.ts";

/** Sessions of one device at once: scripts call in parallel, but no device needs all descriptors and all memory (N12). */
const MAX_SESSIONS_OF_DEVICE = 128;

/** What a {@linkcode Door} needs. */
export interface DoorOptions {
  readonly services: GatewayServices;
  readonly dispatcher: Dispatcher;
  readonly hello: HelloBuilder;
  readonly throttle: Throttle;
  readonly auth: () => AuthPolicy;
  readonly origins: () => OriginPolicy;
}

/** The way in and out. */
export class Door implements Gate, ConnectionHost {
  readonly clock: Clock;
  readonly log: Logger;
  readonly throttle: Throttle;
  readonly pairing: PairingDesk;
  readonly frames: FrameLog | undefined;
  /** Where the gateway is in its life; set by the server. */
  currentPhase: GatewayPhase = "starting";
  readonly #options: DoorOptions;
  readonly outgoing = new Outgoing();
  readonly #tidy: Tidy;
  readonly #takeovers: Takeovers;
  #lastJudged: { readonly info: PeerInfo; readonly facts: PeerFacts } | undefined;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.clock = options.services.clock;
    this.log = options.services.log;
    this.throttle = options.throttle;
    this.pairing = options.services.pairing;
    this.frames = options.services.frames;
    this.#tidy = new Tidy(this.clock);
    this.#takeovers = new Takeovers(this.clock, options.services.registry);
  }

  /** Ends the door's timers. */
  stop(): void {
    this.#tidy.stop();
  }

  phase(): GatewayPhase {
    return this.currentPhase;
  }

  auth(): AuthPolicy {
    return this.#options.auth();
  }

  /** Where calls go. */
  get dispatcher(): Dispatcher {
    return this.#options.dispatcher;
  }

  origins(): OriginPolicy {
    return this.#options.origins();
  }

  async refuseSession(deviceId: string, { role, owner }: SessionFacts) {
    if (!owner && this.#options.services.registry.sessionsOf(deviceId) >= MAX_SESSIONS_OF_DEVICE) {
      return REFUSALS.tooManySessions;
    }
    const waitMs = role === "node" ? await this.#takeovers.waitMs(deviceId) : 0;
    return waitMs > 0 ? duplicateIdentity(waitMs) : undefined;
  }

  /** Looks at an upgrade before it is made. */
  refuseUpgrade(info: PeerInfo): UpgradeRefusal | undefined {
    if (this.currentPhase === "stopping") {
      return { status: 503, body: "Gateway websocket admission closed" };
    }
    if (this.judge(info).attribution !== "unattributable") return undefined;
    return {
      status: 403,
      headers: { "content-type": "application/json; charset=utf-8" },
      body: JSON.stringify(UNATTRIBUTABLE),
    };
  }

  /** Judged facts of an upgrade; asked several times for the same one in a row. */
  judge(info: PeerInfo): PeerFacts {
    if (this.#lastJudged?.info !== info) {
      const facts = this.#judge(info);
      this.#lastJudged = { info, facts };
    }
    return this.#lastJudged.facts;
  }

  /** Judged facts of an HTTP request. */
  judgeRequest(request: IncomingMessage): PeerFacts {
    return this.#judge({
      remoteAddress: request.socket.remoteAddress ?? "",
      headers: request.headers as PeerInfo["headers"],
      repeatedHeaders: repeatedHeaders(request),
    });
  }

  #judge(
    { remoteAddress, headers, repeatedHeaders }: Pick<
      PeerInfo,
      "remoteAddress" | "headers" | "repeatedHeaders"
    >,
  ): PeerFacts {
    const policy = this.auth();
    // Tailscale Serve is a proxy on loopback; whois decides later whether it told the truth.
    const serve = policy.allowTailscale && headers["tailscale-user-login"] !== undefined;
    const trustedProxies = serve
      ? [...policy.trustedProxies, "127.0.0.1", "::1"]
      : policy.trustedProxies;
    const { allowRealIpFallback } = policy;
    return judgePeer(
      remoteAddress,
      headers,
      { trustedProxies, allowRealIpFallback },
      repeatedHeaders,
    );
  }

  /** A WebSocket stands: challenge it. */
  accept(socket: ServerSocket, info: PeerInfo): void {
    const facts = this.judge(info);
    this.#lastJudged = undefined;
    new HandshakeDriver(new Connection(socket, this), facts, this).start();
  }

  welcome(connection: Connection, effect: WelcomeEffect, peer: PeerFacts): boolean {
    const { candidate, grant, admitted } = effect;
    const principal = principalOf(effect, peer);
    const { services, hello } = this.#options;
    const { deviceId, role } = principal;
    // Revoked between its admission and this moment: it must not become live (I12).
    if (admitted && deviceId !== undefined && !services.pairing.isPaired(deviceId, role)) {
      return false;
    }
    const requestId = candidate.id;
    connection.sendText(hello.text({ requestId, connId: connection.connId, principal, admitted }));
    connection.goLive(principal, this.clock.now());
    services.registry.add(connection);
    this.#tidy.changed();
    services.presence.connected(connection.connId, principal);
    if (admitted?.surface) services.invoker.nodeConnected(connection);
    services.certificates?.connected(connection);
    this.log.info(`${role} connected`, {
      conn: connection.connId,
      client: `${principal.clientId}/${principal.clientMode}`,
      ...(principal.displayName === undefined ? {} : { name: principal.displayName }),
      ...(deviceId === undefined ? {} : { device: deviceId }),
      protocol: principal.protocol,
      auth: grant.method,
      remote: peer.clientAddress,
    });
    return true;
  }

  onFrame(connection: Connection, text: string): void {
    this.#options.dispatcher.onFrame(connection, text);
  }

  onEnded(connection: Connection, info: CloseInfo): void {
    const { services } = this.#options;
    const { principal, connId } = connection;
    services.registry.remove(connection);
    this.#tidy.changed();
    services.presence.disconnected(connId, principal);
    services.invoker.disconnected(connection, { slow: info.reason === SLOW_CONSUMER });
    services.approvals.disconnected(connection);
    if (principal.deviceId !== undefined) {
      services.pairing.noteSeen(principal.deviceId, "disconnect");
    }
    this.log.info(`${principal.role} disconnected`, {
      conn: connId,
      ...(principal.displayName === undefined ? {} : { name: principal.displayName }),
      code: info.code,
      ...(info.reason === "" ? {} : { reason: info.reason }),
    });
  }
}

function principalOf({ candidate, grant, admitted }: WelcomeEffect, peer: PeerFacts): Principal {
  const { params, role, protocol } = candidate;
  const { client, device } = params;
  return {
    role,
    scopes: sharedList(grant.scopes),
    ...(admitted && role === "operator" ? { deviceScopes: sharedList(admitted.tokenScopes) } : {}),
    owner: grant.owner,
    deviceId: device?.id,
    publicKey: device?.publicKey,
    clientId: sharedText(client.id),
    clientMode: sharedText(client.mode),
    clientVersion: sharedText(client.version),
    displayName: sharedText(client.displayName),
    instanceId: client.instanceId,
    platform: sharedText(client.platform),
    deviceFamily: sharedText(client.deviceFamily),
    modelIdentifier: sharedText(client.modelIdentifier),
    authMethod: grant.method,
    protocol,
    caps: sharedList(params.caps ?? []),
    commands: sharedList(params.commands ?? []),
    permissions: params.permissions,
    pathEnv: sharedText(params.pathEnv),
    local: peer.local,
    remoteAddress: peer.clientAddress,
  };
}
