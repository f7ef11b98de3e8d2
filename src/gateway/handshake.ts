/**
 * The handshake as a pure state machine: inputs are frames and verdicts, effects are data that `connection.ts` carries out.
 * Time, nonce and verdicts come in; nothing here touches a socket, a store or a key. Source: gateway-protocol.md 2.5.
 *
 *   client                         gateway
 *     |  (socket open)                |
 *     | <------- connect.challenge -- |  waiting      nonce, ts
 *     | -- connect ------------------>|  checking     shape, phase, version, role, origin; then
 *     |                               |               shared secret and device proof side by side
 *     |                               |  credentials  bootstrap or device token, only if still unproven
 *     |                               |  admitting    pairing, device token, node surface (durable)
 *     | <------------------ hello-ok- |  live         the machine cannot be entered again
 *     | <--- error, close ----------- |  over         from every state before live
 */
import { check, problemText } from "../lib/schema.ts";
import { authPayload, PAYLOAD_VERSIONS } from "../protocol/auth_payload.ts";
import { isBrowserClient } from "../protocol/client_ids.ts";
import { CLOSE, closeReason } from "../protocol/close_codes.ts";
import { type ConnectParams, connectSchema, signedToken } from "../protocol/connect.ts";
import type { WireError } from "../protocol/errors.ts";
import type { ReadRequest } from "../protocol/frames.ts";
import { SIGNATURE_SKEW_MS } from "../protocol/limits.ts";
import { isRole, type Role } from "../protocol/roles.ts";
import { negotiate, type ProtocolVersion } from "../protocol/versions.ts";
import type { SecretVerdict } from "./auth.ts";
import { authError, type AuthReason } from "./auth_errors.ts";
import { decideGrant, type Grant } from "./grant.ts";
import { decideOrigin, type OriginPolicy } from "./origin.ts";
import type { Admission, Admitted, BootstrapTicket, DeviceTokenVerdict } from "./pairing_desk.ts";
import type { PeerFacts } from "./peer_facts.ts";
import { deviceRefusal, pairingError, protocolError, REFUSALS } from "./refusals.ts";

/** What stays the same during one handshake, except `phase` and `nowMs`, which are read at each step. */
export interface HandshakeFacts {
  /** Of this connection's challenge; single use. */
  readonly nonce: string;
  /** Wall clock, for the age of the signature. */
  readonly nowMs: number;
  readonly phase: "starting" | "ready" | "stopping";
  readonly peer: PeerFacts;
  readonly origins: OriginPolicy;
}

/** A `connect` request whose shape, version, role and origin are in order. */
export interface Candidate {
  readonly id: string;
  readonly params: ConnectParams;
  readonly protocol: ProtocolVersion;
  readonly role: Role;
}

/** Each state holds only what is valid in it. */
export type HandshakeState =
  | { readonly kind: "waiting" }
  | { readonly kind: "checking"; readonly candidate: Candidate }
  | {
    readonly kind: "credentials";
    readonly candidate: Candidate;
    readonly secret: SecretVerdict;
  }
  | { readonly kind: "admitting"; readonly candidate: Candidate; readonly grant: Grant }
  | { readonly kind: "live" }
  | { readonly kind: "over" };

/** Verdict on the device block: its id belongs to its key, and (if asked) the signature verifies. */
export interface ProofVerdict {
  readonly idMatches: boolean;
  readonly signatureValid: boolean;
}

/** Verdict on one-time and device tokens. */
export type CredentialVerdict =
  | { readonly kind: "bootstrap"; readonly ticket: BootstrapTicket }
  | { readonly kind: "device"; readonly verdict: DeviceTokenVerdict & { readonly ok: true } }
  | {
    readonly kind: "refused";
    /** Reason to show; absent = keep the reason of the shared secret. */
    readonly reason?: AuthReason;
    readonly retryAfterMs?: number;
  };

