/**
 * Calls to nodes: who is live, what is pending, when it runs out. The hot path of the gateway: no store, no parsing of
 * payloads, one timer for all calls. Policy and approvals come before (`methods/node_invoke.ts`), the wire shapes after.
 * Source: gateway-protocol.md 11.4, 9.3; decisions 12-14.
 */
import { sharedSet } from "../../lib/shared.ts";
import { refusal } from "../../protocol/errors.ts";
import { eventText } from "../../protocol/frames.ts";
import { DEFAULT_INVOKE_TIMEOUT_MS } from "../../protocol/limits.ts";
import {
  callKey,
  failure,
  type InvokeResult,
  type InvokerOptions,
  outcomeOf,
  type OwnCall,
  ownMembers,
  type PendingCall,
  speaksOutput,
} from "./call.ts";
import { Deadlines } from "./deadlines.ts";
import type { InvokeCall, InvokeOutcome, Invoker, LiveNode } from "./desk.ts";
import { LiveOutput, readChunk } from "./live.ts";
import { TwinSessions } from "./twins.ts";
import type { Peer } from "../peers/peer.ts";

/** Longest call: a day (decision 16). */
export const MAX_INVOKE_TIMEOUT_MS = 24 * 3_600_000;
/** How long a cancelled command of ours may take to report its end (TERM, wait, KILL); the reference's report none. */
const CANCEL_GRACE_MS = 15_000;
const NOT_CONNECTED = failure("NOT_CONNECTED", "node not connected", false);

/** The invoker of one gateway. */
export class NodeInvoker implements Invoker {
  readonly #options: InvokerOptions;
  readonly #nodes = new Map<string, LiveNode>();
  readonly #calls = new Map<string, PendingCall>();
  /** Newest call of a connection and idempotency key, for input, ack and cancel. */
  readonly #byKey = new Map<string, PendingCall>();
  readonly #deadlines: Deadlines<PendingCall>;
  readonly #sessions: TwinSessions;
  #draining = false;
  #drained: (() => void) | undefined;
  /** Results and chunks that fitted no call of their sender (A21). */
  ignored = 0;

  constructor(options: InvokerOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock, (call) => this.#onDeadline(call));
    this.#sessions = new TwinSessions(options.clock, options.onTwins ?? (() => {}));
  }

  get pending(): number {
    return this.#calls.size;
  }

  liveNode(nodeId: string): LiveNode | undefined {
    return this.#nodes.get(nodeId);
  }

  nodeConnected(peer: Peer): void {
    const nodeId = peer.principal.deviceId;
    if (nodeId === undefined) return;
    const older = this.#nodes.get(nodeId)?.peer;
    this.#nodes.set(nodeId, this.#entry(peer));
    if (older === undefined || older === peer) return;
    this.#failNode(older);
    this.#sessions.replaced(older, peer);
  }

  /** Older sessions of a node that are alive beside the one in force (F32). */
  twins(nodeId: string): readonly Peer[] {
    return this.#sessions.of(nodeId);
  }

