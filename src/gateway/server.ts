/**
 * Composes a gateway and runs it: lock, certificate, store, listeners, timers, reload, shutdown. No logic of its own.
 */
import { join } from "@std/path";
import { loadConfig, type LoadedConfig, loadServerConfig } from "../config/file/load.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Env } from "../config/env.ts";
import { loadServerPlan, type ServerFlags, type ServerPlan } from "../config/server/server_plan.ts";
import { loadOrCreateDeviceKey } from "../identity/device_key.ts";
import type { TlsFiles } from "../identity/tls_files.ts";
import { loadTlsInForce } from "../identity/tls_succession.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { createLogger, type Logger, type LogLevel, type LogSink } from "../lib/log.ts";
import type { FileLock } from "../platform/files.ts";
import { hostName } from "../platform/os.ts";
import type { AuthPolicy } from "./auth/auth.ts";
import { AuthState, policyOf, type Whois } from "./auth/state.ts";
import { ConfigHolder } from "./services/config_holder.ts";
import { Dispatcher } from "./dispatch.ts";
import { Door } from "./door.ts";
import { EventHub } from "./peers/events.ts";
import { ensureGatewayDirs, lockGateway } from "./services/gateway_lock.ts";
import { refuseReferenceGateway } from "./services/reference_lock.ts";
import { HealthMonitor } from "./services/health.ts";
import { HelloBuilder } from "./hello.ts";
import { openListening } from "./listening/listening.ts";
import { LogFile } from "./services/log_file.ts";
import { METHODS } from "./methods/mod.ts";
import type { OriginPolicy } from "./auth/origin.ts";
import { FrameLog, type FrameLogStyle } from "./peers/frame_log.ts";
import { Presence } from "./peers/presence.ts";
import { Registry } from "./peers/registry.ts";
import { watchForChanges } from "./reload.ts";
import { selfPresence } from "./self.ts";
import { factChanges } from "./services/fact_changes.ts";
import type { GatewayFacts, GatewayServices } from "./services/services.ts";
import { type GatewayParts, stopGateway, type StopOptions } from "./stop.ts";
import { openGatewayState } from "./services/state.ts";
import { startSweeps } from "./sweeps.ts";
import { Throttle } from "./auth/throttle.ts";

/** What a gateway is started with. */
export interface GatewayOptions {
  readonly paths: StatePaths;
  readonly env: Env;
  readonly flags?: ServerFlags;
  /** Where log lines go besides the log file; default nowhere. */
  readonly logSinks?: readonly LogSink[];
  /** Default `info`. */
  readonly logLevel?: LogLevel;
  readonly frameLog?: FrameLogStyle | undefined;
  readonly clock?: Clock;
  /** Answers for Tailscale Serve identities; without it they are not accepted. */
  readonly whois?: Whois;
  /** `gateway.reload.mode` `restart`: the file changed and could be started with. */
  readonly onRestartWanted?: () => void;
}

/** A running gateway. */
export interface RunningGateway {
  /** First URL: `ws://127.0.0.1:18789` or `wss://…`. */
  readonly url: string;
  readonly urls: readonly string[];
  readonly port: number;
  /** SHA-256 of the certificate, 64 hex digits; absent without TLS. */
  readonly fingerprint: string | undefined;
  /** How it runs now. */
  readonly plan: ServerPlan;
  /** The configuration in force. */
  readonly config: LoadedConfig;
  /** Calls `listener` when address, certificate or configuration changed; the returned function ends that. */
  onChange(listener: () => void): () => void;
  /** Sockets that have not authenticated. */
  readonly unauthenticated: () => number;
  /** Drains and stops; a second call cuts the drain short (F29). Resolves when everything is closed. */
  stop(options?: StopOptions): Promise<void>;
}

/**
 * Starts a gateway. Refusals of configuration carry exit code 78.
 * @throws {OpenclawError} codes of `config/server/server_plan.ts`, `GATEWAY_ALREADY_RUNNING`, `PORT_IN_USE`, `LISTEN_FAILED`,
 * `TLS_FILES_INCOMPLETE`, `STORE_UNREADABLE`, `STORE_TOO_NEW`.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { paths, env } = options;
  const closed = await ensureGatewayDirs(paths);
  // Before the plan: it may save a new token, which a gateway that runs already would take for its own.
  const lock = await lockGateway(paths);
  const cleanups: (() => unknown)[] = [() => lock.close()];
  try {
    await refuseReferenceGateway(paths, env);
    const loaded = await loadServerConfig(paths, env);
    const plan = await loadServerPlan({ flags: options.flags ?? {}, env, paths, loaded });
    const warnings = [...closed, ...plan.warnings];
    return await compose(options, { ...plan, warnings }, lock, cleanups);
  } catch (error) {
    for (const cleanup of cleanups.reverse()) await cleanup();
    throw error;
  }
}

async function compose(
  options: GatewayOptions,
  plan: ServerPlan,
  lock: FileLock,
  cleanups: (() => unknown)[],
): Promise<RunningGateway> {
  const { paths, env } = options;
  const clock = options.clock ?? systemClock;
  const { logFile, log } = openLog(options, clock);
  cleanups.push(() => logFile.close());
  // Again: making a token may have changed the file.
  const config = new ConfigHolder(
    await loadServerConfig(paths, env),
    () => loadConfig(paths, env),
  );
  const auth = new AuthState(policyOf(plan.auth, options.whois));
  const facts = newFacts(plan, clock);
  const core = newCore(clock, facts, config);
  // Together: on a first start each of the three makes files.
  const [tls, state, identity] = await allOf([
    plan.tls.enabled ? loadTlsInForce({ ...plan.tls, clock }) : undefined,
    openGatewayState({
      paths,
      env,
      clock,
      log,
      registry: core.registry,
      events: core.events,
      config,
    }).then((state) => {
      cleanups.push(() => state.store.close(), () => state.voucher.close());
      return state;
    }),
    loadOrCreateDeviceKey(join(paths.gatewayDir, "identity.json")),
  ]);
  Object.assign(facts, { fingerprint: tls?.fingerprint });
  const health = new HealthMonitor(clock, () => {
    const { degraded } = state.store.status;
    return degraded === undefined ? [] : [`store: ${degraded}`];
  });
  const base = { ...core, ...state, clock, log, paths, facts };
  const services: GatewayServices = {
    ...base,
    env,
    health,
    logs: logFile,
    identity,
    changes: factChanges(),
    frames: options.frameLog && new FrameLog({ style: options.frameLog, log, clock }),
    certificates: undefined,
    authMode: () => auth.policy.mode,
  };
  const parts = await openDoor({ services, plan, tls, auth, logFile, lock, log, options });
  cleanups.push(() => parts.listening.listeners.close());
  announce(log, plan, tls, facts);
  return running(parts);
}

/** All values, or the first error once every one has ended, so that cleaning up finds what was opened. */
async function allOf<T extends readonly unknown[]>(
  work: readonly [...{ [K in keyof T]: T[K] | Promise<T[K]> }],
): Promise<T> {
  await Promise.allSettled(work);
  return await Promise.all(work) as unknown as T;
}

