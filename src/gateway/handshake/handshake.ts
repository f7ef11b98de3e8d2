/**
 * The handshake as a pure state machine: inputs are frames and verdicts, effects are data that `driver.ts` carries out.
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
import { check } from "../../lib/schema.ts";
import { authPayload, PAYLOAD_VERSIONS } from "../../protocol/auth_payload.ts";
import { isBrowserClient } from "../../protocol/client_ids.ts";
import { CLOSE, closeReason } from "../../protocol/close_codes.ts";
import { type ConnectParams, connectSchema, signedToken } from "../../protocol/connect.ts";
import { type WireError, wireProblems } from "../../protocol/errors.ts";
import type { ReadRequest } from "../../protocol/frames.ts";
import { SIGNATURE_SKEW_MS } from "../../protocol/limits.ts";
import { isRole } from "../../protocol/roles.ts";
import { negotiate } from "../../protocol/versions.ts";
import type { SecretVerdict } from "../auth/auth.ts";
import { authError, type AuthReason } from "../auth/errors.ts";
import { decideGrant } from "./grant.ts";
import type {
  Candidate,
  CredentialVerdict,
  Grant,
  HandshakeEffect,
  HandshakeFacts,
  HandshakeInput,
  HandshakeState,
  HandshakeStep,
  ProofVerdict,
} from "./types.ts";
import { decideOrigin } from "../auth/origin.ts";
import type { Admission } from "../pairing/desk.ts";
import { deviceRefusal, pairingError, protocolError, REFUSALS } from "./refusals.ts";

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
        ? onAdmission(state, input.admission, facts)
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
  if (!checked.ok) return refused(id, REFUSALS.badParams(wireProblems(checked.problems)));
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
  // Locally the answer depends on the secret, so a wrong one must be told and counted (N02).
  if (controlUi && !facts.peer.local) return refused(id, REFUSALS.controlUiNeedsDevice);
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
  facts: HandshakeFacts,
): HandshakeStep {
  const { candidate, grant } = state;
  // I16: who comes second hears what everybody hears who never had a code.
  if (admission.kind === "code-used") {
    return authRefused(candidate, "bootstrap_token_invalid", facts, undefined);
  }
  if (admission.kind === "pairing-required") {
    const error = pairingError(admission);
    const reason = `${error.message} (requestId: ${admission.requestId})`;
    return over(candidate.id, error, CLOSE.policy, reason);
  }
  const welcome = { do: "welcome", candidate, grant, admitted: admission } as const;
  return { state: { kind: "live" }, effects: [welcome] };
}
