/**
 * The main job as a person does it from the README, with the executable and nothing but its command line:
 * quickstart, then two state directories on one machine: gateway, node, approval, commands, restart, removal.
 *
 *   deno run -A .ci/smoke.ts dist/openclaw        (or main.ts, to try it from sources)
 *
 * Ends with `N passed, N failed`.
 */
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import { join, resolve } from "@std/path";

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const given = Deno.args[0] ?? "dist/openclaw";
const sources = given.endsWith(".ts");
const program = sources ? Deno.execPath() : resolve(given);
const prefix = sources ? ["run", "-A", "--no-check", resolve(given)] : [];
const root = await Deno.makeTempDir({ prefix: "openclaw-smoke-" });
const WAIT_MS = 20_000;
let passed = 0;
let failed = 0;

/** The environment of a state directory of its own; nothing of the caller's but the search path. */
async function profile(name: string, more: Record<string, string> = {}) {
  const folder = join(root, name);
  await Deno.mkdir(folder, { mode: 0o700 });
  const cache = Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "", ".cache", "deno");
  return {
    PATH: Deno.env.get("PATH") ?? "",
    HOME: folder,
    OPENCLAW_STATE_DIR: folder,
    NO_COLOR: "1",
    ...(sources ? { DENO_DIR: cache } : {}),
    ...more,
  };
}
type Env = Awaited<ReturnType<typeof profile>>;