/** What can happen to a handshake. */
export type HandshakeInput =
  | { readonly kind: "frame"; readonly read: ReadRequest }
  | { readonly kind: "timeout" }
  | { readonly kind: "closed" }
  | {
    readonly kind: "checked";
    readonly secret: SecretVerdict;
    readonly proof: ProofVerdict | undefined;
  }
  | { readonly kind: "credentials"; readonly verdict: CredentialVerdict }
  | { readonly kind: "admission"; readonly admission: Admission }
  | { readonly kind: "failed"; readonly error: WireError };

/** What the caller must do, in order. */
export type HandshakeEffect =
  | {
    /** Check the shared secret and the device block, then give back `checked`. */
    readonly do: "check";
    readonly candidate: Candidate;
    /** Texts one of which must be signed; empty = the signature need not be looked at. */
    readonly signed: readonly string[];
  }
  | {
    /** Check the bootstrap token, then the device token, then give back `credentials`. */
    readonly do: "check-credentials";
    readonly candidate: Candidate;
    /** The shared secret already let the peer in: only the bootstrap token matters. */
    readonly onlyBootstrap: boolean;
  }
  | {
    /** Ask the pairing desk (or skip it when the grant says so), then give back `admission`. */
    readonly do: "admit";
    readonly candidate: Candidate;
    readonly grant: Grant;
  }
  | {
    readonly do: "refuse";
    readonly id: string | undefined;
    readonly error: WireError | undefined;
    readonly code: number;
    readonly reason: string;
    /** The attempt was refused for its credentials: count it. */
    readonly authFailed?: boolean;
  }
  | {
    readonly do: "welcome";
    readonly candidate: Candidate;
    readonly grant: Grant;
    readonly admitted: Admitted | undefined;
  };

/** Result of one step. */
export interface HandshakeStep {
  readonly state: HandshakeState;
  readonly effects: readonly HandshakeEffect[];
}

/** State of a fresh connection, after the challenge was sent. */
export const WAITING: HandshakeState = { kind: "waiting" };

const OVER: HandshakeState = { kind: "over" };
const NOTHING: readonly HandshakeEffect[] = [];

/** One step. An input that does not fit the state changes nothing, except that a second frame is the caller's queue. */
export function stepHandshake(
  state: HandshakeState,
  input: HandshakeInput,
  facts: HandshakeFacts,
): HandshakeStep {
  if (state.kind === "over" || state.kind === "live") return { state, effects: NOTHING };
  switch (input.kind) {
    case "closed":
      return { state: OVER, effects: NOTHING };
    case "timeout":
      return over(undefined, undefined, CLOSE.normal, "");
    case "failed":
      return "candidate" in state
        ? over(state.candidate.id, input.error, CLOSE.tryLater, input.error.message)
        : over(undefined, undefined, CLOSE.internal, "");
    case "frame":
      return state.kind === "waiting" ? onFrame(input.read, facts) : { state, effects: NOTHING };
    case "checked":
      return state.kind === "checking"
        ? onChecked(state.candidate, input.secret, input.proof, facts)
        : { state, effects: NOTHING };
    case "credentials":
      return state.kind === "credentials"
        ? onCredentials(state, input.verdict, facts)
        : { state, effects: NOTHING };
    case "admission":
      return state.kind === "admitting"
        ? onAdmission(state, input.admission)
        : { state, effects: NOTHING };
  }
}

function over(
  id: string | undefined,
  error: WireError | undefined,
  code: number,
  reason: string,
  authFailed = false,
): HandshakeStep {
  const refuse = { do: "refuse", id, error, code, reason: closeReason(reason) } as const;
  return { state: OVER, effects: [authFailed ? { ...refuse, authFailed } : refuse] };
}

function refused(id: string, error: WireError, code: number = CLOSE.policy): HandshakeStep {
  return over(id, error, code, error.message);
}

