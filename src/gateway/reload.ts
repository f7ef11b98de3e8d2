/**
 * Puts a changed configuration into force while the gateway runs: most of it is read anew at each use; the way in and
 * the addresses are changed here. Attack stopped: an edit that would open a network address without auth.
 * Source: gateway-protocol.md 4.6, 11.2; config-and-credentials.md 2, 8.
 */
import { changeEffect } from "../config/file/edit.ts";
import type { Env } from "../config/env.ts";
import { differences } from "../config/text/json_value.ts";
import { issueText, type LoadedConfig } from "../config/file/load.ts";
import { checkServerAuth } from "../config/server/server_auth.ts";
import { loadServerPlan, type ServerFlags, type ServerPlan } from "../config/server/server_plan.ts";
import { watchConfig } from "../config/file/watch.ts";
import { messageOf } from "../lib/errors.ts";
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

/** Watches the file and applies changes; the returned function stops. */
export function watchForChanges(options: ReloadOptions): () => Promise<void> {
  const { services } = options;
  const { config, log, clock } = services;
  let cancelEnd = () => {};
  const ending = new Set<AuthMethod>();
  const unsubscribe = config.onChange(async (now, before) => {
    const { mode } = before.config.gateway.reload;
    const { hot, restart } = changeEffect(differences(before.parsed, now.parsed), mode);
    log.info("configuration reloaded", { applied: hot.join(" ") });
    if (restart.length > 0) {
      log.warn("restart the gateway to apply the rest", { keys: restart.join(" ") });
    }
    for (const method of await applyPlan(options, now, mode === "hybrid")) ending.add(method);
    if (ending.size === 0) return;
    cancelEnd();
    cancelEnd = clock.after(LEAVE_MS, () => {
      log.warn("gateway auth changed", { sessionsEnded: endSessions(services.registry, ending) });
      ending.clear();
    });
  });
  let cancelRestart = () => {};
  config.onRestart = async (next) => {
    if (!await canStart(options, next)) return;
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
    onChange: () => void reload(options),
  });
  return async () => {
    unsubscribe();
    endAnnouncing();
    cancelEnd();
    cancelRestart();
    await watch?.close();
  };
}

async function reload({ services: { config, log } }: ReloadOptions): Promise<void> {
  try {
    const loaded = await config.reload();
    const issue = loaded.issues[0];
    if (issue) log.warn("configuration not reloaded", { problem: issueText(issue) });
  } catch (error) {
    log.warn("configuration not reloaded", { problem: messageOf(error) });
  }
}

/** The plan a start would make of this configuration; no token is made behind the back of a running gateway. */
function planOf({ env, flags, services }: ReloadOptions, loaded: LoadedConfig) {
  return loadServerPlan({ env, flags, paths: services.paths, loaded, makeTokens: false });
}

async function canStart(options: ReloadOptions, next: LoadedConfig): Promise<boolean> {
  try {
    await planOf(options, next);
    return true;
  } catch (error) {
    options.services.log.warn("not restarted: the gateway would not start", {
      problem: messageOf(error),
    });
    return false;
  }
}

/**
 * Changes the way in and the addresses. Returns which sessions must end for it. A configuration that a start would
 * refuse keeps both as they are.
 */
async function applyPlan(
  options: ReloadOptions,
  loaded: LoadedConfig,
  mayMove: boolean,
): Promise<Ended> {
  const { listening, services: { log } } = options;
  try {
    const plan = await planOf(options, loaded);
    if (!mayMove) return await changeAuth(options, plan);
    // Never without auth in between: towards the network the stricter auth comes first, away from it last.
    if (plan.bind.loopbackOnly) {
      await move(options, plan);
      return await changeAuth(options, plan);
    }
    const changed = await changeAuth(options, plan);
    await move(options, plan);
    return changed;
  } catch (error) {
    log.warn("gateway auth and addresses not changed", {
      problem: messageOf(error),
      listening: listening.listeners.urls.join(" "),
    });
    return new Set();
  }
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
