/**
 * A real Chromium without a window, driven over its own debugging protocol: no library in between. It acts as a person
 * does (mouse and keyboard events of the browser, not calls into the page).
 */
import { eventually } from "../e2e/program.ts";

/** The program: `OPENCLAW_TEST_CHROMIUM`, else where Debian puts it. */
const PROGRAM = Deno.env.get("OPENCLAW_TEST_CHROMIUM") ?? "/usr/bin/chromium";
const START_MS = 20_000;
const CALL_MS = 10_000;
/** The page takes no click on what has just moved: nobody could have read it. */
const LOOK_MS = 450;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Our gateways make their own certificates; pins are for programs, not for browsers.
  "--ignore-certificate-errors",
  // One loopback for every site of a test, whatever it is called.
  "--host-resolver-rules=MAP *.example 127.0.0.1",
  "--remote-debugging-port=0",
];

// deno-lint-ignore no-explicit-any -- answers of the debugging protocol
type Loose = any;

interface Waiting {
  resolve(value: Loose): void;
  reject(error: Error): void;
}

/** One browser with a profile of its own. */
export class Chromium implements AsyncDisposable {
  #next = 1;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(session: string, method: string, params: Loose) => void>();

  private constructor(
    private readonly child: Deno.ChildProcess,
    private readonly drained: Promise<unknown>,
    private readonly socket: WebSocket,
    private readonly profile: string,
  ) {
    socket.onmessage = ({ data }) => {
      const { id, result, error, sessionId, method, params } = JSON.parse(data);
      if (id === undefined) return this.#listeners.forEach((l) => l(sessionId, method, params));
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result);
    };
  }

  /** Starts the browser and waits until it can be driven. */
  static async start(): Promise<Chromium> {
    const profile = await Deno.makeTempDir({ prefix: "openclaw-chromium-" });
    const child = new Deno.Command(PROGRAM, {
      args: [...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { HOME: profile },
      detached: true,
    }).spawn();
    const { url, drained } = await debuggingUrl(child);
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Chromium(child, drained, socket, profile);
  }

  /** Calls a method of the debugging protocol. */
  async call(method: string, params: Loose = {}, sessionId?: string): Promise<Loose> {
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Loose>();
    const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), CALL_MS);
    this.#waiting.set(id, { resolve, reject });
    this.socket.send(JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) }));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Hears events of every page. */
  onEvent(listener: (session: string, method: string, params: Loose) => void): void {
    this.#listeners.add(listener);
  }

  /** A tab of its own profile part: no key, no storage of another tab. */
  async open(url: string, size: { width: number; height: number } = DESKTOP): Promise<Tab> {
    const { browserContextId } = await this.call("Target.createBrowserContext");
    return await this.openIn(browserContextId, url, size);
  }

  /** A tab that shares keys and storage with the tabs of this context. */
  async openIn(
    browserContextId: string,
    url: string,
    size: { width: number; height: number } = DESKTOP,
  ): Promise<Tab> {
    const { targetId } = await this.call("Target.createTarget", {
      url: "about:blank",
      browserContextId,
    });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, { sessionId, browserContextId, targetId });
    await tab.prepare(size);
    await tab.go(url);
    return tab;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.socket.onclose = resolve);
    this.socket.close();
    await closed;
    try {
      Deno.kill(-this.child.pid, "SIGKILL"); // it is the leader of its group
    } catch {
      // It ended by itself.
    }
    await this.child.status;
    await this.drained;
    // Its helpers may still write for a moment.
    await eventually("the profile is removed", async () => {
      try {
        await Deno.remove(this.profile, { recursive: true });
        return true;
      } catch (error) {
        return error instanceof Deno.errors.NotFound;
      }
    });
  }
}

const DESKTOP = { width: 1000, height: 900 };

async function debuggingUrl(child: Deno.ChildProcess) {
  const found = Promise.withResolvers<string>();
  let said = "";
  const drained = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said += text;
      const url = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (url) found.resolve(url);
    }
    found.reject(new Error(`Chromium ended: ${said}`));
  })();
  const timer = setTimeout(() => found.reject(new Error(`Chromium is silent: ${said}`)), START_MS);
  try {
    return { url: await found.promise, drained };
  } finally {
    clearTimeout(timer);
  }
}

