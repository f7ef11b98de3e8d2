/**
 * `quickstart`: a TLS gateway in this process, a node as a separate process with the pinned certificate, pairing,
 * one approved command with live output, and what to type on a real second machine. Everything lives in a temporary
 * directory; the node ends with the pipe to this process, however it ends (decisions 18, 36).
 */
import { join } from "@std/path";
import { setConfigValue } from "../../../config/file/edit.ts";
import { statePaths } from "../../../config/paths.ts";
import { type RunningGateway, startGateway } from "../../../gateway/server.ts";
import { withDeadline } from "../../../lib/deadline.ts";
import { messageOf, OpenclawError } from "../../../lib/errors.ts";
import { platformName } from "../../../platform/os.ts";
import { onStopSignals } from "../../../platform/signals.ts";
import { type Gateway, withGateway } from "../../connect/connect.ts";
import type { Env, Io } from "../../terminal/io.ts";
import { Output, processStreams, styled } from "../../terminal/output.ts";
import type { Prompt } from "../../terminal/prompt.ts";
import { publishRunningGateway } from "../../connect/running_gateway.ts";
import { QUICKSTART_PREFIX } from "../node/run.ts";
import { QuickstartNode } from "./node.ts";
import { runOnNode } from "../nodes/run.ts";

const NODE_NAME = "quickstart-node";
/** Longest wait for what is being started when Ctrl-C comes. */
const END_MS = 5_000;
/** Values of the command. */
export interface QuickstartValues {
  readonly argv: readonly string[];
  readonly once: boolean | undefined;
  readonly json: boolean;
}

/** `quickstart`. Returns the exit code of the command, or 130 after Ctrl-C. */
export async function quickstart(values: QuickstartValues, io: Io): Promise<number> {
  if (values.json && !values.once) {
    throw new OpenclawError("USAGE", "--json needs --once", {
      exitCode: 2,
      hint: "openclaw quickstart --once --json",
    });
  }
  const startMs = performance.now();
  const folder = await makeFolder();
  const interrupt = interruptible();
  const scene = new Scene(folder, io);
  const show = scene.open().then(() => scene.runCommand(values, startMs));
  try {
    const code = await Promise.race([show, interrupt.signalled]);
    if (code === undefined) return 130;
    if (values.once) return code;
    scene.inviteMore();
    await Promise.race([interrupt.signalled, scene.nodeGone()]);
    return 130;
  } finally {
    interrupt.remove();
    await scene.end(show);
    await Deno.remove(folder, { recursive: true }).catch(() => {/* the node was faster */});
  }
}

async function makeFolder(): Promise<string> {
  try {
    return await Deno.makeTempDir({ prefix: QUICKSTART_PREFIX });
  } catch (error) {
    throw new OpenclawError(
      "FILE_FAILED",
      `Cannot make a temporary directory: ${messageOf(error)}`,
      {
        cause: error,
        hint: "export TMPDIR=<a directory you can write to>",
      },
    );
  }
}

/** Resolves with `undefined` at the first stop signal. */
function interruptible() {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return { signalled: promise, remove: onStopSignals(() => resolve(undefined)) };
}

/** The environment without anything that could reach into a setup of the user's. */
function scrubbed(env: Env): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("OPENCLAW_")));
}

/** Gateway, node and the operator's view of them. */
class Scene {
  readonly #io: Io;
  readonly #folder: string;
  #gateway: RunningGateway | undefined;
  #node: QuickstartNode | undefined;
  #ending = false;

  constructor(folder: string, io: Io) {
    this.#folder = folder;
    const env = { ...scrubbed(io.env), OPENCLAW_STATE_DIR: join(folder, "gateway") };
    this.#io = { ...io, env };
  }

  /** Starts gateway and node, waits until the node serves. */
  async open(): Promise<void> {
    const gateway = this.#gateway = await this.#startGateway();
    this.#goOn();
    await withGateway(
      this.#io,
      RPC,
      { scopes: ["operator.admin"], longLived: true },
      (operator) => this.#joinNode(operator, gateway),
    );
  }

  async #startGateway(): Promise<RunningGateway> {
    const { env } = this.#io;
    const paths = statePaths(env);
    // Decision 36: what lives for a minute needs no page.
    await setConfigValue({ paths, env }, "gateway.controlUi.enabled", false);
    // Port 0: the system picks a free one.
    const flags = { port: 0, bind: "loopback", tls: true } as const;
    const gateway = await startGateway({ paths, env, flags });
    await publishRunningGateway(paths, {
      host: "127.0.0.1",
      port: gateway.port,
      tls: true,
      fingerprint: gateway.fingerprint ?? null,
    });
    if (this.#ending) return gateway;
    this.#say("gateway", `${gateway.url} (TLS 1.3, its own certificate)`);
    this.#say("pin", gateway.fingerprint ?? "");
    return gateway;
  }