/** Checks 1 to 8 of section 2.5: everything that needs no secret. */
function onFrame(read: ReadRequest, facts: HandshakeFacts): HandshakeStep {
  if (read.kind === "not-json") return over(undefined, undefined, CLOSE.normal, "");
  if (read.kind === "invalid") {
    return over(undefined, undefined, CLOSE.policy, "invalid request frame");
  }
  const { id, method, params } = read.frame;
  if (method !== "connect") return refused(id, REFUSALS.notConnect);
  const checked = check(connectSchema, params ?? {});
  if (!checked.ok) return refused(id, REFUSALS.badParams(problemText(checked.problems)));
  if (facts.phase === "starting") {
    return over(id, REFUSALS.starting, CLOSE.tryLater, "gateway starting");
  }
  if (facts.phase === "stopping") {
    return over(id, REFUSALS.stopping, CLOSE.tryLater, "gateway restart in progress");
  }
  return onParams(id, checked.value, facts);
}

function onParams(id: string, params: ConnectParams, facts: HandshakeFacts): HandshakeStep {
  const protocol = negotiate(params.minProtocol, params.maxProtocol);
  if (protocol === undefined) {
    return refused(id, protocolError(params), CLOSE.protocolMismatch);
  }
  if (params.client.mode === "worker") return refused(id, REFUSALS.worker);
  const role = params.role ?? "operator";
  if (!isRole(role)) return refused(id, REFUSALS.badRole);
  const { peer } = facts;
  if (peer.origin !== undefined || isBrowserClient(params.client.id)) {
    const verdict = decideOrigin(peer, facts.origins);
    if (!verdict.ok) return refused(id, REFUSALS.badOrigin(verdict.reason));
  }
  const candidate: Candidate = { id, params, protocol, role };
  const signed = signedTexts(candidate, facts);
  return { state: { kind: "checking", candidate }, effects: [{ do: "check", candidate, signed }] };
}

/** Texts to verify; none when the refusal is already certain, so that a stranger cannot make us verify for nothing. */
function signedTexts({ params, role }: Candidate, facts: HandshakeFacts): string[] {
  const device = params.device;
  if (!device || deviceProblem(params, facts) !== undefined) return [];
  const payload = {
    deviceId: device.id,
    clientId: params.client.id,
    clientMode: params.client.mode,
    role,
    scopes: params.scopes ?? [],
    signedAtMs: device.signedAt,
    token: signedToken(params.auth),
    nonce: device.nonce,
    platform: params.client.platform,
    deviceFamily: params.client.deviceFamily,
  };
  return PAYLOAD_VERSIONS.map((version) => authPayload(version, payload));
}

/** Checks 2 to 4 of section 3.5. I19: a captured `connect` fails on the nonce of every other socket. */
function deviceProblem(params: ConnectParams, facts: HandshakeFacts) {
  const device = params.device;
  if (!device) return undefined;
  if (Math.abs(facts.nowMs - device.signedAt) > SIGNATURE_SKEW_MS) return "expired";
  const nonce = device.nonce.trim();
  if (nonce === "") return "nonce-required";
  return nonce === facts.nonce ? undefined : "nonce-mismatch";
}

/** Checks 9 to 13. */
function onChecked(
  candidate: Candidate,
  secret: SecretVerdict,
  proof: ProofVerdict | undefined,
  facts: HandshakeFacts,
): HandshakeStep {
  if (!candidate.params.device) return onDeviceless(candidate, secret, facts);
  if (!proof?.idMatches) return refused(candidate.id, deviceRefusal("id-mismatch"));
  const problem = deviceProblem(candidate.params, facts);
  if (problem !== undefined) return refused(candidate.id, deviceRefusal(problem));
  if (!proof.signatureValid) return refused(candidate.id, deviceRefusal("signature"));
  const { auth } = candidate.params;
  if (!secret.ok || auth?.bootstrapToken !== undefined) {
    const onlyBootstrap = secret.ok;
    return {
      state: { kind: "credentials", candidate, secret },
      effects: [{ do: "check-credentials", candidate, onlyBootstrap }],
    };
  }
  return admit(candidate, decideGrant({ candidate, peer: facts.peer, secret }));
}

