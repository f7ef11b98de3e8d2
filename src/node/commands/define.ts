/**
 * What a node command is: name, schema of its params, handler. The list of them is `mod.ts`; everything else (what the
 * node declares, dispatch, refusal of bad params) is derived from it.
 */
import type { Clock } from "../../lib/clock.ts";
import { OpenclawError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { check, type Problem, problemText, type Schema } from "../../lib/schema.ts";
import type { ApprovalsStore } from "../files/approvals_store.ts";
import type { SendProgress } from "./live_output.ts";
import type { Machine } from "../machine.ts";
import type { NodePolicyConfig } from "../files/policy_config.ts";
import type { RunnerLink } from "../runner/link.ts";

/** What all invokes of a node share. */
export interface NodeServices {
  readonly machine: Machine;
  readonly approvals: ApprovalsStore;
  readonly runner: RunnerLink;
  /** Settings of `openclaw.json` that concern execution; as the file says now. */
  readonly policyConfig: () => Promise<NodePolicyConfig>;
  readonly log: Logger;
  readonly clock: Clock;
  /** Trusted path of each program that skills of the gateway want allowed; asked only when a policy wants it. */
  readonly skillBins: () => Promise<ReadonlyMap<string, string>>;
}

/** Live output and input of one invoke (decisions 12-14); absent when nobody listens or the gateway cannot do it. */
export interface LiveChannel {
  /** Sends one `node.invoke.progress`; `false` or a rejection = nobody listens any more. */
  readonly send: SendProgress;
  /**
   * Hands over the input chunks in order, also those that came before the call; empty bytes = end of input. The returned
   * function is called for each chunk that was read.
   */
  onInput(take: (bytes: Uint8Array<ArrayBuffer>) => void): () => void;
}

/** One invoke as a handler sees it. */
export interface InvokeContext extends NodeServices {
  readonly invokeId: string;
  /** Time the caller waits, in milliseconds; `undefined` = not told. */
  readonly timeoutMs: number | undefined;
  /** Aborted when the caller cancelled, went away, or the node stops. */
  readonly signal: AbortSignal;
  /** Protocol of the connection: decides some error codes. */
  readonly protocol: 3 | 4;
  /** Sends a node event; failures are ignored. Source: node-host.md 5.5. */
  readonly sendEvent: (event: string, payload: unknown) => void;
  readonly live?: LiveChannel;
  /** The gateway is one of ours and keeps the additional facts of a result (decision 24). */
  readonly wantsFacts: boolean;
  /** Who asked, as a gateway of ours vouches: a device id, or `owner`. For grants and the log. */
  readonly requester: string | undefined;
}

/** One command with its params already checked by {@linkcode runCommand}. */
export interface NodeCommand {
  readonly name: string;
  /** Part of the `caps` this command belongs to. */
  readonly cap: "system" | "browser" | "file";
  run(params: unknown, context: InvokeContext): Promise<unknown>;
}

/** What a definition says besides its handler. */
export interface CommandFacts<T> {
  readonly params: Schema<T>;
  readonly cap?: NodeCommand["cap"];
  /** Node error text for params that do not fit. Default: what the schema says. */
  readonly refusal?: string | ((problems: readonly Problem[]) => string);
}

/** Defines a command. */
export function nodeCommand<T>(
  name: string,
  facts: CommandFacts<T>,
  handler: (params: T, context: InvokeContext) => unknown,
): NodeCommand {
  return {
    name,
    cap: facts.cap ?? "system",
    run: async (params, context) => {
      const checked = check(facts.params, params);
      if (checked.ok) return await handler(checked.value, context);
      const { refusal = problemText } = facts;
      throw new OpenclawError(
        "INVALID_REQUEST",
        typeof refusal === "string" ? refusal : refusal(checked.problems),
      );
    },
  };
}

/** A node error with the wording most commands share: `Error: INVALID_REQUEST: <text>`. Source: node-host.md 4, 7.7. */
export function invalidRequest(text: string): OpenclawError {
  return new OpenclawError("INVALID_REQUEST", `Error: INVALID_REQUEST: ${text}`);
}
