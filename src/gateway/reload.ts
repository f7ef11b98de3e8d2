/**
 * Puts a changed configuration into force while the gateway runs: most of it is read anew at each use, the way in is
 * changed here. Source: gateway-protocol.md 4.6, 11.2.
 */
import { changeEffect } from "../config/file/edit.ts";
import type { Env } from "../config/env.ts";
import { differences } from "../config/text/json_value.ts";
import { issueText } from "../config/file/load.ts";
import { loadServerAuth, type ServerFlags } from "../config/server/server_plan.ts";
import { watchConfig } from "../config/file/watch.ts";
import { messageOf } from "../lib/errors.ts";
import { type AuthState, endSharedSessions, policyOf, type Whois } from "./auth/state.ts";
import { announceConfigChanges } from "./methods/config.ts";
import type { GatewayServices } from "./services/services.ts";

/** What {@linkcode watchForChanges} needs. */
export interface ReloadOptions {
  readonly services: GatewayServices;
  readonly auth: AuthState;
  readonly env: Env;
  readonly flags: ServerFlags;
  readonly whois: Whois | undefined;
}

/** Time for the answer that caused the change to leave before its session ends. */
const END_SESSIONS_AFTER_MS = 50;

/** Watches the file and applies changes; the returned function stops. */
export function watchForChanges(options: ReloadOptions): () => Promise<void> {
  const { services } = options;
  const { config, log, clock } = services;
  let cancelEnd = () => {};
  const unsubscribe = config.onChange(async (now, before) => {
    const { hot, restart } = changeEffect(differences(before.parsed, now.parsed));
    log.info("configuration reloaded", { applied: hot.join(" ") });
    if (restart.length > 0) {
      log.warn("restart the gateway to apply the rest", { keys: restart.join(" ") });
    }
    if (!await changeAuth(options)) return;
    cancelEnd();
    cancelEnd = clock.after(END_SESSIONS_AFTER_MS, () => {
      log.warn("gateway auth changed", { sessionsEnded: endSharedSessions(services.registry) });
    });
  });
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

/** Returns whether mode or secret changed. A configuration that would lock everybody out keeps the old one. */
async function changeAuth(options: ReloadOptions): Promise<boolean> {
  const { services, env, flags, auth, whois } = options;
  try {
    const found = await loadServerAuth({ env, flags, loaded: services.config.current });
    const { mode, token, password } = found.auth;
    if ((mode === "token" && !token) || (mode === "password" && !password)) {
      services.log.warn("gateway auth not changed: no secret is configured", { mode });
      return false;
    }
    return await auth.change(policyOf(found.auth, whois));
  } catch (error) {
    services.log.warn("gateway auth not changed", { problem: messageOf(error) });
    return false;
  }
}