function command(env: Env, args: string[], stdin: "null" | "piped" = "null"): Deno.Command {
  return new Deno.Command(program, {
    args: [...prefix, ...args],
    clearEnv: true,
    env,
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(env: Env, args: string[], input?: Uint8Array): Promise<Ended> {
  const child = command(env, args, input === undefined ? "null" : "piped").spawn();
  const late = setTimeout(() => child.kill("SIGKILL"), WAIT_MS * 2);
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  clearTimeout(late);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** A program that stays up; its output is kept for the report of a failure. */
class Daemon {
  output = "";
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  #input: WritableStreamDefaultWriter<Uint8Array> | undefined;

  constructor(env: Env, args: string[], stdin: "null" | "piped" = "null") {
    this.#child = command(env, args, stdin).spawn();
    if (stdin === "piped") this.#input = this.#child.stdin.getWriter();
    const keep = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) =>
      stream.pipeThrough(new TextDecoderStream()).pipeTo(
        new WritableStream({ write: (text) => void (this.output += text) }),
      );
    this.#read = Promise.all([keep(this.#child.stdout), keep(this.#child.stderr)]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async type(text: string): Promise<void> {
    await this.#input?.write(new TextEncoder().encode(text));
  }

  async endInput(): Promise<void> {
    await this.#input?.close();
  }

  /** Resolves once the output contains `text`. */
  async says(text: string): Promise<void> {
    try {
      await until(
        JSON.stringify(text),
        () => Promise.resolve(this.output.includes(text) ? true : undefined),
      );
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}, got:\n${this.output}`);
    }
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.#child.kill(signal);
    } catch { /* It ended before. */ }
    const late = setTimeout(() => this.#child.kill("SIGKILL"), WAIT_MS);
    const { code } = await this.#child.status;
    clearTimeout(late);
    await this.#read;
    return code;
  }

  /** Exit code of a program that ends by itself. */
  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#read;
    return code;
  }
}

/** The body of a page at `url`, from whoever shows the certificate with this fingerprint. */
function get(url: string, fingerprint: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { rejectUnauthorized: false, agent: false }, (answer) => {
      const shown = (answer.socket as TLSSocket).getPeerCertificate().fingerprint256;
      let body = "";
      answer.setEncoding("utf8").on("data", (text) => body += text).on("end", () => {
        const isPinned = shown.replaceAll(":", "").toLowerCase() === fingerprint;
        if (isPinned && answer.statusCode === 200 && body.length > 100) resolve(body);
        else reject(new Error(`${url}: ${answer.statusCode}, ${shown}, ${body.length} characters`));
      });
    });
    asked.setTimeout(WAIT_MS, () => asked.destroy(new Error(`${url}: no answer`)));
    asked.on("error", reject).end();
  });
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + WAIT_MS;
  while (performance.now() < end) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Waited ${WAIT_MS} ms for ${what}`);
}

/** One named check; what it throws is shown. */
async function check(name: string, act: () => Promise<void>): Promise<void> {
  const from = performance.now();
  try {
    await act();
    passed++;
    console.log(`ok      ${name} (${Math.round(performance.now() - from)} ms)`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message : error}`);
  }
}

function expect(ended: Ended, code: number, ...texts: string[]): void {
  const all = ended.out + ended.err;
  const missing = texts.find((text) => !all.includes(text));
  if (ended.code === code && missing === undefined) return;
  const why = ended.code === code
    ? `"${missing}" is missing`
    : `exit code ${ended.code}, not ${code}`;
  throw new Error(`${why}\n--- stdout\n${ended.out}\n--- stderr\n${ended.err}`);
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

// deno-lint-ignore no-explicit-any
type Any = any;

async function json(env: Env, args: string[]): Promise<Any> {
  const ended = await run(env, [...args, "--json"]);
  expect(ended, 0);
  return JSON.parse(ended.out);
}

/** Processes that still run this executable; only known on Linux. */
function leftovers(): number {
  if (sources || Deno.build.os !== "linux") return 0;
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (Deno.readLinkSync(`/proc/${name}/exe`) === program) count++;
    } catch { /* Not ours to read, or gone. */ }
  }
  return count;
}

// --- alone --------------------------------------------------------------------------------------
const nobody = await profile("nobody");
await check("--version and --help answer", async () => {
  expect(await run(nobody, ["--version"]), 0, "openclaw ");
  expect(await run(nobody, ["--help"]), 0, "gateway", "node");
});
await check("an unknown command is wrong usage", async () => {
  expect(await run(nobody, ["gatway"]), 2);
});
await check("quickstart runs a command on a paired node and ends", async () => {
  const system = (await new Deno.Command("uname", { args: ["-a"] }).output()).stdout;
  expect(await run(nobody, ["quickstart", "--once"]), 0, new TextDecoder().decode(system).trim());
});
await check("quickstart passes the exit code on", async () => {
  expect(await run(nobody, ["quickstart", "--once", "--", "/bin/false"]), 1);
});

// --- two state directories ----------------------------------------------------------------------
const port = freePort();
const owner = await profile("gateway", { OPENCLAW_GATEWAY_PORT: String(port) });
let gateway = new Daemon(owner, ["gateway", "run", "--tls"]);
let pin = "";
let node: Daemon | undefined;
let worker: Env = owner;
const NAME = "smoke-node";

const startNode = () =>
  new Daemon(worker, [
    ...["node", "run", "--host", "127.0.0.1", "--port", String(port), "--tls"],
    ...["--tls-fingerprint", pin, "--display-name", NAME],
  ]);
const connected = () =>
  until("the node to be connected", async () => {
    const ended = await run(owner, ["nodes", "status", "--connected", "--json"]);
    return ended.code === 0 && ended.out.includes(NAME) ? true : undefined;
  });
const onNode = (argv: string[], flags: string[] = [], input?: Uint8Array) =>
  run(owner, ["nodes", "run", "--node", NAME, ...flags, "--", ...argv], input);

await check("gateway run listens with TLS and tells its fingerprint", async () => {
  await gateway.says("listening");
  pin = (await json(owner, ["gateway", "fingerprint"])).fingerprint;
  if (!/^[0-9a-f]{64}$/.test(pin)) throw new Error(`not a fingerprint: "${pin}"`);
});
await check("the page is inside the program and served by it", async () => {
  const url = /page: (https:\S+)/.exec(gateway.output)?.[1] ?? "";
  const page = await get(url, pin);
  const files = [...page.matchAll(/(?:src|href)="([^":]+\.(?:js|css))"/g)].map((m) => m[1] ?? "");
  if (!page.includes("<title>") || files.length < 2) throw new Error(page.slice(0, 500));
  for (const file of files) await get(new URL(file, url).href, pin);
  const { port: { listeners } } = await json(owner, ["gateway", "status"]);
  if (listeners[0].pid !== gateway.pid) throw new Error(`listening: ${listeners[0].pid}`);
  if (Deno.build.os !== "linux") return;
  const running = await Deno.readLink(`/proc/${gateway.pid}/exe`);
  if (running !== await Deno.realPath(program)) throw new Error(`served by ${running}`);
});
await check("health answers its owner without a flag", async () => {
  expect(await run(owner, ["health"]), 0);
});
await check("a wrong token is refused by name", async () => {
  const url = ["--url", `wss://127.0.0.1:${port}`, "--tls-fingerprint", pin];
  expect(await run(nobody, ["health", ...url, "--token", "wrong"]), 1, "unauthorized");
});
await check("a second gateway on the same state directory is refused", async () => {
  expect(await run(owner, ["gateway", "run", "--port", String(freePort())]), 1, "already run");
});
const token = (await run(owner, ["config", "get", "gateway.auth.token", "--reveal"])).out.trim();
worker = await profile("node", { OPENCLAW_GATEWAY_TOKEN: token });
await check("a node with a wrong pin refuses the gateway", async () => {
  const wrong = (pin.startsWith("0") ? "1" : "0") + pin.slice(1);
  const stray = new Daemon(await profile("stray", { OPENCLAW_GATEWAY_TOKEN: token }), [
    ...["node", "run", "--host", "127.0.0.1", "--port", String(port), "--tls-fingerprint", wrong],
  ]);
  await stray.says(pin);
  await stray.stop();
});
await check("a node waits for approval and is live after one", async () => {
  node = startNode();
  await until("a pairing request", async () => {
    const { pending } = await json(owner, ["devices", "list"]);
    return pending.length > 0 ? true : undefined;
  });
  expect(await run(owner, ["devices", "approve", "--latest", "--yes"]), 0, NAME);
  await connected();
});
await check("a command nobody allowed is refused with the way to allow it", async () => {
  expect(await onNode(["/bin/echo", "hello"]), 126, "openclaw approvals resolve");
});
await check("an approval given elsewhere lets a waiting command run", async () => {
  const waiting = onNode(["/bin/echo", "approved at last"], ["--wait"]);
  const id = await until("a pending approval", async () => {
    const ended = await run(owner, ["approvals", "pending", "--json"]);
    const list = JSON.parse(ended.out);
    const all: Any[] = Array.isArray(list) ? list : list.pending ?? list.approvals ?? list.requests;
    return all.find((one) => JSON.stringify(one).includes("approved at last"))?.id as
      | string
      | undefined;
  });
  expect(await run(owner, ["approvals", "resolve", id, "allow-once"]), 0);
  expect(await waiting, 0, "approved at last");
});
await check("allowed programs run: output, exit code, stdin", async () => {
  for (const path of ["/usr/bin/echo", "/usr/bin/false", "/usr/bin/cat"]) {
    const real = await Deno.realPath(path);
    expect(await run(owner, ["approvals", "allowlist", "add", "--node", NAME, real]), 0);
  }
  const echo = await onNode(["/usr/bin/echo", "one", "two three"]);
  expect(echo, 0);
  if (echo.out !== "one two three\n") throw new Error(`stdout was ${JSON.stringify(echo.out)}`);
  expect(await onNode(["/usr/bin/false"]), 1);
  const input = new TextEncoder().encode("0123456789abcdef\n".repeat(20_000));
  const cat = await onNode(["/usr/bin/cat"], [], input);
  if (cat.out !== new TextDecoder().decode(input)) {
    throw new Error(`cat gave back ${cat.out.length} of ${input.length} bytes\n${cat.err}`);
  }
});
await check("output and stdin are live, in both directions", async () => {
  const cat = new Daemon(owner, ["nodes", "run", "--node", NAME, "--", "/usr/bin/cat"], "piped");
  for (const line of ["first\n", "second\n"]) {
    await cat.type(line); // nothing ends between the two: what comes back came while cat runs
    await cat.says(line);
  }
  await cat.endInput();
  if (await cat.ended() !== 0) throw new Error(cat.output);
});
await check("streams stay apart, the exit code is the command's, Ctrl-C ends it", async () => {
  const policy = join(root, "policy.json");
  const defaults = { security: "full", ask: "off" };
  await Deno.writeTextFile(policy, JSON.stringify({ version: 1, defaults, agents: {} }));
  expect(await run(owner, ["approvals", "set", "--node", NAME, "--file", policy]), 0);
  const ended = await onNode(["/bin/sh", "-c", "echo out; echo aside >&2; exit 42"]);
  expect(ended, 42);
  if (ended.out !== "out\n" || ended.err !== "aside\n") throw new Error(JSON.stringify(ended));
  const argv = ["nodes", "run", "--node", NAME, "--", "/bin/sh", "-c", "echo up; exec sleep 600"];
  const asleep = new Daemon(owner, argv);
  await asleep.says("up\n");
  const code = await asleep.stop("SIGINT");
  if (code !== 130) throw new Error(`exit code ${code}\n${asleep.output}`);
});
await check("a gateway killed with -9 comes back knowing its node", async () => {
  await gateway.stop("SIGKILL");
  gateway = new Daemon(owner, ["gateway", "run", "--tls"]);
  await connected();
  expect(await onNode(["/usr/bin/echo", "still here"]), 0, "still here");
});
await check("a removed device is out at once", async () => {
  const { paired } = await json(owner, ["devices", "list"]);
  const id = paired.find((one: Any) => JSON.stringify(one).includes(NAME)).deviceId;
  expect(await run(owner, ["devices", "remove", id]), 0);
  const ended = await onNode(["/usr/bin/echo", "x"]);
  if (ended.code === 0) throw new Error("the removed node still runs commands");
});
await check("node and gateway end cleanly and leave nothing running", async () => {
  await node?.stop();
  const code = await gateway.stop();
  if (code !== 0) throw new Error(`gateway: exit code ${code}\n${gateway.output.slice(-2000)}`);
  await until(
    "every process to be gone",
    () => Promise.resolve(leftovers() === 0 ? true : undefined),
  );
});
if (failed > 0) {
  console.log(`--- gateway ---\n${gateway.output.slice(-4000)}`);
  console.log(`--- node ---\n${node?.output.slice(-4000)}`);
}
await Deno.remove(root, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
