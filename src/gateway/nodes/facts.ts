/**
 * What live nodes publish about themselves: host figures, plugin tools, skills, queued actions. Memory only, bounded, gone
 * with the device. Source: gateway-protocol.md 11.5.
 */

/** Work queued for a node, fetched with `node.pending.*`. */
export interface QueuedAction {
  readonly id: string;
  readonly type: string;
  readonly priority: string;
  readonly enqueuedAtMs: number;
  readonly expiresAtMs?: number;
}

/** Published facts of one node. */
export interface NodeFacts {
  hostStats?: Readonly<Record<string, unknown>>;
  pluginTools: readonly unknown[];
  skills: readonly unknown[];
  queue: QueuedAction[];
  revision: number;
}

const MAX_QUEUE = 64;
/** How long after its start a run's events are believed, and how many runs per node are remembered. */
const RUN_MEMORY_MS = 25 * 3_600_000;
const MAX_RUNS = 1_000;

/** Forged events of one node are logged at most this often. */
const FORGED_LOG_MS = 60_000;

/** Facts of all nodes. */
export class NodeFactsBook {
  readonly #facts = new Map<string, NodeFacts>();
  /** Node id → run id → start. */
  readonly #runs = new Map<string, Map<string, number>>();
  /** Events of runs a node never had (A20). */
  droppedEvents = 0;
  readonly #forgedLogged = new Map<string, number>();

  /** Facts of a node; made on first use. */
  of(nodeId: string): NodeFacts {
    let facts = this.#facts.get(nodeId);
    if (facts === undefined) {
      facts = { pluginTools: [], skills: [], queue: [], revision: 0 };
      this.#facts.set(nodeId, facts);
    }
    return facts;
  }

  /** Facts of a node when it published any. */
  peek(nodeId: string): NodeFacts | undefined {
    return this.#facts.get(nodeId);
  }

  /** Remembers that a run was sent to a node. */
  noteRun(nodeId: string, runId: string, nowMs: number): void {
    let runs = this.#runs.get(nodeId);
    if (runs === undefined) this.#runs.set(nodeId, runs = new Map());
    runs.set(runId, nowMs);
    if (runs.size <= MAX_RUNS) return;
    const [oldest] = runs.keys();
    if (oldest !== undefined) runs.delete(oldest);
  }

  /** Whether a run was sent to this node (A20). */
  hasRun(nodeId: string, runId: string, nowMs: number): boolean {
    const startedAtMs = this.#runs.get(nodeId)?.get(runId);
    return startedAtMs !== undefined && nowMs - startedAtMs < RUN_MEMORY_MS;
  }

  /** Counts an event of a run this node never had. Returns whether to log it: a node must not fill the log. */
  dropEvent(nodeId: string, monotonicMs: number): boolean {
    this.droppedEvents++;
    const lastMs = this.#forgedLogged.get(nodeId);
    if (lastMs !== undefined && monotonicMs - lastMs < FORGED_LOG_MS) return false;
    this.#forgedLogged.set(nodeId, monotonicMs);
    return true;
  }

  /** Queues work; the oldest goes when the queue is full. */
  enqueue(nodeId: string, action: QueuedAction): number {
    const facts = this.of(nodeId);
    facts.queue.push(action);
    if (facts.queue.length > MAX_QUEUE) facts.queue.shift();
    return ++facts.revision;
  }

  /** Work that has not expired. */
  open(nodeId: string, nowMs: number): readonly QueuedAction[] {
    const facts = this.#facts.get(nodeId);
    if (facts === undefined) return [];
    facts.queue = facts.queue.filter((a) => a.expiresAtMs === undefined || a.expiresAtMs > nowMs);
    return facts.queue;
  }

  /** Drops work that was done. */
  ack(nodeId: string, ids: readonly string[]): void {
    const facts = this.#facts.get(nodeId);
    if (facts === undefined) return;
    facts.queue = facts.queue.filter((action) => !ids.includes(action.id));
  }

  /** Forgets a node that was removed. */
  forget(nodeId: string): void {
    this.#facts.delete(nodeId);
    this.#runs.delete(nodeId);
    this.#forgedLogged.delete(nodeId);
  }
}
