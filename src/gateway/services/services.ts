/**
 * What methods can use, composed once in `gateway/server.ts`. Types only.
 */
import type { Env } from "../../config/env.ts";
import type { StatePaths } from "../../config/paths.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import type { CertificateKeeper } from "./certificate_keeper.ts";
import type { FactChanges } from "./fact_changes.ts";
import type { ConfigHolder } from "./config_holder.ts";
import type { EventHub } from "../peers/events.ts";
import type { FrameLog } from "../peers/frame_log.ts";
import type { HealthMonitor } from "./health.ts";
import type { LogFile } from "./log_file.ts";
import type { Presence } from "../peers/presence.ts";
import type { Registry } from "../peers/registry.ts";
import type { GatewayState } from "./state.ts";

/** The gateway's own identity, for `gateway.identity.get`. */
export interface GatewayIdentity {
  readonly deviceId: string;
  /** Raw Ed25519 key, base64url without padding. */
  readonly publicKey: string;
}

/** Facts of this run; where it listens and its certificate may change while it runs. */
export interface GatewayFacts {
  readonly bootId: string;
  /** Monotonic clock at start. */
  readonly startedAtMs: number;
  readonly host: string;
  readonly pid: number;
  port: number;
  /** `ws://…` or `wss://…` of the first listener; empty until it stands. */
  url: string;
  /** All of them. */
  urls: readonly string[];
  /** SHA-256 of the certificate in force, 64 hex digits; absent without TLS. */
  fingerprint: string | undefined;
}

/** Everything a method handler may use besides its params and its caller. */
export interface GatewayServices extends GatewayState {
  readonly clock: Clock;
  readonly log: Logger;
  readonly paths: StatePaths;
  /** Environment of this process, read once in main; configuration edits are judged against it. */
  readonly env: Env;
  readonly config: ConfigHolder;
  readonly registry: Registry;
  readonly events: EventHub;
  readonly presence: Presence;
  readonly health: HealthMonitor;
  readonly logs: LogFile;
  readonly identity: GatewayIdentity;
  readonly facts: GatewayFacts;
  readonly changes: FactChanges;
  /** Present with `--ws-log`. */
  readonly frames: FrameLog | undefined;
  /** Absent without TLS. */
  certificates: CertificateKeeper | undefined;
  /** Auth mode in force: `token`, `password`, `trusted-proxy` or `none`. */
  readonly authMode: () => string;
}
