/**
 * How much waits for a decision, and whose it is: so that one requester neither fills memory, nor makes the list too long to
 * be answered, nor takes everybody else's place. Pure counting; the desk is `desk.ts`. Attack stopped: A15 by sheer number.
 */
import { Budget } from "../../lib/budget.ts";
import type { Clock } from "../../lib/clock.ts";
import type { OpenclawError } from "../../lib/errors.ts";
import { refusal } from "../../protocol/errors.ts";
import type { OpenApproval } from "./types.ts";

/** Requests that wait at once: of everybody, and of one device (or of one connection without a device). */
const MAX_OPEN = 256;
const MAX_OPEN_OF_ONE = 64;
/** Characters of what reviewers are shown, as JSON. All together fit one answer of `exec.approval.list`. */
const MAX_VIEW_CHARS = 512 * 1024;
const MAX_CHARS = 8 * 1024 * 1024;
const MAX_CHARS_OF_ONE = 2 * 1024 * 1024;
/** What one requester may show to reviewers in a minute: requests, and characters of them. */
const MAX_SHOWN_OF_ONE = 240;
const MAX_SHOWN_CHARS_OF_ONE = 8 * 1024 * 1024;

interface Weight {
  readonly requester: string;
  readonly chars: number;
}

/** Everything that waits. */
export class WaitingLoad {
  readonly #held = new Map<string, Weight>();
  readonly #shown: Budget;
  readonly #shownChars: Budget;

  constructor(clock: Clock) {
    this.#shown = new Budget({ clock });
    this.#shownChars = new Budget({ clock });
  }

  /** Number of waiting requests. */
  get size(): number {
    return this.#held.size;
  }

  /** Why one more may not wait; `undefined` = it may. */
  refusal(approval: OpenApproval): OpenclawError | undefined {
    const { requester, chars } = weigh(approval);
    if (chars > MAX_VIEW_CHARS) {
      return refusal("INVALID_REQUEST", "approval request is too large to be reviewed", {
        details: { code: "REQUEST_TOO_LARGE", maxChars: MAX_VIEW_CHARS },
      });
    }
    const own = [...this.#held.values()].filter((held) => held.requester === requester);
    if (own.length >= MAX_OPEN_OF_ONE || charsOf(own) + chars > MAX_CHARS_OF_ONE) {
      return full("too many approvals of this requester wait for a decision");
    }
    const isFull = this.#held.size >= MAX_OPEN || charsOf(this.#held.values()) + chars > MAX_CHARS;
    return isFull ? full("too many approvals wait for a decision") : undefined;
  }

  /**
   * Counts one more that reviewers are shown, and says why it may not be; `undefined` = it may. Requests that end at once
   * leave room for others: in a loop they would drown whoever has to answer.
   */
  showing(approval: OpenApproval): OpenclawError | undefined {
    const { requester, chars } = weigh(approval);
    const retryAfterMs = this.#shown.take(requester, MAX_SHOWN_OF_ONE) ||
      this.#shownChars.take(requester, MAX_SHOWN_CHARS_OF_ONE, chars);
    return retryAfterMs === 0
      ? undefined
      : full("too many approvals of this requester within a minute", retryAfterMs);
  }

  add(approval: OpenApproval): void {
    this.#held.set(approval.id, weigh(approval));
  }

  remove({ id }: Pick<OpenApproval, "id">): void {
    this.#held.delete(id);
  }
}

function weigh({ requester, view }: OpenApproval): Weight {
  return {
    requester: requester.deviceId ?? requester.connId,
    chars: JSON.stringify(view).length,
  };
}

function charsOf(weights: Iterable<Weight>): number {
  let sum = 0;
  for (const { chars } of weights) sum += chars;
  return sum;
}

function full(message: string, retryAfterMs?: number): OpenclawError {
  return refusal("UNAVAILABLE", message, {
    retryable: true,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
