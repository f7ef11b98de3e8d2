/** F01 with whole gateways: killed in the middle of pairing work, restarted, asked. Rounds: OPENCLAW_TEST_GATEWAY_KILLS, default 8. */
import { assert, assertEquals } from "@std/assert";
import { ALL, type ConnectOptions, nodeOptions, ScriptedPeer, TOKEN } from "./world.ts";

const ROUNDS = Number(Deno.env.get("OPENCLAW_TEST_GATEWAY_KILLS") ?? "8");
const CHILD = new URL("./gateway_child.ts", import.meta.url).pathname;

/** What was acknowledged; written down the moment the answer arrived. */
interface Acknowledged {
  readonly paired: Set<string>;
  readonly removed: Set<string>;
  readonly waiting: Set<string>;
  /** A removal was sent whose answer never came: either state is right. */
  readonly open: Set<string>;
}

async function startChild(stateDir: string) {
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
  return {
    url: text.trim(),
    startMs: performance.now() - startedMs,
    async kill() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

/** Pairs, approves, rotates and removes until the gateway is gone. */
async function work(url: string, firstKey: number, done: Acknowledged): Promise<void> {
  const open = (options: ConnectOptions) => ScriptedPeer.open(url, options);
  try {
    const operator = await open({ scopes: ALL });
    for (let key = firstKey; key < firstKey + 20; key++) {
      const knock = await open(nodeOptions(key));
      const { requestId, deviceId } = knock.hello.error.details;
      done.waiting.add(deviceId);
      done.removed.delete(deviceId);
      await operator.call("device.pair.approve", { requestId });
      done.paired.add(deviceId);
      done.waiting.delete(deviceId);
      await operator.call("device.token.rotate", { deviceId, role: "node" });
      if (key % 3 !== 0) continue;
      done.open.add(deviceId);
      await operator.call("device.pair.remove", { deviceId });
      done.removed.add(deviceId);
      done.paired.delete(deviceId);
      done.open.delete(deviceId);
    }
  } catch {
    // The gateway was killed under us; what was acknowledged is in `done`.
  }
}

Deno.test("F01: a gateway killed at any moment of pairing work comes back with everything it acknowledged", async () => {
  const stateDir = await Deno.makeTempDir({ prefix: "openclaw-kill-" });
  await Deno.writeTextFile(
    `${stateDir}/openclaw.json`,
    JSON.stringify({ gateway: { auth: { mode: "token", token: TOKEN } } }),
    { mode: 0o600 },
  );
  const done: Acknowledged = {
    paired: new Set(),
    removed: new Set(),
    waiting: new Set(),
    open: new Set(),
  };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const child = await startChild(stateDir);
      const working = work(child.url, 1 + (round * 20) % 230, done);
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 150));
      await child.kill();
      await working;
      const again = await startChild(stateDir);
      assert(again.startMs < 10_000, `start took ${again.startMs} ms`);
      const operator = await ScriptedPeer.open(again.url, { scopes: ALL });
      const { paired, pending } = await operator.call("device.pair.list");
      const ids = new Set(paired.map((d: { deviceId: string }) => d.deviceId));
      for (const id of done.paired) assert(ids.has(id) || done.open.has(id), `lost ${id}`);
      for (const id of done.removed) assert(!ids.has(id) || done.paired.has(id), `back: ${id}`);
      const waits = new Set(pending.map((r: { deviceId: string }) => r.deviceId));
      for (const id of done.waiting) assert(waits.has(id) || ids.has(id), `request lost ${id}`);
      await operator.close();
      await again.kill();
      done.waiting.clear();
      for (const id of done.open) {
        if (!ids.has(id)) done.paired.delete(id);
      }
      done.open.clear();
    }
    assertEquals(done.paired.size > 0, true);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});
