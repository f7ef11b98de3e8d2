/** A gateway in its own process on a state directory that outlives it, to be killed at any instant and started again. */
import { type ConnectOptions, ScriptedPeer, TOKEN } from "../world.ts";

const CHILD = new URL("./gateway_child.ts", import.meta.url).pathname;

/** One running gateway process. */
export interface KillableGateway {
  readonly url: string;
  readonly pid: number;
  /** From exec to listening, milliseconds. */
  readonly startMs: number;
  connect(options: ConnectOptions): Promise<ScriptedPeer>;
  /** SIGKILL; resolves when the process and the sockets of {@linkcode connect} are gone. */
  kill(): Promise<void>;
}

/** Makes a state directory with a token, runs `test`, removes it. */
export async function withStateDir(test: (stateDir: string) => Promise<void>): Promise<void> {
  const stateDir = await Deno.makeTempDir({ prefix: "openclaw-kill-" });
  try {
    const config = { gateway: { auth: { mode: "token", token: TOKEN } } };
    await Deno.writeTextFile(`${stateDir}/openclaw.json`, JSON.stringify(config), { mode: 0o600 });
    await test(stateDir);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
}

/** Starts a gateway on this state. */
export async function startKillable(stateDir: string): Promise<KillableGateway> {
  const startedMs = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CHILD, stateDir],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the gateway did not start: ${(await child.status).code}`);
    text += value;
  }
  const url = text.trim();
  const peers: ScriptedPeer[] = [];
  return {
    url,
    pid: child.pid,
    startMs: performance.now() - startedMs,
    async connect(options) {
      const peer = await ScriptedPeer.open(url, options);
      peers.push(peer);
      return peer;
    },
    async kill() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      await Promise.all(peers.map((peer) => peer.closed()));
    },
  };
}