/** Section 4.3: a connection without a device. I02: another soft check never replaces the identity. */
function onDeviceless(
  candidate: Candidate,
  secret: SecretVerdict,
  facts: HandshakeFacts,
): HandshakeStep {
  const { id, params, role } = candidate;
  const controlUi = params.client.id === "openclaw-control-ui";
  const throughProxy = secret.ok && secret.method === "trusted-proxy";
  if (throughProxy && role === "operator" && isBrowserClient(params.client.id)) {
    return admit(candidate, decideGrant({ candidate, peer: facts.peer, secret }));
  }
  if (controlUi && !(secret.ok && facts.peer.local)) {
    return refused(id, REFUSALS.controlUiNeedsDevice);
  }
  if (secret.ok && role === "operator" && !throughProxy) {
    return admit(candidate, decideGrant({ candidate, peer: facts.peer, secret }));
  }
  if (!secret.ok && role === "operator" && reportable(candidate, secret)) {
    return authRefused(candidate, secret.reason, facts, secret.retryAfterMs);
  }
  return refused(id, REFUSALS.deviceRequired);
}

/** A secret was sent but is wrong, or guessing was cut off: say that instead of asking for a device. */
function reportable(candidate: Candidate, secret: SecretVerdict & { ok: false }): boolean {
  const { auth } = candidate.params;
  return auth?.token !== undefined || auth?.password !== undefined ||
    secret.reason === "rate_limited";
}

function onCredentials(
  state: Extract<HandshakeState, { kind: "credentials" }>,
  verdict: CredentialVerdict,
  facts: HandshakeFacts,
): HandshakeStep {
  const { candidate, secret } = state;
  const { peer } = facts;
  if (verdict.kind === "bootstrap") {
    return admit(candidate, decideGrant({ candidate, peer, secret, bootstrap: verdict.ticket }));
  }
  if (verdict.kind === "device") {
    return admit(candidate, decideGrant({ candidate, peer, secret, deviceToken: verdict.verdict }));
  }
  if (secret.ok) return admit(candidate, decideGrant({ candidate, peer, secret }));
  const retryAfterMs = verdict.retryAfterMs ?? secret.retryAfterMs;
  return authRefused(candidate, verdict.reason ?? secret.reason, facts, retryAfterMs);
}

function authRefused(
  candidate: Candidate,
  reason: AuthReason,
  facts: HandshakeFacts,
  retryAfterMs: number | undefined,
): HandshakeStep {
  const { auth, device, client } = candidate.params;
  const error = authError({
    reason: candidate.protocol === 3 && reason === "scope_mismatch"
      ? "device_token_mismatch"
      : reason,
    clientId: client.id,
    protocol: candidate.protocol,
    local: facts.peer.local,
    mayHoldDeviceToken: device !== undefined && auth?.token !== undefined &&
      auth.deviceToken === undefined,
    retryAfterMs,
  });
  return over(candidate.id, error, CLOSE.policy, error.message, true);
}

function admit(candidate: Candidate, grant: Grant): HandshakeStep {
  if (!grant.needsPairing) {
    return {
      state: { kind: "live" },
      effects: [{ do: "welcome", candidate, grant, admitted: undefined }],
    };
  }
  return {
    state: { kind: "admitting", candidate, grant },
    effects: [{ do: "admit", candidate, grant }],
  };
}

function onAdmission(
  state: Extract<HandshakeState, { kind: "admitting" }>,
  admission: Admission,
): HandshakeStep {
  const { candidate, grant } = state;
  if (admission.kind === "pairing-required") {
    const error = pairingError(admission);
    const reason = `${error.message} (requestId: ${admission.requestId})`;
    return over(candidate.id, error, CLOSE.policy, reason);
  }
  const welcome = { do: "welcome", candidate, grant, admitted: admission } as const;
  return { state: { kind: "live" }, effects: [welcome] };
}
