/**
 * Work that comes from the gateway: each `node.invoke.request` is answered exactly once, concurrently, and can be
 * cancelled or fed. Owns ids, limits, cancellation and draining; what a command does is in `commands/`.
 * Source: node-host.md 3.3; decisions 13, 14, 16.
 */
import { isOpenclawError, messageOf, OpenclawError } from "../lib/errors.ts";
import { limitRepeats, type Logger } from "../lib/log.ts";
import { quoted } from "../lib/text.ts";
import { scanJson } from "../protocol/json_scan.ts";
import type { InvokeContext, LiveChannel, NodeCommand, NodeServices } from "./commands/define.ts";
import type { NodePolicyConfig } from "./files/policy_config.ts";
import { InputQueue } from "./input_queue.ts";
import { isObject } from "../lib/objects.ts";

/** Ids remembered to drop a request that is delivered twice. */
const REMEMBERED_IDS = 4096;
/** Commands counted against the limit of decision 16. */
const COUNTED_COMMAND = "system.run";
/** Invokes of all kinds that are under way at once; more would only pile up in memory. */
const MAX_ACTIVE = 512;
/** A time limit above this is none: no command of ours runs longer (decision 16). */
const MAX_TIMEOUT_MS = 24 * 60 * 60_000;
/** Longest wait for the gateway's answer to a result, an event or a progress request. Source: node-host.md 3. */
const ANSWER_TIMEOUT_MS = 30_000;

/** The connection an invoke came over, as far as this file needs it. */
export interface InvokeSession {
  readonly protocol: 3 | 4;
  /** The gateway takes `node.invoke.progress` and speaks `invoke-output-v1` (decision 12). */
  readonly liveOutput: boolean;
  request(method: string, params: unknown, options?: { timeoutMs?: number }): Promise<unknown>;
}

/** Options of {@linkcode Invokes}. */
export interface InvokesOptions {
  readonly services: NodeServices;
  readonly commands: readonly NodeCommand[];
  /** This device's id, the `nodeId` of every request that is for us. */
  readonly deviceId: string;
}

interface ActiveInvoke {
  readonly session: InvokeSession;
  readonly abort: AbortController;
  readonly command: string;
  readonly input: InputQueue;
  readonly done: Promise<void>;
  /** Its answer is on the way: it takes no place any more. */
  isOver?: true;
}

/** All invokes of a node. */
export class Invokes {
  readonly #options: InvokesOptions;
  readonly #log: Logger;
  readonly #warn: Logger["warn"];
  readonly #byName: ReadonlyMap<string, NodeCommand>;
  readonly #active = new Map<string, ActiveInvoke>();
  readonly #seen = new Set<string>();
  readonly #warnOfTwin: (message: string) => void;
  #twinAddresses: unknown;
  #draining = false;

