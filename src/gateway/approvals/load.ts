/**
 * How much waits for a decision, and whose it is: so that one requester neither fills memory, nor makes the list too long to
 * be answered, nor takes everybody else's place. Pure counting; the desk is `desk.ts`. Attack stopped: A15 by sheer number.
 */
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

interface Weight {
  readonly requester: string;
  readonly chars: number;
}

/** Everything that waits. */
export class WaitingLoad {
  readonly #held = new Map<string, Weight>();

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

function full(message: string): OpenclawError {
  return refusal("UNAVAILABLE", message, { retryable: true });
}