  /** A one-time join line pairs the node and grants what it offers; it never sees the shared token. */
  async #joinNode(operator: Gateway, gateway: RunningGateway): Promise<void> {
    const code = await operator.call("device.pair.setupCode", {
      bootstrapProfile: "node",
      publicUrl: gateway.url,
      name: NODE_NAME,
    });
    this.#goOn();
    this.#node = await QuickstartNode.start({
      name: NODE_NAME,
      port: gateway.port,
      fingerprint: gateway.fingerprint ?? "",
      joinLine: (code as { setupCode: string }).setupCode,
      folder: this.#folder,
      env: { ...scrubbed(this.#io.env), OPENCLAW_STATE_DIR: join(this.#folder, "node") },
    });
    const node = await this.#node.live(operator);
    this.#say(
      "node",
      `${NODE_NAME} paired by a one-time join line, key ${node.nodeId.slice(0, 16)}…`,
    );
    this.#say("granted", node.commands?.join(", ") ?? "");
  }

  /** Runs the command on the node, allowed once for exactly itself (decision 18). */
  async runCommand(values: QuickstartValues, startMs: number): Promise<number> {
    const windows = platformName() === "windows";
    const fallback = windows ? ["cmd", "/c", "ver"] : ["uname", "-a"];
    const argv = values.argv.length > 0 ? values.argv : fallback;
    const { out } = this.#io;
    const prompt = allowOnce(() => this.#say("allowed", `once: ${argv.join(" ")}`));
    const runStartMs = performance.now();
    const captured = out.json ? captureDocument() : undefined;
    const io = { ...this.#io, prompt, ...(captured ? { out: captured.out } : {}) };
    const code = await runOnNode({ ...RUN, argv, node: NODE_NAME, stdin: false }, io);
    const nowMs = performance.now();
    const seconds = (fromMs: number) => `${((nowMs - fromMs) / 1000).toFixed(2)} s`;
    const { url, fingerprint } = this.#gateway as RunningGateway;
    const facts = {
      url,
      fingerprint,
      node: NODE_NAME,
      argv,
      durationMs: Math.round(nowMs - startMs),
    };
    out.show({ ...facts, run: captured?.document() }, () => {
      this.#say("exit", `${code} after ${seconds(runStartMs)}; all of it took ${seconds(startMs)}`);
      this.#explainSecondMachine();
    });
    return code;
  }

  /** The two-machine version of what was just seen. */
  #explainSecondMachine(): void {
    const { out } = this.#io;
    out.lines([
      "",
      "With a real second machine:",
      "  gateway$ openclaw gateway run --tls --bind lan",
      "  gateway$ openclaw devices join-code --name build-1",
      "  node$    openclaw connect <the line it printed>",
      "  gateway$ openclaw nodes run --node build-1 -- uname -a",
    ]);
  }

  /** Rejects when the node ends although it should stay. */
  async nodeGone(): Promise<never> {
    return await (this.#node as QuickstartNode).gone();
  }

  /** For those who stay: the environment of a second terminal. */
  inviteMore(): void {
    const { out, env } = this.#io;
    out.lines([
      "",
      "Still running. In a second terminal:",
      `  export OPENCLAW_STATE_DIR=${env.OPENCLAW_STATE_DIR}`,
      `  openclaw nodes run --node ${NODE_NAME} -- uptime`,
      "Ctrl-C ends everything.",
    ]);
  }

  #say(what: string, text: string): void {
    if (!this.#io.out.json) this.#io.out.text(styled("strong", what.padEnd(8)), ` ${text}`);
  }

  /** After Ctrl-C nothing more is started. */
  #goOn(): void {
    if (!this.#ending) return;
    throw new OpenclawError("INTERRUPTED", "Interrupted while starting", { exitCode: 130 });
  }

  /** Ends everything, also what is just being started: it would write into the folder that is removed next. */
  async end(show: Promise<unknown>): Promise<void> {
    this.#ending = true;
    await this.#close();
    const over = withDeadline(show, { timeoutMs: END_MS, what: "the start to end" });
    await over.catch(() => {/* told already, or of no interest any more */});
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.#node?.stop();
    // The second call cuts the drain short: there is nothing left worth waiting for.
    void this.#gateway?.stop();
    await this.#gateway?.stop();
  }
}

/** Values of the calls the quickstart makes itself. */
const RPC = {
  url: undefined,
  token: undefined,
  password: undefined,
  tlsFingerprint: undefined,
  via: undefined,
  timeoutMs: 10_000,
};

const RUN = {
  ...RPC,
  cwd: undefined,
  env: [],
  raw: undefined,
  commandTimeoutMs: undefined,
  invokeTimeoutMs: 86_400_000,
  wait: undefined,
  approval: undefined,
  agent: undefined,
  ask: undefined,
  security: undefined,
  needsScreenRecording: undefined,
};

/** An output that keeps the one document a command prints. */
function captureDocument(): { out: Output; document: () => unknown } {
  const decoder = new TextDecoder();
  let text = "";
  const out = new Output({
    ...processStreams(),
    out: (bytes) => text += decoder.decode(bytes, { stream: true }),
  }, { json: true, colour: false });
  return { out, document: () => text === "" ? null : JSON.parse(text) };
}

/** Answers the one approval of the quickstart: the person asked for this very command by typing it. */
function allowOnce(say: () => void): Prompt {
  return {
    available: true,
    confirm: () => Promise.resolve(false),
    choose: () => {
      say();
      return Promise.resolve("o");
    },
  };
}
