/**
 * How an RPC method is defined: name, scope, params, summary and handler in one call. Everything else (dispatch,
 * scope check, advertised list, documentation) is derived from the list in `mod.ts`.
 */
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/log.ts";
import { obj, type Schema } from "../../lib/schema.ts";
import { missingScopeError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/roles.ts";
import { coversScope, type Scope } from "../../protocol/scopes.ts";
import type { ProtocolVersion } from "../../protocol/versions.ts";
import type { Peer } from "../peers/peer.ts";
import type { Principal } from "../peers/principal.ts";
import type { GatewayServices } from "../services/services.ts";

/** Scope a caller must hold; `none` is for node methods and `health`. */
export type MethodScope = Scope | "none";

/** What a handler knows about its caller and may use. */
export interface MethodContext {
  readonly principal: Principal;
  readonly connection: Peer;
  readonly services: GatewayServices;
  /** Aborted when the caller's connection ends. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  /** First answer of a two-phase request; the returned value becomes the second one (11.8). */
  accept(payload: unknown): void;
  /** Runs `run` after the answer was queued, for acts that may end the caller's own connection. */
  afterResponse(run: () => void): void;
}

/** Facts of a method besides its name and handler. `scope` has no default on purpose. */
export interface MethodSpec<P> {
  readonly scope: MethodScope;
  /** Role that may call it. Default `operator`. */
  readonly role?: Role | "any";
  /** Only connections of this protocol have it. Default both. */
  readonly protocol?: ProtocolVersion;
  readonly summary: string;
  /** Missing params are read as `{}`. Default: a closed empty object. */
  readonly params?: Schema<P>;
}

/** One method, as dispatch sees it. */
export interface MethodDefinition {
  readonly name: string;
  readonly scope: MethodScope;
  readonly role: Role | "any";
  readonly protocol: ProtocolVersion | undefined;
  readonly summary: string;
  readonly params: Schema<unknown>;
  readonly handler: (params: never, context: MethodContext) => unknown;
}

const noParams = obj({});

/**
 * Defines a method. The handler returns the payload (or a promise of it) or throws a coded error
 * (`protocol/errors.ts` `refusal`); it never sees a socket or a raw frame.
 */
export function method<P = Record<never, never>>(
  name: string,
  spec: MethodSpec<P>,
  handler: (params: P, context: MethodContext) => unknown,
): MethodDefinition {
  return {
    name,
    scope: spec.scope,
    role: spec.role ?? "operator",
    protocol: spec.protocol,
    summary: spec.summary,
    params: spec.params ?? noParams,
    handler,
  };
}

/** For scopes that depend on the params. Throws `FORBIDDEN` `missing scope: <scope>`. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (!coversScope(principal.scopes, scope)) throw missingScopeError(scope);
}
