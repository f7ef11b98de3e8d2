/**
 * What connections and methods ask of node invocation. Types only: the machine is `invoke.ts`, the policy `node_policy.ts`.
 * The server tells the invoker about live connections; the invoker never opens or closes a socket by itself.
 */
import type { Principal } from "./principal.ts";
import type { EffectiveSurface } from "./pairing_desk.ts";

/** The end of a connection as the invoker needs it. A1's connection object satisfies it. */
export interface InvokePeer {
  readonly connId: string;
  readonly principal: Principal;
  /** Queues one ready frame. Returns false when the connection is closed. */
  sendText(frame: string): boolean;
}

/** A live node session. */
export interface NodePeer extends InvokePeer {
  /** The device id. */
  readonly nodeId: string;
}

/** One `node.invoke` of an operator, or a relay of the gateway's own. */
export interface InvokeCall {
  readonly nodeId: string;
  readonly command: string;
  /** JSON text of the params as they go to the node, or `null` for none. */
  readonly paramsJSON: string | null;
  /** Whole milliseconds; default 30,000; at most 24 h. */
  readonly timeoutMs?: number;
  readonly idempotencyKey?: string;
  readonly sessionKey?: string;
  /** Connection that asked; absent for calls of the gateway itself. Its end cancels the call. */
  readonly caller?: InvokePeer;
  /** Called with the outcome before the promise settles; for the audit row. */
  readonly onSettled?: (outcome: InvokeOutcome) => void;
}

/** What the node answered, or why it could not. Strings are passed on as they came. */
export type InvokeOutcome =
  | { readonly ok: true; readonly payloadJSON: string | null; readonly payload?: unknown }
  | {
    readonly ok: false;
    readonly code: string;
    readonly message: string;
    /** Whether the command reached the node. */
    readonly dispatched: boolean;
  };

/** Live sessions, pending calls, deadlines and live output. */
export interface Invoker {
  /**
   * A node said hello. An older session of the same node loses its entry but its socket stays open (9.3); the old close
   * arriving later changes nothing (F33).
   */
  nodeConnected(peer: NodePeer, surface: EffectiveSurface): void;
  /** A connection ended: calls to that node fail, calls by that operator are cancelled on their nodes. */
  disconnected(connId: string): void;
  /** The surface in force changed without a reconnect. */
  surfaceChanged(nodeId: string, surface: EffectiveSurface): void;
  /** The live session of a node. */
  liveNode(nodeId: string): NodePeer | undefined;
  /** Calls a node without the operator policy check; used by the relays. */
  call(call: InvokeCall): Promise<InvokeOutcome>;
  /** Number of calls under way, for drain and status. */
  readonly pending: number;
  /** Refuses new calls and resolves when the pending ones ended or `timeoutMs` passed; the rest are cancelled. */
  drain(timeoutMs: number): Promise<void>;
  stop(): void;
}
