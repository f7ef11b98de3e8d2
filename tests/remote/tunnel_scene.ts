/** A tunnel through a real sshd to a socket that greets as a gateway does, and what happens to it when ssh is killed. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { silentLogger } from "../../src/lib/log.ts";
import { keepTunnel, type TunnelState } from "../../src/remote/keep_tunnel.ts";
import { probeTunnel } from "../../src/remote/probe_tunnel.ts";
import { parseSshTarget } from "../../src/remote/ssh_target.ts";
import {
  sshEnvironment,
  type TunnelSurroundings,
  type TunnelWish,
} from "../../src/remote/tunnel.ts";
import { processesWith, sshdMissing, startSshd, type TestSshd } from "../support/sshd.ts";

/** Answers every connection with an upgrade and a challenge. */
export function greeter(): { port: number; close(): Promise<void> } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () =>
      socket.send(
        JSON.stringify({
          type: "event",
          event: "connect.challenge",
          payload: { nonce: "n", ts: 1 },
        }),
      );
    socket.onerror = () => {};
    return response;
  });
  return { port: (server.addr as Deno.NetAddr).port, close: () => server.shutdown() };
}

/** What a test of tunnels gets. */
export interface Scene {
  readonly sshd: TestSshd;
  readonly dir: string;
  readonly gatewayPort: number;
  readonly wish: TunnelWish;
  readonly around: TunnelSurroundings;
}

/** One test with an sshd and a greeting port of its own; no ssh may be left after it. */
export function scene(name: string, body: (scene: Scene) => Promise<void>): void {
  // ssh is a real process tree; leaks of ours are still checked.
  Deno.test(name, async () => {
    const missing = await sshdMissing();
    if (missing) return console.log(`skipped: ${missing}`);
    const sshd = await startSshd();
    const dir = await Deno.makeTempDir({ prefix: "tun" });
    const gateway = greeter();
    const wish: TunnelWish = {
      target: parseSshTarget("gw"),
      remotePort: gateway.port,
      hostKeyPolicy: "strict",
      configFile: sshd.configFile,
    };
    const around: TunnelSurroundings = {
      platform: "linux",
      sshPath: "/usr/bin/ssh",
      env: sshEnvironment(Deno.env.toObject()),
      tunnelsDir: join(dir, "t"),
      probe: probeTunnel({ url: "ws://127.0.0.1" }),
    };
    try {
      await body({ sshd, dir, gatewayPort: gateway.port, wish, around });
      assertEquals(await processesWith(sshd.configFile), [], "no stray ssh");
    } finally {
      await gateway.close();
      await sshd.close();
      await Deno.remove(dir, { recursive: true });
    }
  });
}

/** Collects states and waits for one. */
export class Watcher {
  last: TunnelState | undefined;
  #wake: (() => void)[] = [];
  readonly onState = (state: TunnelState) => {
    this.last = state;
    this.#wake.splice(0).forEach((wake) => wake());
  };
  async until(
    what: string,
    test: (state: TunnelState) => boolean,
    withinMs = 20_000,
  ): Promise<TunnelState> {
    const deadline = performance.now() + withinMs;
    while (!(this.last && test(this.last))) {
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new Error(`not ${what} within ${withinMs} ms: ${JSON.stringify(this.last)}`);
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
    return this.last;
  }
}

/** A tunnel that is kept open until `stop`. */
export function kept(facts: Scene) {
  const stop = new AbortController();
  const watcher = new Watcher();
  const done = keepTunnel({
    wish: facts.wish,
    around: facts.around,
    log: silentLogger,
    signal: stop.signal,
    onState: watcher.onState,
  });
  return { watcher, stop: () => (stop.abort(), done) };
}

/** The one ssh of a scene. */
export async function sshOf(facts: Scene): Promise<number> {
  const found = (await processesWith(facts.sshd.configFile)).filter((p) =>
    p.command.startsWith("/usr/bin/ssh")
  );
  assertEquals(found.length, 1, "exactly one ssh");
  return found[0]!.pid;
}

/** Kills the ssh of a kept tunnel again and again; each time it has to be open again soon (F24). */
export async function killRounds(facts: Scene, rounds: number): Promise<void> {
  const { watcher, stop } = kept(facts);
  try {
    const backMs: number[] = [];
    let pid = (await watcher.until("open", (s) => s.tunnel === "open")).pid;
    for (let round = 0; round < rounds; round++) {
      Deno.kill(await sshOf(facts), "SIGKILL");
      const startMs = performance.now();
      const before = pid;
      const again = await watcher.until(
        "open again",
        (s) => s.tunnel === "open" && s.pid !== before,
      );
      pid = again.pid;
      backMs.push(performance.now() - startMs);
    }
    backMs.sort((a, b) => a - b);
    const p95 = backMs[Math.floor(backMs.length * 0.95)] ?? 0;
    const [least, most] = [backMs[0] ?? 0, backMs.at(-1) ?? 0].map(Math.round);
    console.log(`${rounds} kills: back after ${least}..${most} ms, p95 ${Math.round(p95)} ms`);
    assertEquals(p95 <= 3000, true, `p95 is ${p95} ms`);
  } finally {
    await stop();
  }
}
