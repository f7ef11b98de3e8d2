/**
 * Puts a changed configuration into force while the gateway runs: most of it is read anew at each use; the way in and
 * the addresses are changed here. Attack stopped: an edit that would open a network address without auth.
 * Source: gateway-protocol.md 4.6, 11.2; config-and-credentials.md 2, 8.
 */
import { changeEffect, type ReloadMode } from "../config/file/edit.ts";
import type { Env } from "../config/env.ts";
import { differences } from "../config/text/json_value.ts";
import { issueText, type LoadedConfig } from "../config/file/load.ts";
import { checkServerAuth } from "../config/server/server_auth.ts";
import { loadServerPlan, type ServerFlags, type ServerPlan } from "../config/server/server_plan.ts";
import { watchConfig } from "../config/file/watch.ts";
import { isOpenclawError, messageOf } from "../lib/errors.ts";
import type { AuthMethod } from "../protocol/hello.ts";
import { type AuthState, type Ended, endSessions, policyOf, type Whois } from "./auth/state.ts";
import type { Listening } from "./listening/listening.ts";
import { announceConfigChanges } from "./methods/config/config.ts";
import type { GatewayServices } from "./services/services.ts";

/** What {@linkcode watchForChanges} needs. */
export interface ReloadOptions {
  readonly services: GatewayServices;
  readonly auth: AuthState;
  readonly listening: Listening;
  readonly env: Env;
  readonly flags: ServerFlags;
  readonly whois: Whois | undefined;
  /** Mode `restart`: stops this gateway and starts it again; without it a person has to. */
  readonly restart?: (() => void) | undefined;
}

/** Time for the answer that caused the change to leave before its session ends. */
const LEAVE_MS = 50;

/** Pause before a secret that could not be had is asked for again. */
const RETRY_MS = 10_000;

/** Watches the file and applies changes; the returned function stops. */
export function watchForChanges(options: ReloadOptions): () => Promise<void> {
  const { services } = options;
  const { config, log, clock } = services;
  let cancelEnd = () => {};
  const ending = new Set<AuthMethod>();
  const follow = async (now: LoadedConfig, mode: ReloadMode) => {
    try {
      await applyPlan(options, now, mode === "hybrid", ending);
      trouble.end();
    } catch (error) {
      trouble.is("gateway auth and addresses not changed", error);
    }
    if (ending.size === 0 || trouble.over) return;
    cancelEnd();
    cancelEnd = clock.after(LEAVE_MS, () => {
      log.warn("gateway auth changed", { sessionsEnded: endSessions(services.registry, ending) });
      ending.clear();
    });
  };
  const look = () => void reload(options, follow);
  const trouble = new Trouble(options, look);
  const unsubscribe = config.onChange(async (now, before) => {
    const { mode } = before.config.gateway.reload;
    const { hot, restart } = changeEffect(differences(before.parsed, now.parsed), mode);
    await follow(now, mode);
    log.info("configuration reloaded", { applied: hot.join(" ") });
    if (restart.length > 0) {
      log.warn("restart the gateway to apply the rest", { keys: restart.join(" ") });
    }
  });
  let cancelRestart = () => {};
  config.onRestart = async (next) => {
    if (!await canStart(options, next, trouble)) return;
    if (!options.restart) return log.warn("restart the gateway to apply the changes");
    log.info("gateway restarts for a changed configuration");
    cancelRestart();
    cancelRestart = clock.after(LEAVE_MS, options.restart);
  };
  const endAnnouncing = announceConfigChanges(services);
  const { mode, debounceMs } = config.current.config.gateway.reload;
  const watch = mode === "off" ? undefined : watchConfig({
    path: services.paths.configFile,
    debounceMs,
    clock,
    onChange: look,
  });
  return async () => {
    unsubscribe();
    trouble.close();
    endAnnouncing();
    cancelEnd();
    cancelRestart();
    watch?.close();
    // A move of address that is under way would otherwise go on beside the end of the gateway.
    await config.between(() => Promise.resolve());
  };
}

