/**
 * Starts and stops what is measured, the floor programs and the real gateway and node, each as its own
 * process, and reads what they cost (Linux only: `/proc`).
 */
import { fromFileUrl, join } from "@std/path";
import { V8_FLAGS } from "../../.ci/v8_flags.ts";
import { makeCertificate } from "../../src/identity/certificate.ts";

/** A running server under measurement. */
export interface Server {
  readonly name: string;
  readonly url: string;
  readonly token: string | undefined;
  /** The whole environment of its profile, for commands against it. */
  readonly env: Record<string, string>;
  readonly pid: number;
  stop(): Promise<void>;
}

/** How our own program is started: sources under this deno, or the executable. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
}

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const FLOOR = join(ROOT, "tests", "bench", "floor");
const READY_MS = 15_000;

/** Our program from its sources. */
export const SOURCES: Program = {
  file: Deno.execPath(),
  args: ["run", "-A", "--no-check", V8_FLAGS, join(ROOT, "main.ts")],
};

/** Processor time used so far by a process, milliseconds. */
export function cpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory of a process, bytes. */
export function rssBytes(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]) * 4096;
}

/** A TCP port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

function basicEnv(): Record<string, string> {
  const { PATH, HOME, DENO_DIR, XDG_CACHE_HOME } = Deno.env.toObject();
  const env: Record<string, string> = { PATH: PATH ?? "", NO_COLOR: "1" };
  if (DENO_DIR ?? HOME) {
    env["DENO_DIR"] = DENO_DIR ?? join(XDG_CACHE_HOME ?? join(HOME!, ".cache"), "deno");
  }
  return env;
}

async function stopChild(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch { /* It had ended by itself. */ }
  const late = setTimeout(() => child.kill("SIGKILL"), 5000);
  await child.status;
  clearTimeout(late);
}

/** The floor relay. */
export async function startRelay(options: { tls?: boolean; check?: boolean }): Promise<Server> {
  const folder = await Deno.makeTempDir({ prefix: "openclaw-bench-" });
  const args = ["run", "-A", "--no-check", V8_FLAGS, join(FLOOR, "relay.ts")];
  if (options.tls) {
    const now = Date.now();
    const made = await makeCertificate({
      commonName: "bench",
      sans: ["127.0.0.1"],
      notBeforeMs: now - 3_600_000,
      notAfterMs: now + 86_400_000,
    });
    await Deno.writeTextFile(join(folder, "cert.pem"), made.certPem);
    await Deno.writeTextFile(join(folder, "key.pem"), made.keyPem);
    args.push("--tls", join(folder, "cert.pem"), join(folder, "key.pem"));
  }
  if (options.check) args.push("--check");
  const env = basicEnv();
  const child = spawn({ file: Deno.execPath(), args }, [], env);
  const port = Number(await firstLine(child));
  return {
    name: "relay",
    url: `${options.tls ? "wss" : "ws"}://127.0.0.1:${port}`,
    token: undefined,
    env,
    pid: child.pid,
    stop: async () => {
      await stopChild(child);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Our gateway on a fresh state directory that approves nodes of this machine by itself. */
export async function startGateway(
  options: { tls?: boolean; program?: Program },
): Promise<Server> {
  const folder = await Deno.makeTempDir({ prefix: "openclaw-bench-" });
  const token = "bench-token-0123456789abcdef0123456789";
  const port = freePort();
  const config = {
    gateway: {
      port,
      auth: { mode: "token", token },
      nodes: { pairing: { autoApproveLocal: true } },
      ...(options.tls ? { tls: { enabled: true } } : {}),
    },
    discovery: { mdns: { mode: "off" } },
  };
  await Deno.writeTextFile(join(folder, "openclaw.json"), JSON.stringify(config), { mode: 0o600 });
  const env = {
    ...basicEnv(),
    HOME: folder,
    OPENCLAW_STATE_DIR: folder,
    OPENCLAW_GATEWAY_TOKEN: token,
    // One machine plays every peer: its address has as many unauthenticated sockets as it dials at once.
    OPENCLAW_MAX_PREAUTH_CONNECTIONS_PER_IP: "512",
  };
  const child = spawn(options.program ?? SOURCES, ["gateway", "run"], env);
  await listening(port, child);
  return {
    name: "gateway",
    url: `${options.tls ? "wss" : "ws"}://127.0.0.1:${port}`,
    token,
    env,
    pid: child.pid,
    stop: async () => {
      await stopChild(child);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A node process connected to `server`: ours, or the floor's bare spawner. */
export async function startNode(
  server: Server,
  program: Program = SOURCES,
): Promise<{ pid: number; nodeId: string; stop(): Promise<void> }> {
  if (server.name === "relay") {
    const args = ["run", "-A", "--no-check", V8_FLAGS, join(FLOOR, "spawn_node.ts"), server.url];
    const child = spawn({ file: Deno.execPath(), args }, [], basicEnv());
    return { pid: child.pid, nodeId: await firstLine(child), stop: () => stopChild(child) };
  }
  const folder = await Deno.makeTempDir({ prefix: "openclaw-bench-" });
  const env = { ...server.env, HOME: folder, OPENCLAW_STATE_DIR: folder };
  const approvals = { version: 1, defaults: { security: "full", ask: "off" }, agents: {} };
  await Deno.writeTextFile(join(folder, "exec-approvals.json"), JSON.stringify(approvals), {
    mode: 0o600,
  });
  const url = new URL(server.url);
  const child = spawn(program, ["node", "run", "--host", url.hostname, "--port", url.port], env);
  const nodeId = await deviceIdIn(join(folder, "identity", "device.json"), child);
  return {
    pid: child.pid,
    nodeId,
    stop: async () => {
      await stopChild(child);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function spawn(program: Program, args: string[], env: Record<string, string>): Deno.ChildProcess {
  return new Deno.Command(program.file, {
    args: [...program.args, ...args],
    clearEnv: true,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: Deno.env.get("BENCH_VERBOSE") ? "inherit" : "null",
  }).spawn();
}

/** First line a child prints; the rest is read and dropped so that it never blocks. */
async function firstLine(child: Deno.ChildProcess): Promise<string> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`A floor program ended before it was ready: "${text}"`);
    text += value;
  }
  void (async () => {
    while (!(await reader.read()).done);
  })();
  return text.slice(0, text.indexOf("\n"));
}

/** Waits until the port accepts, drops what the child prints. */
export async function listening(port: number, child: Deno.ChildProcess): Promise<void> {
  void child.stdout.pipeTo(new WritableStream());
  let ended = false;
  void child.status.then(() => ended = true);
  const until = performance.now() + READY_MS;
  while (performance.now() < until && !ended) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      // Nobody listens yet.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  throw new Error(`Nothing listens on port ${port}${ended ? ": the program ended" : ""}`);
}

async function deviceIdIn(path: string, child: Deno.ChildProcess): Promise<string> {
  void child.stdout.pipeTo(new WritableStream());
  const until = performance.now() + READY_MS;
  while (performance.now() < until) {
    try {
      return JSON.parse(await Deno.readTextFile(path)).deviceId;
    } catch {
      // Not written yet.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  throw new Error(`No device identity at "${path}"`);
}
