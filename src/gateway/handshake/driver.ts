/**
 * Carries out the effects of the handshake machine for one connection: sends, checks keys and tokens, asks the pairing
 * desk, counts failures. Decides nothing. Lives until hello-ok or refusal.
 */
import { isOpenclawError, messageOf } from "../../lib/errors.ts";
import { Secret } from "../../lib/secret.ts";
import { CLOSE } from "../../protocol/close_codes.ts";
import { errorText, eventText } from "../../protocol/frames.ts";
import { MAX_EARLY_FRAMES, MAX_PREAUTH_FRAME_BYTES } from "../../protocol/limits.ts";
import { actorOf, type AuthPolicy } from "../auth/auth.ts";
import type { Connection, HandshakeHandler } from "../peers/connection.ts";
import type { Gate } from "./gate.ts";
import { checkProof, deviceFacts } from "./device_proof.ts";
import { stepHandshake, WAITING } from "./handshake.ts";
import type {
  Candidate,
  CredentialVerdict,
  Grant,
  HandshakeEffect,
  HandshakeInput,
  HandshakeState,
} from "./types.ts";
import type { PeerFacts } from "../peers/peer_facts.ts";
import { readFrame } from "./read_frame.ts";
import { REFUSALS, wireErrorOf } from "./refusals.ts";
import { judgeSecret, stillHolds } from "./second_look.ts";
import type { ThrottlePurpose } from "../auth/throttle.ts";

/** Characters of all frames a client may send ahead of its hello-ok. */
const MAX_EARLY_CHARS = 2 * MAX_PREAUTH_FRAME_BYTES;

type Effect<K extends HandshakeEffect["do"]> = Extract<HandshakeEffect, { do: K }>;

/** Runs the handshake of one connection. */
export class HandshakeDriver implements HandshakeHandler {
  readonly #connection: Connection;
  readonly #gate: Gate;
  readonly #peer: PeerFacts;
  readonly #nonce = crypto.randomUUID();
  #state: HandshakeState = WAITING;
  /** The shared secret was judged by it. */
  #policy: AuthPolicy | undefined;
  #early: string[] = [];
  #cancelDelay: (() => void) | undefined;
  /** Wrong values that were sent, to be counted when the attempt ends. */
  readonly #guesses = new Set<ThrottlePurpose>();

  constructor(connection: Connection, peer: PeerFacts, gate: Gate) {
    this.#connection = connection;
    this.#peer = peer;
    this.#gate = gate;
  }

  /** Sends the challenge and starts reading. */
  start(): void {
    this.#connection.start(this);
    this.#connection.sendText(
      eventText("connect.challenge", { nonce: this.#nonce, ts: this.#gate.clock.now() }),
    );
  }

  onText(text: string): void {
    if (this.#state.kind === "waiting") {
      this.#step({ kind: "frame", read: readFrame(text) });
    } else if (this.#state.kind === "over") {
      // Refused, and the answer is held back: whatever comes now is nobody's.
    } else if (this.#early.length < MAX_EARLY_FRAMES && this.#takesEarly(text)) {
      this.#early.push(text);
    } else {
      this.#step({ kind: "closed" });
      this.#connection.close(CLOSE.policy, "too many pending handshake frames");
    }
  }

  /** Many unknown sockets at once must not each hold fifteen full frames. */
  #takesEarly(text: string): boolean {
    return this.#early.reduce((sum, early) => sum + early.length, text.length) <=
      MAX_EARLY_CHARS;
  }

  onClose(): void {
    this.#cancelDelay?.();
    this.#step({ kind: "closed" });
  }

  #step(input: HandshakeInput): void {
    const facts = {
      nonce: this.#nonce,
      nowMs: this.#gate.clock.now(),
      phase: this.#gate.phase(),
      peer: this.#peer,
      origins: this.#gate.origins(),
    };
    const { state, effects } = stepHandshake(this.#state, input, facts);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: HandshakeEffect): void {
    switch (effect.do) {
      case "check":
        return this.#wait(this.#check(effect));
      case "check-credentials":
        return this.#wait(this.#checkCredentials(effect));
      case "admit":
        return this.#wait(this.#admit(effect));
      case "refuse":
        return this.#refuse(effect);
      case "welcome":
        return this.#welcome(effect);
    }
  }