/** What could not be put in force, told once; where a secret was missing it is asked for again later. */
class Trouble {
  readonly #options: ReloadOptions;
  readonly #retry: () => void;
  #told: string | undefined;
  #retrying = false;
  #over = false;
  #cancel = () => {};

  constructor(options: ReloadOptions, retry: () => void) {
    this.#options = options;
    this.#retry = retry;
  }

  is(message: string, error: unknown): void {
    const { services: { log, clock }, listening: { listeners } } = this.#options;
    const problem = messageOf(error);
    const level = this.#retrying && problem === this.#told ? "debug" : "warn";
    log[level](message, { problem, listening: listeners.urls.join(" ") });
    this.end();
    this.#told = problem;
    if (this.#over || !isOpenclawError(error, "GATEWAY_SECRET_REF_UNAVAILABLE")) return;
    this.#cancel = clock.after(RETRY_MS, () => {
      this.#retrying = true;
      this.#retry();
    });
  }

  /** The gateway stops: what still comes in changes nothing. */
  get over(): boolean {
    return this.#over;
  }

  close(): void {
    this.#over = true;
    this.#cancel();
  }

  end(): void {
    this.#told = undefined;
    this.#retrying = false;
    this.#cancel();
  }
}

/** `follow` is called when the text is the same: a secret it refers to may be another (a touched file, a retry). */
async function reload(
  { services: { config, log } }: ReloadOptions,
  follow: (now: LoadedConfig, mode: ReloadMode) => Promise<void>,
): Promise<void> {
  try {
    const before = config.current;
    const loaded = await config.reload();
    const issue = loaded.issues[0];
    if (issue) return log.warn("configuration not reloaded", { problem: issueText(issue) });
    const { mode } = before.config.gateway.reload;
    if (loaded.hash !== before.hash || mode === "restart") return;
    await config.between(() => follow(config.current, mode));
  } catch (error) {
    log.warn("configuration not reloaded", { problem: messageOf(error) });
  }
}

/** The plan a start would make of this configuration; no token is made behind the back of a running gateway. */
function planOf({ env, flags, services }: ReloadOptions, loaded: LoadedConfig) {
  return loadServerPlan({ env, flags, paths: services.paths, loaded, makeTokens: false });
}

async function canStart(
  options: ReloadOptions,
  next: LoadedConfig,
  trouble: Trouble,
): Promise<boolean> {
  try {
    await planOf(options, next);
    trouble.end();
    return true;
  } catch (error) {
    trouble.is("not restarted: the gateway would not start", error);
    return false;
  }
}

/**
 * Changes the way in and the addresses; adds to `ending` which sessions must end for it. A configuration that a start
 * would refuse keeps both as they are. @throws {OpenclawError} why they were not changed, or not all.
 */
async function applyPlan(
  options: ReloadOptions,
  loaded: LoadedConfig,
  mayMove: boolean,
  ending: Set<AuthMethod>,
): Promise<void> {
  const plan = await planOf(options, loaded);
  // Never without auth in between: towards the network the stricter auth comes first, away from it last.
  if (mayMove && plan.bind.loopbackOnly) await move(options, plan);
  for (const method of await changeAuth(options, plan)) ending.add(method);
  if (mayMove && !plan.bind.loopbackOnly) await move(options, plan);
}

async function move({ listening, services }: ReloadOptions, plan: ServerPlan): Promise<void> {
  if (!await listening.change(plan)) return;
  const { facts, log } = services;
  for (const warning of plan.warnings) log.warn(warning);
  log.info("gateway listening", {
    urls: facts.urls.join(" "),
    ...(facts.fingerprint === undefined ? {} : { fingerprint: facts.fingerprint }),
  });
}

/** @throws {OpenclawError} when the new auth does not suffice for the addresses in use. */
async function changeAuth(
  { listening, auth, whois }: ReloadOptions,
  { auth: next, tailscaleMode }: ServerPlan,
): Promise<Ended> {
  const { bind, port } = listening.plan;
  const tokenConfigured = next.token !== undefined;
  checkServerAuth({ auth: next, bind, port, tailscaleMode, tokenConfigured });
  listening.adopt({ auth: next });
  return await auth.change(policyOf(next, whois));
}
