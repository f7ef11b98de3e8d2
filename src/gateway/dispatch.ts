/**
 * Frame → method → role → scope → params → handler → response. The only road to a handler (style.md 3).
 * Source: gateway-protocol.md 7.4, 11.8.
 */
import { messageOf, OpenclawError } from "../lib/errors.ts";
import { check } from "../lib/schema.ts";
import { CLOSE } from "../protocol/close_codes.ts";
import {
  DETAIL,
  missingScopeError,
  refusal,
  WIRE_CODES,
  type WireError,
  wireProblems,
} from "../protocol/errors.ts";
import { errorText, readRequest, type RequestFrame, responseText } from "../protocol/frames.ts";
import { scanJson } from "../protocol/json_scan.ts";
import {
  BIG_FRAME_METHODS,
  MAX_ROLE_ERRORS,
  MAX_RUNNING_REQUESTS,
  MAX_SMALL_FRAME_BYTES,
} from "../protocol/limits.ts";
import { coversScope } from "../protocol/scopes.ts";
import type { ProtocolVersion } from "../protocol/versions.ts";
import type { Connection } from "./peers/connection.ts";
import type { MethodContext, MethodDefinition } from "./methods/define.ts";
import type { Peer } from "./peers/peer.ts";
import type { Principal } from "./peers/principal.ts";
import type { GatewayServices } from "./services/services.ts";

/** Calls that end work instead of starting it: served while the gateway drains (F28). */
const DRAIN_METHODS: ReadonlySet<string> = new Set([
  "health",
  "node.invoke.result",
  "node.invoke.progress",
  "node.invoke.output.ack",
  "node.invoke.input",
  "node.invoke.cancel",
  "node.event",
  "exec.approval.resolve",
  "approval.resolve",
]);

/** One call under way, as its handler sees it. Getters keep what is rarely used free. */
class CallContext implements MethodContext {
  afterwards: (() => void) | undefined;
  readonly connection: Connection;
  readonly services: GatewayServices;
  readonly #id: string;

  constructor(connection: Connection, services: GatewayServices, id: string) {
    this.connection = connection;
    this.services = services;
    this.#id = id;
  }

  get principal() {
    return this.connection.principal;
  }
  get signal() {
    return this.connection.signal;
  }
  get clock() {
    return this.services.clock;
  }
  get log() {
    return this.services.log.with({ conn: this.connection.connId });
  }
  accept(payload: unknown): void {
    this.connection.sendText(responseText(this.#id, payload));
  }
  afterResponse(run: () => void): void {
    const before = this.afterwards;
    this.afterwards = before
      ? () => {
        before();
        run();
      }
      : run;
  }
}

/** Routes the frames of live connections. */
export class Dispatcher {
  readonly #methods = new Map<string, MethodDefinition>();
  readonly #services: GatewayServices;
  /** New work is refused from here on. */
  draining = false;

  constructor(methods: readonly MethodDefinition[], services: GatewayServices) {
    for (const definition of methods) {
      if (this.#methods.has(definition.name)) {
        throw new TypeError(`Method "${definition.name}" is defined twice`);
      }
      this.#methods.set(definition.name, definition);
    }
    this.#services = services;
  }

  /** Names for `hello-ok.features.methods` of a protocol. */
  names(protocol: ProtocolVersion): string[] {
    return [...this.#methods.values()].filter((m) => serves(m, protocol)).map((m) => m.name);
  }

  /** Takes one frame of a live connection. */
  onFrame(connection: Connection, text: string): void {
    if (text.length > MAX_SMALL_FRAME_BYTES && !mayBeBig(text)) {
      return connection.close(CLOSE.tooBig, "");
    }
    const problem = scanJson(text);
    if (problem !== undefined) return invalidFrame(connection, "invalid", problem);
    const read = readRequest(text);
    if (read.kind === "not-json") {
      return this.#services.log.debug("frame is not JSON", {
        conn: connection.connId,
        size: text.length,
      });
    }
    if (read.kind === "invalid") return invalidFrame(connection, read.id, read.detail);
    if (text.length > MAX_SMALL_FRAME_BYTES && !BIG_FRAME_METHODS.has(read.frame.method)) {
      return connection.close(CLOSE.tooBig, "");
    }
    this.#dispatch(connection, read.frame, text.length);
  }

  /** One call from elsewhere than a frame: same order, same checks. @throws {OpenclawError} as the method. */
  async call(method: string, params: unknown, peer: Peer): Promise<unknown> {
    const { clock, log } = this.#services;
    let afterwards = () => {};
    const context = {
      principal: peer.principal,
      connection: peer,
      services: this.#services,
      signal: peer.signal,
      clock,
      log,
      accept: () => {},
      afterResponse: (run: () => void) => void (afterwards = run),
    };
    try {
      return await this.#run({ method, params }, context, 0);
    } finally {
      afterwards();
    }
  }

  #dispatch(connection: Connection, frame: RequestFrame, size: number): void {
    const context = new CallContext(connection, this.#services, frame.id);
    connection.running++;
    this.#services.frames?.request(connection, frame, size);
    try {
      const result = this.#run(frame, context, connection.running);
      if (!(result instanceof Promise)) return this.#done(frame, context, result);
      result.then((payload) => this.#done(frame, context, payload))
        .catch((error) => this.#failed(frame, context, error));
    } catch (error) {
      this.#failed(frame, context, error);
    }
  }

  /** The fixed order: known method, role, scope, params, handler. */
  #run(
    frame: Pick<RequestFrame, "method" | "params">,
    context: MethodContext,
    running: number,
  ): unknown {
    const { principal } = context;
    const definition = this.#methods.get(frame.method);
    if (!definition || !serves(definition, principal.protocol)) {
      throw unknownMethod(frame.method, principal);
    }
    if (definition.role !== "any" && definition.role !== principal.role) {
      throw roleError(principal);
    }
    if (definition.scope !== "none" && !coversScope(principal.scopes, definition.scope)) {
      throw missingScopeError(definition.scope);
    }
    if (this.draining && !DRAIN_METHODS.has(frame.method)) throw stopping();
    if (running > MAX_RUNNING_REQUESTS) throw busy();
    const checked = check(definition.params, frame.params ?? {});
    if (!checked.ok) {
      throw refusal(
        "INVALID_REQUEST",
        `invalid ${frame.method} params: ${wireProblems(checked.problems)}`,
      );
    }
    return definition.handler(checked.value as never, context);
  }

  #done(frame: RequestFrame, context: CallContext, payload: unknown): void {
    // First the text: an answer that cannot be written (too long for the engine) is a failed call and nothing worse.
    const text = responseText(frame.id, payload);
    context.connection.running--;
    this.#services.frames?.answered(context.connection, frame);
    context.connection.sendText(text);
    context.afterwards?.();
  }

  #failed(frame: RequestFrame, context: CallContext, error: unknown): void {
    const { connection } = context;
    connection.running--;
    if (!(error instanceof OpenclawError)) {
      this.#services.log.error("method failed", {
        conn: connection.connId,
        method: frame.method,
        error: messageOf(error),
      });
    }
    const wire = wireErrorOf(error, connection.principal.protocol);
    this.#services.frames?.answered(connection, frame, wire.code);
    connection.sendText(errorText(frame.id, wire));
    context.afterwards?.();
    if (!wire.message.startsWith("unauthorized role: ")) return;
    if (++connection.roleErrors > MAX_ROLE_ERRORS) {
      connection.close(CLOSE.policy, "repeated unauthorized calls");
    }
  }
}

