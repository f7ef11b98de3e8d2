/**
 * What the server, the relays and the methods ask of node invocation. Types only: the machine is `invoke.ts`, the policy
 * `../nodes/policy.ts`. The server tells the invoker about live connections; the invoker never opens a socket.
 */
import type { EffectiveSurface } from "../pairing/desk.ts";
import type { Peer } from "../peers/peer.ts";

/** One call to a node, by an operator or by the gateway itself. */
export interface InvokeCall {
  readonly nodeId: string;
  readonly command: string;
  /** JSON text of the params as they go to the node, or `null` for none. */
  readonly paramsJSON: string | null;
  /** Milliseconds; default 30,000; at most 24 h. */
  readonly timeoutMs?: number;
  readonly idempotencyKey?: string;
  readonly sessionKey?: string;
  /** Connection that asked; absent for calls of the gateway itself. Its end cancels the call. */
  readonly caller?: Peer;
}

/** What the node answered, or why it could not. */
export type InvokeOutcome =
  | {
    readonly ok: true;
    /** JSON text as the node sent it (not yet known to be JSON), or `null` when it sent `payload`. */
    readonly payloadJSON: string | null;
    readonly payload?: unknown;
  }
  | {
    readonly ok: false;
    readonly code: string;
    readonly message: string;
    /** Whether the command reached the node. */
    readonly dispatched: boolean;
    /** The node says so: its codes do not speak for the gateway. */
    readonly byNode?: true;
  };

/** A live node and what it may do now. */
export interface LiveNode {
  readonly peer: Peer;
  readonly surface: EffectiveSurface;
  /** The surface's commands, for the verdict on each call. */
  readonly commands: ReadonlySet<string>;
}

/** Live sessions, pending calls, deadlines and live output. */
export interface Invoker {
  /**
   * A node got hello-ok. An older session of the same node loses its entry, its calls fail, its socket stays open (9.3);
   * its late close changes nothing (F33).
   */
  nodeConnected(peer: Peer): void;
  /**
   * A connection ended: calls to that node fail, calls by that operator are cancelled on their nodes.
   * With `slow` (cut as a slow consumer) they keep running (decision 13).
   */
  disconnected(peer: Peer, options?: { readonly slow?: boolean }): void;
  /** The approved surface or the policy changed; without an id, for every live node. */
  surfaceChanged(nodeId?: string): void;
  /** The live session of a node. */
  liveNode(nodeId: string): LiveNode | undefined;
  /** Calls a node without any policy check; never rejects. */
  call(call: InvokeCall): Promise<InvokeOutcome>;
  /** Number of calls under way, for drain and status. */
  readonly pending: number;
  /** Refuses new calls; resolves when the pending ones ended or `timeoutMs` passed, then cancels the rest. */
  drain(timeoutMs: number): Promise<void>;
  /** Cancels everything and ends the timers. */
  stop(): void;
}
