/**
 * What a live page shows: waiting commands, waiting devices, nodes. Every event of the gateway leads to the same thing:
 * the lists are fetched again, so what is shown is what the gateway says now.
 */
import { approvalCard } from "./approval_card.js";
import { tick } from "./card.js";
import { deviceCard, nodeCard, nodeFacts, surfaceCard } from "./device_cards.js";
import { byId, syncList } from "./dom.js";
import { Refused } from "./session.js";

/** Events after which the lists are fetched. */
const CHANGES = /^(presence|node\.presence|device\.pair\.|node\.pair\.|exec\.approval\.)/;
/** Events come in bursts: one fetch for all of them, milliseconds. */
const GATHER_MS = 60;
/** Requests run out without an event, milliseconds. */
const LOOK_AGAIN_MS = 20_000;

/** The board of one live session. */
export class Board {
  #session;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  #timers;
  #fetching = false;
  #again = false;
  /** @type {Map<string, string>} */
  #names = new Map();

  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.#session = session;
    session.onEvent = (name) => CHANGES.test(name) && this.refresh();
    this.#timers = [
      setInterval(() => this.#tick(), 1_000),
      setInterval(() => this.refresh(), LOOK_AGAIN_MS),
    ];
    void this.#fetch();
  }

  stop() {
    clearTimeout(this.#soon);
    for (const timer of this.#timers) clearInterval(timer);
  }

  refresh() {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#fetch();
    }, GATHER_MS);
  }

  async #fetch() {
    this.#again = true;
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#show();
      }
    } catch {
      // The session ended meanwhile; main.js says so.
    } finally {
      this.#fetching = false;
    }
  }

  async #show() {
    const [devices, surfaces, nodes, approvals] = await Promise.all([
      this.#list("requests", "device.pair.list", { pending: [] }),
      this.#list("requests", "node.pair.list", { pending: [] }),
      this.#list("nodes", "node.list", { nodes: [] }),
      this.#list("approvals", "exec.approval.list", []),
    ]);
    /** @type {any[]} */
    const rows = nodes.nodes;
    this.#names = new Map(rows.map((node) => [node.nodeId, node.displayName]));
    const desk = this.#desk();
    const requests = [
      ...devices.pending.map((/** @type {any} */ r) => ({ kind: "device", ...r })),
      ...surfaces.pending.map((/** @type {any} */ r) => ({ kind: "surface", ...r })),
    ].sort((a, b) => a.ts - b.ts);
    syncList(byId("approvals"), approvals, (a) => a.id, (a) => approvalCard(a, desk));
    syncList(
      byId("requests"),
      requests,
      (r) => r.requestId,
      (r) => r.kind === "device" ? deviceCard(r, desk) : surfaceCard(r, desk),
    );
    syncList(byId("nodes"), rows.map(nodeFacts), (n) => n.nodeId, (n) => nodeCard(n, desk));
    const waiting = approvals.length + requests.length;
    document.title = waiting > 0 ? `(${waiting}) openclaw` : "openclaw";
    this.#tick();
  }

  /**
   * A list, or `none` when this session may not see it (a proxy can narrow its rights): its part is hidden then.
   * @param {string} place
   * @param {string} method
   * @param {any} none
   */
  async #list(place, method, none) {
    const section = byId(place).parentElement;
    try {
      const answer = await this.#session.call(method);
      if (section) section.hidden = false;
      return answer;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (section) section.hidden = true;
      return none;
    }
  }

  /** @returns {import("./card.js").Desk} */
  #desk() {
    return {
      call: (method, params) => this.#session.call(method, params),
      refresh: () => this.refresh(),
      announce: (text) => byId("news").textContent = text,
      nodeName: (nodeId) => this.#names.get(nodeId),
      nowMs: () => this.#nowMs(),
    };
  }

  #nowMs() {
    return Date.now() + this.#session.skewMs;
  }

  #tick() {
    if (tick(this.#nowMs())) this.refresh();
  }
}
