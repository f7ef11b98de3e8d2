/**
 * `node-runtime.json`: what a running node says about itself, for `node status` (decision 32). Removed when it stops; a
 * leftover of a killed node is told by its process identity, not by its pid (F31).
 */
import type { Clock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { any, check, type Infer, int, obj, oneOf, opt, str } from "../../lib/schema.ts";
import { readOwned, writeAtomic } from "../../platform/files.ts";
import { ownIdentity, stillRuns } from "../../platform/process/identity.ts";
import { jsonValue } from "../../lib/objects.ts";

const runtimeSchema = obj({
  version: oneOf(1),
  pid: int({ min: 1 }),
  startTicks: opt(int({ min: 0 })),
  startedAtMs: int({ min: 0 }),
  updatedAtMs: int({ min: 0 }),
  gateway: str(),
  deviceId: str(),
  displayName: str(),
  state: oneOf("connecting", "connected", "pairing", "waiting", "stopping"),
  protocol: opt(int()),
  /** Pending pairing request. */
  requestId: opt(str()),
  lastError: opt(obj({ code: str(), message: str(), atMs: int() })),
  runs: opt(any()),
}, { unknown: "drop" });

/** Content of the file. */
export type NodeRuntime = Infer<typeof runtimeSchema>;

/** What changes while a node runs. */
export type RuntimeChange = Pick<NodeRuntime, "state" | "protocol" | "requestId" | "lastError">;

/** Inputs of {@linkcode RuntimeFile}. */
export interface RuntimeFileOptions {
  readonly path: string;
  readonly facts: Pick<NodeRuntime, "gateway" | "deviceId" | "displayName">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The file of a running node. Writes follow each other; a failed one is logged and never stops the node (F05). */
export class RuntimeFile {
  readonly #options: RuntimeFileOptions;
  readonly #startedAtMs: number;
  #last = "";
  #writing: Promise<void> = Promise.resolve();

  constructor(options: RuntimeFileOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.now();
  }

  /** Publishes a change; in the background. */
  publish(change: RuntimeChange): void {
    const key = JSON.stringify(change);
    if (key === this.#last) return;
    this.#last = key;
    const { path, facts, clock, log } = this.#options;
    const content: NodeRuntime = {
      version: 1,
      ...ownIdentity(),
      startedAtMs: this.#startedAtMs,
      updatedAtMs: clock.now(),
      ...facts,
      ...change,
    };
    this.#writing = this.#writing
      .then(() => writeAtomic(path, JSON.stringify(content, null, 2) + "\n"))
      .catch((error) => log.warn("node state cannot be published", { error: messageOf(error) }));
  }

  /** Removes the file. */
  async close(): Promise<void> {
    await this.#writing;
    await Deno.remove(this.#options.path).catch(() => {/* never written, or a read-only folder */});
  }
}

/** The file of a node that still runs; `undefined` when none does. */
export async function readRuntime(path: string): Promise<NodeRuntime | undefined> {
  const found = await readOwned(path, { maxBytes: 65_536 });
  if (!found) return undefined;
  const checked = check(runtimeSchema, jsonValue(found.bytes));
  if (!checked.ok) return undefined;
  const { pid, startTicks } = checked.value;
  const identity = { pid, ...(startTicks === undefined ? {} : { startTicks }) };
  return stillRuns(identity) ? checked.value : undefined;
}