  #entry(peer: Peer): LiveNode {
    const surface = this.#options.surfaceOf(peer);
    return { peer, surface, commands: sharedSet(surface.commands) };
  }

  surfaceChanged(nodeId?: string): void {
    const ids = nodeId === undefined ? [...this.#nodes.keys()] : [nodeId];
    for (const id of ids) {
      const live = this.#nodes.get(id);
      if (live !== undefined) this.#nodes.set(id, this.#entry(live.peer));
    }
  }

  disconnected(peer: Peer, options: { readonly slow?: boolean } = {}): void {
    const { role, deviceId } = peer.principal;
    if (role === "node") {
      // F33: the close of an older session leaves the newer one registered.
      if (deviceId !== undefined && this.#nodes.get(deviceId)?.peer === peer) {
        this.#nodes.delete(deviceId);
      }
      this.#sessions.ended(peer);
      this.#failNode(peer);
      return;
    }
    for (const call of this.#calls.values()) {
      if (call.caller !== peer) continue;
      call.caller = undefined;
      call.live?.finish();
      if (!options.slow) this.#cancel(call, "CANCELLED", "caller disconnected");
    }
  }

  /** Before a node's sessions are ended: it is told to stop what runs for us (I12). */
  stopNode(nodeId: string): void {
    for (const call of this.#calls.values()) if (call.nodeId === nodeId) this.#sendCancel(call);
  }

  #failNode(node: Peer): void {
    for (const call of [...this.#calls.values()]) {
      if (call.node !== node) continue;
      this.#settle(call, failure("DISCONNECTED", `node disconnected (${call.command})`, true));
    }
  }

  call(call: InvokeCall): Promise<InvokeOutcome> {
    if (this.#draining) {
      return Promise.resolve(failure("GATEWAY_STOPPING", "gateway is stopping", false));
    }
    const node = this.#nodes.get(call.nodeId)?.peer;
    if (node === undefined) return Promise.resolve(NOT_CONNECTED);
    // I12: asked for before the disk took its time; nobody is left to hear of it, or to cancel it.
    return call.caller?.signal.aborted
      ? Promise.resolve(failure("CANCELLED", "caller disconnected", false))
      : new Promise((settle) => this.#dispatch(call, node, settle));
  }

  #dispatch(call: InvokeCall, node: Peer, settle: (outcome: InvokeOutcome) => void): void {
    const { nodeId, command, paramsJSON, idempotencyKey, sessionKey, caller } = call;
    const timeoutMs = Math.min(call.timeoutMs ?? DEFAULT_INVOKE_TIMEOUT_MS, MAX_INVOKE_TIMEOUT_MS);
    const id = crypto.randomUUID();
    const key = caller === undefined || idempotencyKey === undefined
      ? undefined
      : callKey(caller, idempotencyKey);
    const live = key !== undefined && speaksOutput(caller) && speaksOutput(node)
      ? new LiveOutput(caller as Peer, idempotencyKey as string, nodeId)
      : undefined;
    const pending: PendingCall = {
      bucket: 0,
      id,
      nodeId,
      command,
      node,
      key,
      live,
      caller,
      cancelled: undefined,
      settle,
    };
    const sent = node.sendText(eventText("node.invoke.request", {
      id,
      nodeId,
      command,
      paramsJSON,
      timeoutMs,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(sessionKey === undefined ? {} : { sessionKey }),
      ...ownMembers(node, caller, live !== undefined),
    }));
    if (!sent) return settle(NOT_CONNECTED);
    this.#calls.set(id, pending);
    if (key !== undefined) this.#byKey.set(key, pending);
    this.#deadlines.set(pending, timeoutMs);
  }

  /** `node.invoke.result`. A21: only the session the call went to may answer it, and only once. */
  result(peer: Peer, result: InvokeResult): { ok: true; ignored?: true } {
    if (result.nodeId !== peer.principal.deviceId) {
      throw refusal("INVALID_REQUEST", "nodeId mismatch");
    }
    const call = this.#calls.get(result.id);
    if (call === undefined || call.node !== peer) {
      this.ignored++;
      return { ok: true, ignored: true };
    }
    this.#settle(call, outcomeOf(result));
    return { ok: true };
  }

  /** `node.invoke.progress`: resolves when the operator's leg took the chunk, which holds back the node's next read. */
  async progress(
    peer: Peer,
    params: {
      readonly invokeId: string;
      readonly nodeId: string;
      readonly seq: number;
      readonly chunk: string;
    },
  ): Promise<{ ok: true; ignored?: true }> {
    if (params.nodeId !== peer.principal.deviceId) {
      throw refusal("INVALID_REQUEST", "nodeId mismatch");
    }
    const call = this.#calls.get(params.invokeId);
    if (call === undefined || call.node !== peer) {
      this.ignored++;
      return { ok: true, ignored: true };
    }
    if (call.live === undefined || call.caller === undefined) return { ok: true };
    const chunk = readChunk(params.chunk);
    if (chunk !== undefined) await call.live.progress(params.seq, chunk);
    return { ok: true };
  }

  /** `node.invoke.output.ack`. A call that is over needs none. */
  ackOutput(own: OwnCall, seq: number): { ok: true } {
    this.#own(own)?.live?.ack(seq);
    return { ok: true };
  }

  /** `node.invoke.input`: one chunk of stdin to the node. */
  input(
    own: OwnCall,
    chunk: { readonly seq: number; readonly b64: string; readonly eof: boolean },
  ): { ok: true } {
    const call = this.#own(own);
    if (call === undefined) {
      throw refusal("INVALID_REQUEST", "no running call with this idempotencyKey", {
        details: { code: "INVOKE_NOT_FOUND" },
      });
    }
    if (call.live === undefined) {
      throw refusal("INVALID_REQUEST", "this node cannot take stdin; it would need invoke-output", {
        details: { code: "STDIN_UNSUPPORTED" },
      });
    }
    call.live.checkInput(chunk.seq, chunk.b64, chunk.eof);
    const head = { invokeId: call.id, nodeId: call.nodeId };
    call.node.sendText(eventText("node.invoke.input", { ...head, ...chunk }));
    return { ok: true };
  }

  /** `node.invoke.cancel` of the caller: the node ends the command and still reports its result. */
  cancel(own: OwnCall): { ok: true; cancelled: boolean } {
    const call = this.#own(own);
    if (call === undefined) return { ok: true, cancelled: false };
    this.#cancel(call, "CANCELLED", "cancelled by the caller");
    return { ok: true, cancelled: true };
  }

  #own({ peer, idempotencyKey }: OwnCall): PendingCall | undefined {
    return this.#byKey.get(callKey(peer, idempotencyKey));
  }

  #cancel(call: PendingCall, code: string, message: string): void {
    if (call.cancelled !== undefined) return;
    call.cancelled = { code, message };
    this.#sendCancel(call);
    this.#deadlines.set(call, call.live === undefined ? 0 : CANCEL_GRACE_MS);
  }

  #sendCancel({ id, nodeId, node }: PendingCall): void {
    node.sendText(eventText("node.invoke.cancel", { invokeId: id, nodeId }));
  }

  #onDeadline(call: PendingCall): void {
    if (call.cancelled !== undefined) {
      const { code, message } = call.cancelled;
      return this.#settle(call, failure(code, message, true));
    }
    this.#sendCancel(call);
    this.#settle(call, failure("TIMEOUT", "node invoke timed out", true));
  }

  #settle(call: PendingCall, outcome: InvokeOutcome): void {
    if (!this.#calls.delete(call.id)) return;
    this.#deadlines.remove(call);
    if (call.key !== undefined && this.#byKey.get(call.key) === call) this.#byKey.delete(call.key);
    call.live?.finish();
    call.settle(outcome);
    if (this.#calls.size === 0) this.#drained?.();
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.clock.after(timeoutMs, resolve);
        this.#drained = () => {
          cancel();
          resolve();
        };
      });
    }
    this.stop();
  }

  stop(): void {
    this.#draining = true;
    for (const call of [...this.#calls.values()]) {
      this.#sendCancel(call);
      this.#settle(call, failure("GATEWAY_STOPPING", "gateway is stopping", true));
    }
    this.#deadlines.stop();
    this.#sessions.stop();
  }
}
