/**
 * Starts this program as real processes with state directories of their own, and waits for what they say. Used by
 * the end-to-end tests; nothing is mocked here.
 */
import { assert } from "@std/assert";

const main = new URL("../../main.ts", import.meta.url).pathname;
const recordFrames = new URL("../support/record_frames.ts", import.meta.url).pathname;
const decoder = new TextDecoder();

/** The command line of this program: the sources, or the executable named by `OPENCLAW_BIN`. */
export function command(args: readonly string[]): { file: string; args: string[] } {
  const binary = Deno.env.get("OPENCLAW_BIN");
  return binary
    ? { file: binary, args: [...args] }
    : { file: Deno.execPath(), args: ["run", "-A", "--no-check", ...recorder(), main, ...args] };
}

/** With `OPENCLAW_TEST_RECORD` set, every process writes down the frames it sends. */
function recorder(): string[] {
  return Deno.env.has("OPENCLAW_TEST_RECORD") ? ["--preload", recordFrames] : [];
}

/** A temporary home: the only place the programs of one test know. */
export class TempHome implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(): Promise<TempHome> {
    return new TempHome(await Deno.makeTempDir({ prefix: "openclaw-e2e-" }));
  }

  /** An environment with its own state directory and nothing of the caller's setup. */
  env(state: string, more: Record<string, string> = {}): Record<string, string> {
    const kept = ["PATH", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "OPENCLAW_TEST_RECORD"];
    const own = kept.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    const cache = Deno.env.get("HOME");
    return {
      ...Object.fromEntries(own),
      // Sources need their module cache; the state directory is what separates the parties.
      ...(Deno.env.get("DENO_DIR") || !cache ? {} : { DENO_DIR: `${cache}/.cache/deno` }),
      HOME: this.path,
      OPENCLAW_STATE_DIR: `${this.path}/${state}`,
      ...more,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** What a finished program did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Uint8Array;
}

/** Options of {@linkcode run} and {@linkcode start}. */
export interface ProgramOptions {
  readonly env: Record<string, string>;
  /** Words before our command line: a program that starts ours, in a namespace or with a limit. */
  readonly through?: readonly string[];
  readonly cwd?: string;
  /** Text for stdin; without it stdin is empty. */
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
}

function spawn(args: readonly string[], options: ProgramOptions): Deno.ChildProcess {
  const ours = command(args);
  const [file, ...words] = [...options.through ?? [], ours.file, ...ours.args];
  return new Deno.Command(file!, {
    args: words,
    env: options.env,
    clearEnv: true,
    detached: true,
    ...(options.cwd ? { cwd: options.cwd } : {}),
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs to the end in a session without a terminal, so that nobody can be asked. */
export async function run(args: readonly string[], options: ProgramOptions): Promise<Outcome> {
  const child = spawn(args, options);
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 30_000);
  const fed = options.input === undefined ? undefined : feed(child.stdin, options.input);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  await fed;
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), bytes: stdout };
}

/** Writes all of `input`; a program that does not read it is no failure. */
async function feed(stdin: WritableStream<Uint8Array>, input: string | Uint8Array): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
    await writer.close();
  } catch {
    // EPIPE: it ended, or closed its input.
  }
}

/** A program that stays. */
export class Running implements AsyncDisposable {
  #text = "";
  #waiters = new Set<() => void>();
  readonly #reading: Promise<unknown>;
  readonly status: Promise<Deno.CommandStatus>;

