/**
 * Listens to what a pinned gateway says about its certificates during one command, and keeps it (F22).
 */
import { messageOf } from "../../lib/errors.ts";
import { CAP_CERTIFICATE } from "../../protocol/hello.ts";
import type { CliTarget } from "./target.ts";
import { announcedPins, learnPins } from "./operator_pins.ts";

/** For one session. */
export class PinFollower {
  readonly #target: CliTarget;
  #work: Promise<void> = Promise.resolve();
  #trouble: string | undefined;

  constructor(target: CliTarget) {
    this.#target = target;
  }

  /** What the gateway is asked for: announcements, where they are kept. */
  get caps(): readonly string[] {
    return this.#target.followsPins ? [CAP_CERTIFICATE] : [];
  }

  /** Gets every event of the session. */
  readonly watch = (event: string, payload: unknown): void => {
    const { followsPins, pin, paths } = this.#target;
    if (event !== "gateway.cert" || !followsPins || pin === undefined) return;
    const announced = announcedPins(payload);
    this.#work = this.#work.then(() => learnPins(paths, pin, announced)).catch((error) => {
      // The command itself is not concerned: a disk that takes nothing is told by what needs it.
      this.#trouble = messageOf(error);
    });
  };

  /** Waits for what is being written. Returns why it could not be kept, if so. */
  async close(): Promise<string | undefined> {
    await this.#work;
    return this.#trouble;
  }
}