/** One tab. */
export class Tab {
  /** Messages of the console and errors nobody caught, as text. */
  readonly trouble: string[] = [];
  /** Addresses of everything the page asked for. */
  readonly asked: string[] = [];

  constructor(
    private readonly browser: Chromium,
    private readonly ids: {
      readonly sessionId: string;
      readonly browserContextId: string;
      readonly targetId: string;
    },
  ) {}

  /** For {@linkcode Chromium.openIn}. */
  get context(): string {
    return this.ids.browserContextId;
  }

  call(method: string, params: Loose = {}): Promise<Loose> {
    return this.browser.call(method, params, this.ids.sessionId);
  }

  async prepare({ width, height }: { width: number; height: number }): Promise<void> {
    this.browser.onEvent((session, method, params) => {
      if (session !== this.ids.sessionId) return;
      if (method === "Runtime.exceptionThrown") {
        this.trouble.push(JSON.stringify(params.exceptionDetails.exception ?? params));
      } else if (method === "Log.entryAdded" && params.entry.level === "error") {
        this.trouble.push(`${params.entry.text} ${params.entry.url ?? ""}`);
      } else if (method === "Network.requestWillBeSent") {
        this.asked.push(params.request.url);
      } else if (method === "Network.webSocketCreated") this.asked.push(params.url);
    });
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.call(`${domain}.enable`);
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 500 };
    await this.call("Emulation.setDeviceMetricsOverride", metrics);
  }

  async go(url: string): Promise<void> {
    await this.call("Page.navigate", { url });
    await this.until(`location.href !== "about:blank" && document.readyState === "complete"`);
  }

  /** Value of an expression in the page. */
  async value(expression: string): Promise<Loose> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
      allowUnsafeEvalBlockedByCSP: false,
    });
    if (exceptionDetails) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  }

  /** Waits until an expression is true. */
  async until(expression: string, timeoutMs = 10_000): Promise<void> {
    try {
      await eventually(
        expression,
        () => this.value(`Boolean(${expression})`).catch(() => false),
        timeoutMs,
      );
    } catch (error) {
      const text = await this.value("document.body.innerText").catch(() => "(no page)");
      throw new Error(`${error}\nthe page says:\n${text}\n${this.trouble.join("\n")}`);
    }
  }

  /** All text a person sees. */
  text(): Promise<string> {
    return this.value("document.body.innerText");
  }

  /** Clicks the button whose label for screen readers matches, after having looked at it for as long as a person does. */
  async press(label: RegExp): Promise<void> {
    const find = `[...document.querySelectorAll("button")].find((b) => ` +
      `${label}.test(b.getAttribute("aria-label") ?? b.textContent) && !b.disabled)`;
    await this.until(find);
    await this.value(`new Promise((resolve) => setTimeout(resolve, ${LOOK_MS}))`);
    const { x, y } = await this.value(`(() => {
      const button = ${find};
      button.scrollIntoView({ block: "center" });
      const { x, y, width, height } = button.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    })()`);
    const mouse = { x, y, button: "left", clickCount: 1 };
    await this.call("Input.dispatchMouseEvent", { ...mouse, type: "mousePressed" });
    await this.call("Input.dispatchMouseEvent", { ...mouse, type: "mouseReleased" });
  }

  /** Types into what has the focus. */
  async type(text: string): Promise<void> {
    await this.call("Input.insertText", { text });
  }

  /** Presses a key: `Tab`, `Enter`, ` `. */
  async key(key: string): Promise<void> {
    const codes: Record<string, number> = { Tab: 9, Enter: 13, " ": 32 };
    const text = key === "Tab" ? {} : { text: key === "Enter" ? "\r" : key };
    const event = { key, windowsVirtualKeyCode: codes[key] ?? 0 };
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...event, ...text });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Saves what is seen, the whole page long. */
  async screenshot(path: string): Promise<void> {
    const { data } = await this.call("Page.captureScreenshot", { captureBeyondViewport: true });
    await Deno.writeFile(path, Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
  }

  async close(): Promise<void> {
    await this.browser.call("Target.closeTarget", { targetId: this.ids.targetId });
  }
}