function serves({ protocol }: MethodDefinition, asked: ProtocolVersion): boolean {
  return protocol === undefined || protocol === asked;
}

const METHOD_NEAR_START = /"method"\s*:\s*"([^"\\]{1,64})"/;

/** A cheap look before a large frame is parsed; the parsed method is checked again. */
function mayBeBig(text: string): boolean {
  const name = METHOD_NEAR_START.exec(text.slice(0, 1024))?.[1];
  return name !== undefined && BIG_FRAME_METHODS.has(name);
}

function invalidFrame(connection: Connection, id: string, detail: string): void {
  const message = `invalid request frame: ${detail}`;
  connection.sendText(errorText(id, { code: "INVALID_REQUEST", message }));
}

function roleError(principal: Principal): OpenclawError {
  return refusal("INVALID_REQUEST", `unauthorized role: ${principal.role}`);
}

/** Unknown names cost admin, so that a caller without it cannot learn what exists. */
function unknownMethod(method: string, principal: Principal): OpenclawError {
  if (principal.role !== "operator") return roleError(principal);
  if (!coversScope(principal.scopes, "operator.admin")) return missingScopeError("operator.admin");
  return refusal(
    "INVALID_REQUEST",
    method === "connect"
      ? "connect is only valid as the first request"
      : `unknown method: ${method}`,
  );
}

function stopping(): OpenclawError {
  return refusal("UNAVAILABLE", "gateway is stopping; retry shortly", {
    retryable: true,
    retryAfterMs: 500,
    details: { reason: "gateway-restarting" },
  });
}

function busy(): OpenclawError {
  return refusal("UNAVAILABLE", "The server is busy. Please try again in a moment.", {
    retryable: true,
    retryAfterMs: 500,
  });
}

const KNOWN_CODES: ReadonlySet<string> = new Set(WIRE_CODES);

/** The error object for anything a handler threw. Protocol 3 knows no `FORBIDDEN` and no scope details. */
function wireErrorOf(error: unknown, protocol: ProtocolVersion): WireError {
  if (!(error instanceof OpenclawError)) {
    return { code: "UNAVAILABLE", message: "internal error", retryable: true };
  }
  const known = KNOWN_CODES.has(error.code);
  const details = known ? error.details : { code: error.code, ...error.details };
  const old = protocol === 3 && error.code === "FORBIDDEN";
  const hide = old && details?.code === DETAIL.missingScope;
  return {
    code: old ? "INVALID_REQUEST" : known ? error.code : "UNAVAILABLE",
    message: error.message,
    ...(error.retryable ? { retryable: true } : {}),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(details && !hide ? { details } : {}),
  };
}
