/**
 * `quickstart`: a TLS gateway in this process, a node as a separate process with the pinned certificate, pairing,
 * one approved command with live output, and what to type on a real second machine. Everything lives in a temporary
 * directory; the node ends with the pipe to this process, however it ends (decisions 18, 36).
 */
import { join } from "@std/path";
import { statePaths } from "../../config/paths.ts";
import { type RunningGateway, startGateway } from "../../gateway/server.ts";
import { systemClock } from "../../lib/clock.ts";
import { withDeadline } from "../../lib/deadline.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { selfCommand } from "../../node/runner_link.ts";
import { ensureDir, writeAtomic } from "../../platform/files.ts";
import { platformName } from "../../platform/os.ts";
import { type Program, startProgram } from "../../platform/process.ts";
import { onStopSignals } from "../../platform/signals.ts";
import { type Gateway, withGateway } from "../connect.ts";
import type { Env, Io } from "../io.ts";
import { Output, processStreams, styled } from "../output.ts";
import type { Prompt } from "../prompt.ts";
import { publishRunningGateway } from "../running_gateway.ts";
import { deviceList, type NodeEntry, type PendingDevice, readAnswer } from "../shapes.ts";
import { QUICKSTART_PREFIX } from "./node_run.ts";
import { listNodes } from "./nodes.ts";
import { runOnNode } from "./nodes_run.ts";

