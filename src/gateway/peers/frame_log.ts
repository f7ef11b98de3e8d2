/**
 * `gateway run --ws-log`: what goes over the sockets, by type, method, id and size, never by content. Off unless asked
 * for; then nothing of it is on the way of a call but one look whether it is there.
 */
import type { Logger } from "../../lib/log.ts";
import type { Clock } from "../../lib/clock.ts";
import type { RequestFrame } from "../../protocol/frames.ts";

/** `compact`: one line for a call and its answer. `full`: one line for every frame. */
export type FrameLogStyle = "compact" | "full";

/** What a {@linkcode FrameLog} needs. */
export interface FrameLogOptions {
  readonly style: FrameLogStyle;
  /** Lines are written at level `debug`. */
  readonly log: Logger;
  readonly clock: Clock;
}

interface Sender {
  readonly connId: string;
}

/** The first members of the frames this gateway writes (`protocol/frames.ts`). */
const OWN_FRAME = /^\{"type":"(res|event)","(?:id|event)":("(?:[^"\\]|\\.){0,128}")/;

/** Writes down the frames of all connections. */
export class FrameLog {
  readonly #options: FrameLogOptions;
  readonly #startedMs = new WeakMap<object, number>();

  constructor(options: FrameLogOptions) {
    this.#options = options;
  }

  /** A request came; `size` is its length in characters. */
  request({ connId }: Sender, frame: RequestFrame, size: number): void {
    const { style, log, clock } = this.#options;
    this.#startedMs.set(frame, clock.monotonic());
    if (style !== "full") return;
    log.debug("frame in", { conn: connId, type: "req", method: frame.method, id: frame.id, size });
  }

  /** Its answer is there; `code` of a refusal. */
  answered({ connId }: Sender, frame: RequestFrame, code?: string): void {
    const { style, log, clock } = this.#options;
    if (style !== "compact") return;
    const startedMs = this.#startedMs.get(frame) ?? clock.monotonic();
    log.debug("call", {
      conn: connId,
      method: frame.method,
      id: frame.id,
      ok: code === undefined,
      ...(code === undefined ? {} : { code }),
      ms: Math.round(clock.monotonic() - startedMs),
    });
  }

  /** A frame was handed to the socket. */
  sent({ connId }: Sender, text: string): void {
    const { style, log } = this.#options;
    const [, type, name] = (style === "full" && OWN_FRAME.exec(text)) || [];
    if (type === undefined || name === undefined) return;
    const what = JSON.parse(name) as string;
    log.debug("frame out", {
      conn: connId,
      type,
      ...(type === "event" ? { event: what } : { id: what }),
      size: text.length,
    });
  }
}
