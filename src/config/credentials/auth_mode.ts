/**
 * Which auth mode a gateway is in, from what is configured. Pure; used by the server and by clients that must know
 * which references cannot win. Source: config-and-credentials.md 5.5.
 */

/** How callers prove who they are. */
export type AuthMode = "none" | "token" | "password" | "trusted-proxy";

/** What the mode depends on. */
export interface AuthModeFacts {
  /** `--auth`. */
  readonly flag?: AuthMode | undefined;
  /** `gateway.auth.mode`. */
  readonly configured: AuthMode | undefined;
  /** Whether a password is given by flag, configuration (a reference counts) or environment. */
  readonly hasPassword: boolean;
}

/** Flag, else configured mode, else password when one is set, else token. */
export function decideAuthMode(facts: AuthModeFacts): AuthMode {
  return facts.flag ?? facts.configured ?? (facts.hasPassword ? "password" : "token");
}