function openLog(options: GatewayOptions, clock: Clock): { logFile: LogFile; log: Logger } {
  const { logSinks: sinks = [], logLevel: level = "info", paths } = options;
  const base = { subsystem: "gateway", clock };
  const trouble = createLogger({ ...base, sink: (r) => sinks.forEach((s) => s(r)) });
  const logFile = new LogFile({
    path: join(paths.logsDir, "gateway.log"),
    onTrouble: (message) => trouble.warn(message),
  });
  const sink: LogSink = (record) => [...sinks, logFile.sink].forEach((write) => write(record));
  return { logFile, log: createLogger({ ...base, sink, level }) };
}

/** Fingerprint, port and URL are filled in when certificate and listeners stand. */
function newFacts(plan: ServerPlan, clock: Clock): GatewayFacts {
  return {
    bootId: crypto.randomUUID(),
    startedAtMs: clock.monotonic(),
    host: hostName(),
    pid: Deno.pid,
    port: plan.port,
    url: "",
    urls: [],
    fingerprint: undefined,
  };
}

function newCore(clock: Clock, facts: GatewayFacts, config: ConfigHolder) {
  const registry = new Registry();
  const events = new EventHub(() => registry.peers());
  const presence: Presence = new Presence(clock, () => selfPresence(clock, facts), () => {
    events.broadcast("presence", { presence: presence.list() }, {
      stateVersion: { presence: presence.version, health: 0 },
    });
  });
  return { registry, events, presence, config };
}

interface DoorParts {
  readonly services: GatewayServices;
  readonly plan: ServerPlan;
  readonly tls: TlsFiles | undefined;
  readonly auth: AuthState;
  readonly logFile: LogFile;
  readonly lock: FileLock;
  readonly log: Logger;
  readonly options: GatewayOptions;
}

async function openDoor(parts: DoorParts): Promise<GatewayParts> {
  const { services, plan, auth, options } = parts;
  const dispatcher = new Dispatcher(METHODS, services);
  const throttle = new Throttle(services.clock, plan.auth.rateLimit);
  services.config.onChange(({ config }) => throttle.configure(config.gateway.auth.rateLimit));
  const door = new Door({
    services,
    dispatcher,
    hello: new HelloBuilder(services, (protocol) => dispatcher.names(protocol)),
    throttle,
    auth: (): AuthPolicy => auth.policy,
    origins: (): OriginPolicy => originPolicy(services.config.current),
  });
  const listening = await openListening({ plan, tls: parts.tls, door, services });
  door.currentPhase = "ready";
  return {
    services,
    door,
    dispatcher,
    listening,
    logFile: parts.logFile,
    lock: parts.lock,
    endSweeps: startSweeps(services),
    endReload: watchForChanges({
      services,
      auth,
      listening,
      env: options.env,
      flags: options.flags ?? {},
      whois: options.whois,
      restart: options.onRestartWanted,
    }),
  };
}

function originPolicy({ config }: LoadedConfig): OriginPolicy {
  const { allowedOrigins, dangerouslyAllowHostHeaderOriginFallback } = config.gateway.controlUi;
  return { allowedOrigins, hostHeaderFallback: dangerouslyAllowHostHeaderOriginFallback };
}

function announce(
  log: Logger,
  plan: ServerPlan,
  tls: TlsFiles | undefined,
  facts: GatewayFacts,
): void {
  for (const warning of [...plan.warnings, ...tls?.warnings ?? []]) log.warn(warning);
  log.info("gateway listening", {
    urls: facts.urls.join(" "),
    auth: plan.auth.mode,
    ...(facts.fingerprint === undefined ? {} : { fingerprint: facts.fingerprint }),
    pid: facts.pid,
  });
}

function running(parts: GatewayParts): RunningGateway {
  const { services: { facts, config, changes }, listening } = parts;
  const stop = stopGateway(parts);
  return {
    get url() {
      return facts.url;
    },
    get urls() {
      return facts.urls;
    },
    get port() {
      return facts.port;
    },
    get fingerprint() {
      return facts.fingerprint;
    },
    get plan() {
      return listening.plan;
    },
    get config() {
      return config.current;
    },
    onChange(listener) {
      const ends = [changes.on(listener), config.onChange(listener)];
      return () => ends.forEach((end) => end());
    },
    unauthenticated: () => listening.listeners.unauthenticated,
    stop,
  };
}