const NODE_NAME = "quickstart-node";
/** Longest wait for the node to show up and go live. */
const NODE_DEADLINE_MS = 15_000;
/** Pace of looking for the node; the gateway's events end the wait earlier. */
const LOOK_MS = 50;

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
  const folder = await Deno.makeTempDir({ prefix: QUICKSTART_PREFIX });
  const interrupt = interruptible();
  const scene = new Scene(folder, io);
  try {
    const show = scene.open().then(() => scene.runCommand(values, startMs));
    const code = await Promise.race([show, interrupt.signalled]);
    if (code === undefined) return 130;
    if (values.once) return code;
    scene.inviteMore();
    await interrupt.signalled;
    return 130;
  } finally {
    interrupt.remove();
    await scene.close();
    await Deno.remove(folder, { recursive: true }).catch(() => {/* the node was faster */});
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
  readonly #nodeState: string;
  #gateway: RunningGateway | undefined;
  #node: Program | undefined;
  #nodeSaid = "";

  constructor(folder: string, io: Io) {
    this.#folder = folder;
    const gatewayState = join(folder, "gateway");
    this.#nodeState = join(folder, "node");
    this.#io = { ...io, env: { ...scrubbed(io.env), OPENCLAW_STATE_DIR: gatewayState } };
  }

  /** Starts gateway and node, approves the node, waits until it serves. */
  async open(): Promise<void> {
    await this.#startGateway();
    await this.#startNode();
    await withGateway(
      this.#io,
      RPC,
      { scopes: ["operator.admin"], longLived: true },
      (gateway) => this.#admit(gateway),
    );
  }

  async #startGateway(): Promise<void> {
    const { env } = this.#io;
    const paths = statePaths(env);
    const gateway = await startGateway({
      paths,
      env,
      // Port 0: the system picks a free one.
      flags: { port: 0, bind: "loopback", tls: true },
    });
    this.#gateway = gateway;
    await publishRunningGateway(paths, {
      host: "127.0.0.1",
      port: gateway.port,
      tls: true,
      fingerprint: gateway.fingerprint ?? null,
    });
    this.#say("gateway", `${gateway.url} (TLS 1.3, its own certificate)`);
    this.#say("pin", gateway.fingerprint ?? "");
  }

  async #startNode(): Promise<void> {
    const gateway = this.#gateway as RunningGateway;
    await ensureDir(this.#nodeState);
    // The token goes through a file only we can read: never through arguments or an environment.
    const token = gateway.plan.auth.token?.reveal();
    const config = { gateway: { auth: { token } } };
    await writeAtomic(join(this.#nodeState, "openclaw.json"), JSON.stringify(config, null, 2));
    const self = selfCommand("node");
    this.#node = await startProgram({
      file: self.file,
      args: [
        ...self.args,
        "run",
        "--host=127.0.0.1",
        `--port=${gateway.port}`,
        `--tls-fingerprint=${gateway.fingerprint}`,
        `--display-name=${NODE_NAME}`,
        "--until-stdin-closes",
        `--remove-at-end=${this.#folder}`,
      ],
      env: { ...scrubbed(this.#io.env), OPENCLAW_STATE_DIR: this.#nodeState },
      stdin: "pipe",
      group: true,
    });
    void this.#listen(this.#node.stderr);
    void this.#listen(this.#node.stdout);
  }

  /** Keeps the last words of the node for the case that it fails. */
  async #listen(stream: Program["stderr"]): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#nodeSaid = (this.#nodeSaid + text).slice(-2_000);
    }
  }

  async #admit(gateway: Gateway): Promise<void> {
    const request = await this.#soon(
      gateway,
      "device.pair.requested",
      async () => (await pendingDevices(gateway))[0],
    );
    const commands = request.commands ?? [];
    await gateway.call("device.pair.admit", {
      requestId: request.requestId,
      surfaceHash: request.surfaceHash,
    });
    await this.#soon(
      gateway,
      "presence",
      async () => (await listNodes(gateway)).find((node: NodeEntry) => node.connected),
    );
    this.#say("node", `${NODE_NAME} paired, key ${request.deviceId.slice(0, 16)}…`);
    this.#say("granted", commands.join(", "));
  }

  /** What `look` finds, now or after an event; fails when the node dies or time is up. */
  async #soon<T>(
    gateway: Gateway,
    event: string,
    look: () => Promise<T | undefined>,
  ): Promise<T> {
    let wake = () => {};
    let over = false;
    const off = gateway.onEvent((name) => name === event && wake());
    const died = (this.#node as Program).ended.then(() => {
      throw this.#nodeFailed("ended");
    });
    const search = (async () => {
      for (;;) {
        const found = await look();
        if (found !== undefined || over) return found as T;
        await new Promise<void>((resolve) => {
          wake = resolve;
          systemClock.after(LOOK_MS, resolve);
        });
      }
    })();
    try {
      const found = Promise.race([search, died]);
      const what = "the node of the quickstart to show up";
      return await withDeadline(found, { timeoutMs: NODE_DEADLINE_MS, what });
    } catch (error) {
      if (isOpenclawError(error, "TIMEOUT")) throw this.#nodeFailed("did not show up");
      throw error;
    } finally {
      over = true;
      off();
    }
  }

  #nodeFailed(what: string): OpenclawError {
    const said = this.#nodeSaid.trim().split("\n").slice(-5);
    return new OpenclawError("QUICKSTART_NODE_FAILED", `The quickstart's node ${what}`, {
      details: { context: said },
      hint: "OPENCLAW_DEBUG=1 openclaw quickstart --once",
    });
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
    const facts = { url, fingerprint, node: NODE_NAME, argv, durationMs: nowMs - startMs };
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
      "  gateway$ openclaw gateway fingerprint",
      "  gateway$ openclaw config get gateway.auth.token",
      "  node$    export OPENCLAW_GATEWAY_TOKEN=<token>",
      "  node$    openclaw node run --host <gateway> --port 18789 --tls-fingerprint <fingerprint>",
      "  gateway$ openclaw devices approve --latest",
      "  gateway$ openclaw nodes run --node <name> -- uname -a",
    ]);
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

  async close(): Promise<void> {
    await this.#node?.stop({ graceMs: 2_000 });
    await this.#gateway?.stop({ drainMs: 0 });
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

async function pendingDevices(gateway: Gateway): Promise<readonly PendingDevice[]> {
  const answer = await gateway.call("device.pair.list");
  return readAnswer(deviceList, "device.pair.list", answer).pending;
}

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