  constructor(options: InvokesOptions) {
    this.#options = options;
    const { log, clock } = options.services;
    this.#log = log;
    this.#warn = limitRepeats((message, fields) => log.warn(message, fields), 60_000, clock);
    // The addresses are no part of what repeats: a gateway could change them with each event.
    this.#warnOfTwin = limitRepeats(
      (message, fields) => {
        const hint =
          "on one of them: remove the identity folder of the state directory, then pair it again";
        log.warn(message, { ...fields, addresses: this.#twinAddresses, hint });
      },
      60_000,
      clock,
    );
    this.#byName = new Map(options.commands.map((command) => [command.name, command]));
  }

  /** Number of invokes that are not answered yet. */
  get running(): number {
    return this.#active.size;
  }

  /** Takes an event of the gateway: work, what belongs to it, and word of a second node with this key. */
  take(session: InvokeSession, event: string, payload: unknown): void {
    if (!isObject(payload)) return;
    if (event === "node.invoke.request") return this.#request(session, payload);
    if (event === "node.identity.duplicate") {
      // F32: a state directory copied to a second machine; both would take turns for ever without a word.
      this.#twinAddresses = payload["addresses"];
      return this.#warnOfTwin("another machine connects with this node's key; give it its own");
    }
    const active = this.#active.get(String(payload["invokeId"]));
    // A21: only the session an invoke came from may steer it.
    if (!active || active.session !== session) return;
    if (event === "node.invoke.cancel") active.abort.abort("cancelled");
    if (event === "node.invoke.input" && !active.input.add(payload)) {
      this.#warn("input beyond what the command reads, stopped it", { command: active.command });
      active.abort.abort("input overflow");
    }
  }

  /** The connection is gone: nobody can be answered any more, so its runs are stopped. */
  sessionClosed(session: InvokeSession): void {
    for (const active of this.#active.values()) {
      if (active.session === session) active.abort.abort("connection lost");
    }
  }

  /** F28: refuses new work and waits for what runs, at most `deadlineMs`; then stops it. `true` = all ended by themselves. */
  async drain(deadlineMs: number): Promise<boolean> {
    this.#draining = true;
    const { clock } = this.#options.services;
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const cancel = clock.after(deadlineMs, () => resolve(false));
    const all = Promise.all([...this.#active.values()].map((active) => active.done));
    const finished = await Promise.race([all.then(() => true), late]);
    cancel();
    if (!finished) await this.stopAll();
    return finished;
  }

  /** F29: stops everything that runs and waits until it was answered. */
  async stopAll(): Promise<void> {
    this.#draining = true;
    const active = [...this.#active.values()];
    for (const one of active) one.abort.abort("node stopping");
    await Promise.all(active.map((one) => one.done));
  }

  #request(session: InvokeSession, facts: Record<string, unknown>): void {
    const id = textOf(facts["id"]);
    const command = textOf(facts["command"]);
    if (!id || !command || facts["nodeId"] !== this.#options.deviceId) return;
    if (this.#seen.has(id)) return;
    this.#remember(id);
    const isTooMuch = this.#active.size >= MAX_ACTIVE;
    const abort = new AbortController();
    const input = new InputQueue(hearsLive(session, facts));
    const done = this.#serve({ id, command, session, facts, abort, input, isTooMuch })
      .finally(() => this.#active.delete(id));
    this.#active.set(id, { session, abort, command, input, done });
  }

  #remember(id: string): void {
    this.#seen.add(id);
    if (this.#seen.size <= REMEMBERED_IDS) return;
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      return;
    }
  }

  async #serve(invoke: Served): Promise<void> {
    const { id, session } = invoke;
    const base = { id, nodeId: this.#options.deviceId };
    let answer: Record<string, unknown>;
    try {
      // Not before the entry is in the table: a command that fails at once must find it there.
      await Promise.resolve();
      const result = await this.#run(invoke);
      answer = { ...base, ok: true, payloadJSON: JSON.stringify(result ?? null) };
    } catch (error) {
      answer = { ...base, ok: false, error: this.#nodeError(invoke.command, error) };
    }
    const active = this.#active.get(id);
    if (active) active.isOver = true;
    await session.request("node.invoke.result", answer, { timeoutMs: ANSWER_TIMEOUT_MS })
      .catch((error) => {
        this.#log.debug("result could not be delivered", { id, error: messageOf(error) });
      });
  }

  async #run(invoke: Served): Promise<unknown> {
    const { command, session, facts, abort } = invoke;
    const known = this.#byName.get(command);
    if (!known) throw new OpenclawError("UNAVAILABLE", "command not supported");
    if (this.#draining) throw new OpenclawError("NODE_STOPPING", "node is stopping");
    if (invoke.isTooMuch) {
      throw new OpenclawError("NODE_BUSY", `node is busy: ${MAX_ACTIVE} requests are under way`);
    }
    const { services } = this.#options;
    let config: Promise<NodePolicyConfig> | undefined;
    // Read once per invoke: what is checked first holds to its end.
    const policyConfig = () => config ??= services.policyConfig();
    if (command === COUNTED_COMMAND) this.#refuseBusy(invoke.id, (await policyConfig()).maxRuns);
    const timeoutMs = facts["timeoutMs"];
    const context: InvokeContext = {
      ...services,
      policyConfig,
      invokeId: invoke.id,
      timeoutMs: typeof timeoutMs === "number" && timeoutMs > 0
        ? Math.min(timeoutMs, MAX_TIMEOUT_MS)
        : undefined,
      signal: abort.signal,
      protocol: session.protocol,
      wantsFacts: session.liveOutput,
      // Only the event's own member, written by a gateway of ours: the params are the caller's words.
      requester: session.liveOutput ? textOf(facts["requester"]) || undefined : undefined,
      sendEvent: (event, payload) => this.#sendEvent(session, event, payload),
      ...(hearsLive(session, facts) ? { live: this.#liveChannel(invoke) } : {}),
    };
    return await known.run(paramsOf(facts), context);
  }

  /** Counts only what came before: those that wait for the settings must not stand in each other's way. */
  #refuseBusy(id: string, limit: number): void {
    let count = 0;
    for (const [other, { command, isOver }] of this.#active) {
      if (command === COUNTED_COMMAND && !isOver) count++;
      if (other === id) break;
    }
    if (count <= limit) return;
    throw new OpenclawError("NODE_BUSY", `node is busy: ${limit} commands are running, its limit`);
  }

  #sendEvent(session: InvokeSession, event: string, payload: unknown): void {
    const params = { event, payloadJSON: JSON.stringify(payload) };
    session.request("node.event", params, { timeoutMs: ANSWER_TIMEOUT_MS })
      .catch(() => {/* node-host.md 5.5: send failures are ignored */});
  }

  #liveChannel({ id, session, input }: Served): LiveChannel {
    const nodeId = this.#options.deviceId;
    return {
      async send(seq, chunk) {
        const params = { invokeId: id, nodeId, seq, chunk };
        // No time limit: a slow terminal may hold the answer for as long as it likes (decision 13).
        const answer = await session.request("node.invoke.progress", params, {
          timeoutMs: Infinity,
        }) as { ignored?: boolean } | null;
        return answer?.ignored !== true;
      },
      onInput: (take) => input.deliverTo(take),
    };
  }

  #nodeError(command: string, error: unknown): { code: string; message: string } {
    if (isOpenclawError(error)) return { code: error.code, message: error.message };
    this.#log.error("node command failed", { command, error: messageOf(error) });
    return { code: "UNAVAILABLE", message: messageOf(error) };
  }
}

interface Served {
  readonly id: string;
  readonly command: string;
  readonly session: InvokeSession;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly abort: AbortController;
  readonly input: InputQueue;
  /** Came when as many as may be under way were. */
  readonly isTooMuch: boolean;
}

/** Whether somebody listens to this invoke while it runs; without that nobody feeds it either (decision 12). */
function hearsLive(session: InvokeSession, facts: Readonly<Record<string, unknown>>): boolean {
  return session.liveOutput && facts["live"] !== false;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function paramsOf(facts: Readonly<Record<string, unknown>>): unknown {
  if (facts["params"] !== undefined && facts["params"] !== null) return facts["params"];
  const text = facts["paramsJSON"];
  if (typeof text !== "string" || text.trim() === "") return undefined;
  // Text inside a frame was not looked through with the frame (N16, N17).
  const problem = scanJson(text);
  if (problem !== undefined) {
    throw new OpenclawError("INVALID_REQUEST", `paramsJSON cannot be read: ${problem}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new OpenclawError("INVALID_REQUEST", `paramsJSON is not JSON: ${quoted(text)}`);
  }
}
