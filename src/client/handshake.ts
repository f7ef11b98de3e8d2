/**
 * The client's side of the handshake, as a pure machine. Time, signing and sockets belong to `session.ts`.
 *
 *   gateway                               client
 *      | -- event connect.challenge ------> |   waiting-challenge → signing (or straight to waiting-hello)
 *      | <------------- req connect ------- |   signing → waiting-hello
 *      | -- res hello-ok -----------------> |   waiting-hello → done
 *      | -- res error, close -------------> |   any → failed
 *
 * Source: gateway-protocol.md 1.3, 2.
 */
import { isObject } from "../lib/objects.ts";
import { OpenclawError } from "../lib/errors.ts";
import type { CloseInfo } from "../net/socket.ts";
import { type Challenge, connectFrame, type ConnectPlan, textToSign } from "./connect_plan.ts";
import { closedError, readHello, readIncoming, refusalError, type SessionHello } from "./wire.ts";

/** Where a handshake stands; each state holds only what is valid in it. */
export type HandshakeState =
  | { readonly at: "waiting-challenge" }
  | { readonly at: "signing"; readonly challenge: Challenge }
  | { readonly at: "waiting-hello"; readonly requestId: string }
  | { readonly at: "done"; readonly hello: SessionHello }
  | { readonly at: "failed"; readonly error: OpenclawError };

/** What can happen. */
export type HandshakeInput =
  | {
    readonly kind: "text";
    readonly text: string;
    readonly requestId: string;
    readonly nowMs: number;
  }
  | { readonly kind: "signed"; readonly signature: string; readonly requestId: string }
  | { readonly kind: "timeout"; readonly timeoutMs: number }
  | { readonly kind: "closed"; readonly info: CloseInfo };

/** What the caller has to do. */
export type HandshakeEffect =
  | { readonly do: "sign"; readonly text: string }
  | { readonly do: "send"; readonly text: string }
  | { readonly do: "close"; readonly code: number; readonly reason: string };

/** Outcome of one step. */
export interface HandshakeStep {
  readonly state: HandshakeState;
  readonly effects: readonly HandshakeEffect[];
}

/** Every handshake begins here. */
export const FIRST_STATE: HandshakeState = { at: "waiting-challenge" };

// Printable and without `|`: a nonce with the separator of the signed text could shift its fields.
const NONCE = /^[\x21-\x7b\x7d\x7e]{1,256}$/;

/** One step. A finished machine does not move any more: a second challenge or hello changes nothing. */
export function step(
  state: HandshakeState,
  input: HandshakeInput,
  plan: ConnectPlan,
): HandshakeStep {
  if (state.at === "done" || state.at === "failed") return { state, effects: [] };
  if (input.kind === "closed") return fail(closedError(input.info, "the handshake"));
  if (input.kind === "timeout") return timedOut(state, input.timeoutMs);
  if (input.kind === "signed") {
    if (state.at !== "signing") return { state, effects: [] };
    return {
      state: { at: "waiting-hello", requestId: input.requestId },
      effects: [{
        do: "send",
        text: connectFrame(plan, state.challenge, input.requestId, input.signature),
      }],
    };
  }
  const frame = readIncoming(input.text);
  if (state.at === "waiting-challenge") {
    if (frame?.type !== "event" || frame.event !== "connect.challenge") {
      return { state, effects: [] };
    }
    return challenged(frame.payload, input, plan);
  }
  if (state.at === "waiting-hello" && frame?.type === "res" && frame.id === state.requestId) {
    return frame.ok ? answered(frame.payload, plan) : fail(refusalError(frame.error));
  }
  return { state, effects: [] };
}

function challenged(
  payload: unknown,
  input: { readonly requestId: string; readonly nowMs: number },
  plan: ConnectPlan,
): HandshakeStep {
  const { nonce, ts } = isObject(payload) ? payload : {};
  if (typeof nonce !== "string" || !NONCE.test(nonce)) {
    return fail(
      broken("the gateway's challenge has no usable nonce"),
      "connect challenge missing nonce",
    );
  }
  const isTime = Number.isSafeInteger(ts) && (ts as number) >= 0;
  const challenge = { nonce, ts: isTime ? ts as number : input.nowMs };
  if (!plan.device) {
    return {
      state: { at: "waiting-hello", requestId: input.requestId },
      effects: [{ do: "send", text: connectFrame(plan, challenge, input.requestId, undefined) }],
    };
  }
  return {
    state: { at: "signing", challenge },
    effects: [{ do: "sign", text: textToSign(plan, challenge) }],
  };
}

function answered(payload: unknown, plan: ConnectPlan): HandshakeStep {
  const hello = readHello(payload);
  if (!hello) return fail(broken("the answer to connect is no hello-ok"), "invalid hello");
  // A protocol 4 gateway greets the 3..3 attempt of a node with 4: come back with 4 (gateway-protocol.md 2.4).
  if (hello.protocol > plan.maxProtocol) {
    const error = new OpenclawError(
      "PROTOCOL_UPGRADED",
      "the gateway speaks a newer protocol now",
      { retryable: true },
    );
    return {
      state: { at: "failed", error },
      effects: [{ do: "close", code: 1012, reason: "gateway protocol upgraded" }],
    };
  }
  if (hello.protocol < plan.minProtocol) {
    const text =
      `the gateway speaks protocol ${hello.protocol}, wanted at least ${plan.minProtocol}`;
    return fail(new OpenclawError("PROTOCOL_MISMATCH", text), "protocol mismatch");
  }
  return { state: { at: "done", hello }, effects: [] };
}

function timedOut(state: HandshakeState, timeoutMs: number): HandshakeStep {
  const isSilent = state.at === "waiting-challenge";
  const error = new OpenclawError(
    "HANDSHAKE_TIMEOUT",
    (isSilent ? "connected, but not greeted" : "greeted, but connect was not answered") +
      ` after ${timeoutMs} ms (timed out)`,
    {
      retryable: true,
      details: { stage: isSilent ? "challenge" : "answer" },
      ...(isSilent
        ? {}
        : { hint: "after several wrong credentials a gateway answers late: add --timeout 15s" }),
    },
  );
  const close = isSilent
    ? { do: "close", code: 1008, reason: "connect challenge timeout" } as const
    : { do: "close", code: 4000, reason: "connect timeout" } as const;
  return { state: { at: "failed", error }, effects: [close] };
}

function broken(why: string): OpenclawError {
  return new OpenclawError("HANDSHAKE_FAILED", why, { hint: "is this an OpenClaw gateway?" });
}

function fail(error: OpenclawError, reason?: string): HandshakeStep {
  const effects = [{
    do: "close",
    code: reason === undefined ? 1000 : 1008,
    reason: reason ?? "",
  }] as const;
  return { state: { at: "failed", error }, effects };
}
