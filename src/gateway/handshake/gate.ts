/**
 * What the handshakes of all connections share: policy in force, throttle, phase of the gateway, and the door itself.
 */
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { WireError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/roles.ts";
import type { AuthPolicy } from "../auth/auth.ts";
import type { Connection } from "../peers/connection.ts";
import type { HandshakeEffect } from "./types.ts";
import type { OriginPolicy } from "../auth/origin.ts";
import type { PairingDesk } from "../pairing/desk.ts";
import type { PeerFacts } from "../peers/peer_facts.ts";
import type { Throttle } from "../auth/throttle.ts";

/** Life of a gateway: it answers health before it is ready, and refuses newcomers while it stops. */
export type GatewayPhase = "starting" | "ready" | "stopping";

/** The effect that ends a handshake well. */
export type WelcomeEffect = Extract<HandshakeEffect, { do: "welcome" }>;

/** Whose session it would be. */
export interface SessionFacts {
  readonly role: Role;
  readonly owner: boolean;
}

/** Shared by all handshakes. The policies may change while the gateway runs. */
export interface Gate {
  readonly clock: Clock;
  readonly log: Logger;
  readonly throttle: Throttle;
  readonly pairing: PairingDesk;
  phase(): GatewayPhase;
  auth(): AuthPolicy;
  origins(): OriginPolicy;
  /** Why a further session of this device cannot be had now (F32, N12); `undefined` = it can. */
  refuseSession(deviceId: string, session: SessionFacts): Promise<WireError | undefined>;
  /** Lets an admitted connection in: principal, hello-ok, registry. Returns false when its pairing just ended. */
  welcome(connection: Connection, effect: WelcomeEffect, peer: PeerFacts): boolean;
}