  constructor(private readonly child: Deno.ChildProcess) {
    this.status = child.status;
    this.#reading = Promise.all([this.#read(child.stdout), this.#read(child.stderr)]);
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Everything it has said on both streams. */
  get said(): string {
    return this.#text;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) {
      this.#text += decoder.decode(chunk);
      for (const wake of this.#waiters) wake();
    }
  }

  /** Waits until it said something that matches; fails with all it said. */
  async until(pattern: RegExp, timeoutMs = 40_000): Promise<RegExpMatchArray> {
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`did not say ${pattern} in ${timeoutMs} ms:\n${this.#text}`)),
        timeoutMs,
      );
      cancel = () => clearTimeout(timer);
    });
    try {
      for (;;) {
        const match = this.#text.match(pattern);
        if (match) return match;
        let wake = () => {};
        const said = new Promise<void>((resolve) => wake = resolve);
        this.#waiters.add(wake);
        await Promise.race([said, late]);
        this.#waiters.delete(wake);
      }
    } finally {
      cancel();
    }
  }

  signal(name: Deno.Signal): void {
    this.child.kill(name);
  }

  /** Ends it and waits; `SIGKILL` leaves it no say. */
  async end(name: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    try {
      this.child.kill(name);
    } catch {
      // It has ended by itself.
    }
    const status = await this.status;
    await this.#reading;
    const unexpected = /^.*unexpected failure, going on.*$/m.exec(this.#text)?.[0];
    if (unexpected !== undefined) {
      throw new Error(`it went on after a fault of its own: ${unexpected}`);
    }
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }
}

/** Starts a program that stays. */
export function start(args: readonly string[], options: ProgramOptions): Running {
  return new Running(spawn(args, options));
}

/** A gateway and a paired node on two state directories, made exactly as the README says. */
export class Pair implements AsyncDisposable {
  private constructor(
    readonly home: TempHome,
    readonly gateway: Running,
    readonly node: Running,
    readonly facts: { readonly port: number; readonly pin: string; readonly token: string },
  ) {}

  static async make(): Promise<Pair> {
    const home = await TempHome.make();
    const gateway = start(["gateway", "run", "--tls"], {
      env: home.env("gateway", { OPENCLAW_GATEWAY_PORT: String(freePort()) }),
    });
    const port = Number((await gateway.until(/listening on wss:\/\/127\.0\.0\.1:(\d+)/))[1]);
    await gateway.until(/ready/);
    const env = home.env("gateway");
    const pin = (await run(["gateway", "fingerprint"], { env })).stdout
      .match(/[0-9a-f]{64}/)?.[0] as string;
    const token = (await run(["config", "get", "gateway.auth.token", "--reveal"], { env }))
      .stdout.trim();
    const node = start(
      ["node", "run", "--host", "127.0.0.1", "--port", String(port)]
        .concat(["--tls-fingerprint", pin, "--display-name", "build-1"]),
      { env: home.env("node", { OPENCLAW_GATEWAY_TOKEN: token }) },
    );
    const request = (await node.until(/pairing required.*requestId: ([0-9a-f-]{36})/))[1] as string;
    const approved = await run(["devices", "approve", request], { env });
    assert(approved.code === 0, approved.stderr);
    await node.until(/Connected to gateway/);
    return new Pair(home, gateway, node, { port, pin, token });
  }

  /** Runs a command line as the operator on the gateway's machine. */
  cli(args: readonly string[], more: Partial<ProgramOptions> = {}): Promise<Outcome> {
    return run(args, { env: this.home.env("gateway"), ...more });
  }

  /** Sets the node's policy file. */
  async policy(security: string, ask: string): Promise<void> {
    const file = `${this.home.path}/node/exec-approvals.json`;
    const text = JSON.stringify({ version: 1, defaults: { security, ask }, agents: {} });
    await Deno.writeTextFile(file, text, { mode: 0o600 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.end();
    await this.gateway.end();
    await this.home[Symbol.asyncDispose]();
  }
}

/** A port nobody listens on now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Pids of living processes whose command line contains `text` (Linux). */
export function processesWith(text: string): number[] {
  const found: number[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name) || Number(entry.name) === Deno.pid) continue;
    try {
      const line = Deno.readTextFileSync(`/proc/${entry.name}/cmdline`).replaceAll("\0", " ");
      const state = Deno.readTextFileSync(`/proc/${entry.name}/stat`).replace(/^.*\) /s, "")[0];
      if (line.includes(text) && state !== "Z") found.push(Number(entry.name));
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** Waits until `test` holds, looking every 25 ms; fails with `what` at the deadline. */
export async function eventually(
  what: string,
  test: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!await test()) {
    if (performance.now() > endMs) throw new Error(`not in ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
