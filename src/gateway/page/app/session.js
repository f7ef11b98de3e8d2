/**
 * One connection to the gateway: challenge, signed connect, requests with answers, events. Coming back after it ended is
 * `main.js`. Source: gateway-protocol.md 2, 3.2.
 */
import { sign } from "./key.js";

const CLIENT = { id: "openclaw-control-ui", mode: "webchat", version: "page", platform: "web" };
const SCOPES = ["operator.admin", "operator.approvals", "operator.pairing", "operator.read"];
/** Longest wait for hello, and for an answer that no person has to give, milliseconds. */
const ANSWER_MS = 20_000;

/** @typedef {{ code?: string, message?: string, retryAfterMs?: number, details?: Record<string, any> }} WireError */

/** A refusal of the gateway. */
export class Refused extends Error {
  /** @param {WireError | undefined} error */
  constructor(error) {
    super(error?.message ?? "refused");
    this.retryAfterMs = error?.retryAfterMs;
    this.details = error?.details ?? {};
    /** @type {string} */
    this.code = this.details.code ?? error?.code ?? "";
  }
}

/** The connection ended, or never came about. */
export class Lost extends Error {}

/** Where this page's gateway is: its own address. */
function socketUrl() {
  const url = new URL(".", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = url.search = "";
  return url.href;
}

/** A name for the list of devices, like "browser (Chrome, Linux)". */
function browserName() {
  const agent = navigator.userAgent;
  const browser =
    [["Edg/", "Edge"], ["OPR/", "Opera"], ["Chrome/", "Chrome"], ["Firefox/", "Firefox"]]
      .find(([mark]) => agent.includes(String(mark)))?.[1] ?? "Safari";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0];
  return `browser (${[browser, system].filter(Boolean).join(", ")})`;
}

/**
 * @param {import("./key.js").DeviceKey} key
 * @param {{ token?: string, deviceToken?: string }} auth
 * @param {{ nonce: string, ts: number }} challenge
 */
async function connectParams(key, auth, { nonce, ts }) {
  const token = auth.token ?? auth.deviceToken ?? "";
  const { id, mode, platform } = CLIENT;
  const signed = [
    "v3",
    key.deviceId,
    id,
    mode,
    "operator",
    SCOPES.join(","),
    ts,
    token,
    nonce,
    platform,
    "",
  ];
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client: { ...CLIENT, displayName: browserName() },
    role: "operator",
    scopes: SCOPES,
    caps: ["exec-approvals"],
    auth,
    device: {
      id: key.deviceId,
      publicKey: key.publicKey,
      signature: await sign(key, signed.join("|")),
      signedAt: ts,
      nonce,
    },
  };
}

/** A live connection. */
export class Session {
  #socket;
  #next = 1;
  /** @type {Map<string, { resolve: (payload: any) => void, reject: (error: Error) => void, timer: ReturnType<typeof setTimeout> }>} */
  #waiting = new Map();
  #heardAtMs = performance.now();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;
  /** What the gateway said at hello. @type {any} */
  hello;
  /** Gateway clock minus this machine's, milliseconds. */
  skewMs = 0;

  /** Told of every event. @type {(name: string, payload: any) => void} */
  onEvent = () => {};

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    /** Settles when the connection is over. @type {Promise<CloseEvent>} */
    this.ended = new Promise((resolve) =>
      socket.addEventListener("close", resolve, { once: true })
    );
    socket.addEventListener("message", (event) => this.#onFrame(JSON.parse(event.data)));
    this.ended.then(() => this.#drop());
  }

  /**
   * Opens, proves who we are, and resolves with the live session; rejects with Refused or Lost.
   * @param {import("./key.js").DeviceKey} key
   * @param {{ token?: string, deviceToken?: string }} auth
   */
  static async open(key, auth) {
    const socket = new WebSocket(socketUrl());
    const session = new Session(socket);
    /** @type {Promise<{ nonce: string, ts: number }>} */
    const challenge = new Promise((resolve) =>
      session.onEvent = (name, payload) => name === "connect.challenge" && resolve(payload)
    );
    const gone = session.ended.then(({ code, reason }) => {
      throw new Lost(reason || `closed (${code})`);
    });
    gone.catch(() => {}); // looked at only while opening
    const late = setTimeout(() => socket.close(), ANSWER_MS);
    try {
      const asked = await Promise.race([challenge, gone]);
      session.skewMs = asked.ts - Date.now();
      session.hello = await session.call("connect", await connectParams(key, auth, asked));
    } catch (error) {
      socket.close();
      throw error;
    } finally {
      clearTimeout(late);
    }
    session.#watchSilence();
    return session;
  }

  /**
   * @param {string} method
   * @param {Record<string, unknown>} [params]
   * @returns {Promise<any>}
   */
  call(method, params = {}) {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Lost("not connected"));
    }
    const id = `p${this.#next++}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Lost(`no answer to ${method}`));
      }, ANSWER_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  /** @param {any} frame */
  #onFrame(frame) {
    this.#heardAtMs = performance.now();
    if (frame.type === "event") return this.onEvent(frame.event, frame.payload);
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined) return;
    this.#waiting.delete(frame.id);
    clearTimeout(waiting.timer);
    if (frame.ok) waiting.resolve(frame.payload);
    else waiting.reject(new Refused(frame.error));
  }

  /** A gateway that says nothing for two and a half ticks is gone, whatever the socket thinks. */
  #watchSilence() {
    const silentMs = 2.5 * (this.hello.policy?.tickIntervalMs ?? 30_000);
    this.#watch = setInterval(() => {
      if (performance.now() - this.#heardAtMs > silentMs) this.#socket.close();
    }, 5_000);
  }

  #drop() {
    clearInterval(this.#watch);
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Lost("connection lost"));
    }
    this.#waiting.clear();
  }
}