  /** A failure of our own (a store that cannot be written) refuses the connection and says to come back. */
  #wait(input: Promise<HandshakeInput>): void {
    input.then((value) => this.#step(value)).catch((error) => {
      // Said on purpose (a full queue of waiting devices): the peer is told as it is.
      if (isOpenclawError(error, "UNAVAILABLE")) {
        return this.#step({ kind: "failed", error: wireErrorOf(error) });
      }
      this.#gate.log.error("handshake failed", {
        conn: this.#connection.connId,
        error: messageOf(error),
      });
      this.#step({ kind: "failed", error: REFUSALS.cannotComplete });
    });
  }

  #question({ params: { auth }, role }: Candidate) {
    return { auth, role, peer: this.#peer };
  }

  async #check(effect: Effect<"check">): Promise<HandshakeInput> {
    const [{ secret, policy }, proof] = await Promise.all([
      judgeSecret(this.#question(effect.candidate), this.#gate),
      checkProof(effect.candidate, effect.signed),
    ]);
    this.#policy = policy;
    if (!secret.ok && secret.guessed) this.#guesses.add("shared-secret");
    if (!secret.ok && secret.tailscale !== undefined) {
      this.#gate.log.info("tailscale identity not accepted", {
        conn: this.#connection.connId,
        remote: this.#peer.clientAddress,
        reason: secret.tailscale,
      });
    }
    return { kind: "checked", secret, proof };
  }

  async #checkCredentials(effect: Effect<"check-credentials">): Promise<HandshakeInput> {
    const { auth } = effect.candidate.params;
    if (auth?.bootstrapToken !== undefined) {
      const verdict = await this.#checkBootstrap(effect.candidate, auth.bootstrapToken);
      const elsewhere = effect.onlyBootstrap || auth.deviceToken !== undefined;
      if (verdict.kind === "bootstrap" || !elsewhere) return { kind: "credentials", verdict };
    }
    if (effect.onlyBootstrap) return { kind: "credentials", verdict: { kind: "refused" } };
    return { kind: "credentials", verdict: await this.#checkDeviceToken(effect.candidate) };
  }

  async #checkBootstrap(candidate: Candidate, token: string): Promise<CredentialVerdict> {
    const locked = this.#lockedForMs("bootstrap-token");
    if (locked > 0) return { kind: "refused", reason: "rate_limited", retryAfterMs: locked };
    const ticket = await this.#gate.pairing.verifyBootstrap({
      token: new Secret(token),
      device: deviceFacts(candidate),
      role: candidate.role,
      scopes: candidate.params.scopes ?? [],
    });
    if (ticket) return { kind: "bootstrap", ticket };
    this.#guesses.add("bootstrap-token");
    return { kind: "refused", reason: "bootstrap_token_invalid" };
  }

  async #checkDeviceToken(candidate: Candidate): Promise<CredentialVerdict> {
    const { auth, device, scopes } = candidate.params;
    const explicit = auth?.deviceToken !== undefined;
    const token = auth?.deviceToken ?? auth?.token;
    if (token === undefined || token === "" || !device) return { kind: "refused" };
    const locked = this.#lockedForMs("device-token");
    if (locked > 0) {
      return explicit
        ? { kind: "refused", reason: "rate_limited", retryAfterMs: locked }
        : { kind: "refused" };
    }
    const verdict = await this.#gate.pairing.verifyDeviceToken({
      deviceId: device.id,
      role: candidate.role,
      scopes: scopes ?? [],
      token: new Secret(token),
    });
    if (verdict.ok) {
      // The token in `auth.token` was the device's own: no guess at the shared secret.
      if (!explicit) this.#guesses.delete("shared-secret");
      return { kind: "device", verdict };
    }
    if (!explicit) return { kind: "refused" };
    if (verdict.reason === "scope-mismatch") return { kind: "refused", reason: "scope_mismatch" };
    this.#guesses.add("device-token");
    return { kind: "refused", reason: "device_token_mismatch" };
  }

  #lockedForMs(purpose: ThrottlePurpose): number {
    return this.#gate.throttle.lockedForMs(purpose, actorOf(this.#peer));
  }

  async #admit({ candidate, grant }: Effect<"admit">): Promise<HandshakeInput> {
    const { params, role, protocol } = candidate;
    const surface = {
      caps: params.caps ?? [],
      commands: params.commands ?? [],
      ...(params.permissions ? { permissions: params.permissions } : {}),
    };
    const admission = await this.#gate.pairing.admit({
      device: deviceFacts(candidate),
      role,
      scopes: grant.scopes,
      protocol,
      owner: grant.owner,
      local: this.#peer.local,
      authMethod: grant.method,
      ...(this.#peer.local ? {} : { remoteIp: this.#peer.clientAddress }),
      ...(this.#peer.attribution === "direct-remote" ? { direct: true } : {}),
      ...(this.#peer.origin === undefined ? {} : { browserOrigin: this.#peer.origin }),
      ...(role === "node" ? { surface, asksScopes: (params.scopes ?? []).length > 0 } : {}),
      ...(grant.bootstrap ? { bootstrap: grant.bootstrap } : {}),
      ...(grant.deviceTokenGeneration === undefined
        ? {}
        : { deviceTokenGeneration: grant.deviceTokenGeneration }),
    });
    if (admission.kind !== "admitted") return { kind: "admission", admission };
    const session = { role, owner: grant.owner };
    const error = await this.#gate.refuseSession(params.device?.id ?? "", session);
    if (error !== undefined) return { kind: "failed", error };
    const question = this.#question(candidate);
    const look = { question, grant, admitted: admission, policy: this.#policy };
    return await stillHolds(look, this.#gate)
      ? { kind: "admission", admission }
      : { kind: "failed", error: REFUSALS.authChanged };
  }

  #refuse(effect: Effect<"refuse">): void {
    const delayMs = effect.authFailed ? this.#countGuesses() : 0;
    this.#log(effect, delayMs);
    if (delayMs === 0) return this.#sendRefusal(effect);
    this.#cancelDelay = this.#gate.clock.after(delayMs, () => this.#sendRefusal(effect));
  }

  #sendRefusal({ id, error, code, reason }: Effect<"refuse">): void {
    if (id !== undefined && error) this.#connection.sendText(errorText(id, error));
    this.#connection.close(code, reason);
  }

  /** Longest delay any of the failures earns. */
  #countGuesses(): number {
    let delayMs = 0;
    for (const purpose of this.#guesses) {
      delayMs = Math.max(delayMs, this.#gate.throttle.failed(purpose, actorOf(this.#peer)));
    }
    return delayMs;
  }

  #welcome(effect: Effect<"welcome">): void {
    this.#settleThrottle(effect.grant);
    if (!this.#gate.welcome(this.#connection, effect, this.#peer)) {
      const error = REFUSALS.pairingChanged;
      this.#connection.sendText(errorText(effect.candidate.id, error));
      return this.#connection.close(CLOSE.policy, error.message);
    }
    const early = this.#early;
    this.#early = [];
    for (const text of early) this.#connection.onText(text);
  }

  #settleThrottle({ method }: Grant): void {
    const { throttle } = this.#gate;
    const actor = actorOf(this.#peer);
    // A wrong shared secret beside a right device token is still a guess (I03).
    this.#countGuesses();
    if (method === "token" || method === "password") throttle.succeeded("shared-secret", actor);
    if (method === "device-token") throttle.succeeded("device-token", actor);
    if (method === "bootstrap-token") throttle.succeeded("bootstrap-token", actor);
  }

  #log(effect: Effect<"refuse">, delayMs: number): void {
    const details = effect.error?.details ?? {};
    this.#gate.log.info("connection refused", {
      conn: this.#connection.connId,
      remote: this.#peer.clientAddress,
      code: effect.code,
      reason: effect.reason,
      ...(typeof details.code === "string" ? { detail: details.code } : {}),
      ...(typeof details.requestId === "string" ? { request: details.requestId } : {}),
      ...(delayMs > 0 ? { delayMs } : {}),
    });
  }
}
