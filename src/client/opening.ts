/**
 * One socket from the challenge to the session: runs the handshake machine and does what it says. Which credentials and
 * how many attempts is `session.ts`.
 */
import { type Clock, systemClock } from "../lib/clock.ts";
import { isOpenclawError, OpenclawError } from "../lib/errors.ts";
import type { CloseInfo, FrameSocket, SocketHandler } from "../net/socket.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../protocol/limits.ts";
import type { ConnectPlan } from "./connect_plan.ts";
import { FIRST_STATE, type HandshakeInput, type HandshakeState, step } from "./handshake.ts";
import { type EventHandler, LiveSession, type Session } from "./live_session.ts";
import type { DeviceKey } from "../identity/device_key.ts";

/** What an {@linkcode Opening} needs of a session's options. */
export interface OpeningOptions {
  /** Ends the wait; a reason `HANDSHAKE_TIMEOUT` becomes the machine's own word on how far it came. */
  readonly signal?: AbortSignal | undefined;
  readonly deviceKey?: DeviceKey | undefined;
  /** From open socket to hello, milliseconds. Default 15,000. */
  readonly timeoutMs?: number | undefined;
  readonly watch?: EventHandler | undefined;
  readonly onGap?: ((gap: { expected: number; received: number }) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** One socket from the challenge to the session: runs the machine and does what it says. */
export class Opening implements SocketHandler {
  readonly done: Promise<Session>;
  readonly #socket: FrameSocket;
  readonly #plan: ConnectPlan;
  readonly #options: OpeningOptions;
  readonly #clock: Clock;
  readonly #cancelTimeout: () => void;
  #state: HandshakeState = FIRST_STATE;
  #session: LiveSession | undefined;
  #resolve!: (session: Session) => void;
  #reject!: (error: unknown) => void;

  constructor(socket: FrameSocket, plan: ConnectPlan, options: OpeningOptions) {
    this.#socket = socket;
    this.#plan = plan;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const timeoutMs = options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    this.#cancelTimeout = this.#clock.after(
      timeoutMs,
      () => this.#step({ kind: "timeout", timeoutMs }),
    );
    const { signal } = options;
    signal?.addEventListener("abort", this.#aborted, { once: true });
    socket.attach(this);
    if (signal?.aborted) this.#aborted();
  }

  readonly #aborted = () => {
    if (this.#session || this.#state.at === "failed") return;
    const reason = this.#options.signal?.reason;
    // The caller's patience is over: how far the greeting came is the better half of the message.
    if (isOpenclawError(reason, "HANDSHAKE_TIMEOUT")) {
      const timeoutMs = Number(reason.details?.timeoutMs ?? this.#options.timeoutMs);
      this.#step({ kind: "timeout", timeoutMs });
      return this.#socket.terminate();
    }
    this.#finish();
    this.#reject(reason);
    this.#socket.terminate();
  };

  onText(text: string): void {
    if (this.#session) return this.#session.onText(text);
    this.#step({
      kind: "text",
      text,
      requestId: `0:${crypto.randomUUID()}`,
      nowMs: this.#clock.now(),
    });
  }

  onPong(): void {
    this.#session?.onPong();
  }

  onClose(info: CloseInfo): void {
    if (this.#session) return this.#session.onClose(info);
    this.#step({ kind: "closed", info });
  }

  #finish(): void {
    this.#cancelTimeout();
    this.#options.signal?.removeEventListener("abort", this.#aborted);
  }

  #step(input: HandshakeInput): void {
    const before = this.#state;
    const { state, effects } = step(before, input, this.#plan);
    this.#state = state;
    for (const effect of effects) {
      if (effect.do === "send") this.#socket.send(effect.text);
      else if (effect.do === "close") this.#socket.close(effect.code, effect.reason);
      else this.#sign(effect.text);
    }
    if (state === before) return;
    if (state.at === "failed") {
      this.#finish();
      this.#reject(state.error);
    } else if (state.at === "done") {
      this.#finish();
      this.#session = new LiveSession({
        socket: this.#socket,
        hello: state.hello,
        clock: this.#clock,
        onGap: this.#options.onGap,
        watch: this.#options.watch,
      });
      this.#resolve(this.#session);
    }
  }

  #sign(text: string): void {
    const requestId = `0:${crypto.randomUUID()}`;
    this.#options.deviceKey?.sign(text).then(
      (signature) => this.#step({ kind: "signed", signature, requestId }),
      (cause) => {
        this.#finish();
        this.#reject(
          new OpenclawError("DEVICE_KEY_UNUSABLE", "Cannot sign with the device key", { cause }),
        );
        this.#socket.terminate();
      },
    );
  }
}
