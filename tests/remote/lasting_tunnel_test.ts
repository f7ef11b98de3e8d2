/** Which commands ride on the account's lasting tunnel, through a real sshd whose log counts the logins. */
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type UsedTunnel, useTunnel } from "../../src/cli/connect/tunnel_for.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { ensureDir } from "../../src/platform/files.ts";
import { keepTunnel } from "../../src/remote/keep_tunnel.ts";
import { writeRecord } from "../../src/remote/tunnel_record.ts";
import { type Scene, scene, Watcher } from "./tunnel_scene.ts";

/** Keeps a tunnel to `gw` as `tunnel run` does while `body` runs; hands out its socket. */
async function withLasting(facts: Scene, body: (path: string) => Promise<void>): Promise<void> {
  await ensureDir(facts.around.tunnelsDir);
  const stop = new AbortController();
  const watcher = new Watcher();
  const done = keepTunnel({
    wish: { ...facts.wish, socketName: "gateway.sock" },
    around: facts.around,
    log: silentLogger,
    signal: stop.signal,
    onState: async (state) => {
      const { remotePort } = facts.wish;
      await writeRecord(facts.around.tunnelsDir, { target: "gw", remotePort, state });
      watcher.onState(state);
    },
  });
  try {
    await watcher.until("open", (state) => state.tunnel === "open");
    await body(join(facts.around.tunnelsDir, "gateway.sock"));
  } finally {
    stop.abort();
    await done;
  }
}

/** A command's tunnel; one of its own when it does not ride on the lasting one. */
function used(
  facts: Scene,
  more: {
    readonly sshTarget?: string;
    readonly sshHostKeyPolicy?: "openssh";
    readonly sshIdentity?: string;
  } = {},
): Promise<UsedTunnel> {
  const { around, gatewayPort: remotePort, sshd } = facts;
  return useTunnel({
    tunnel: {
      sshTarget: "gw",
      sshIdentity: undefined,
      sshHostKeyPolicy: "strict",
      remotePort,
      ...more,
    },
    url: "ws://127.0.0.1",
    pin: undefined,
    home: facts.dir,
    tunnelsDir: around.tunnelsDir,
    timeoutMs: 10_000,
    shareSeconds: 0,
  }, { ...around.env, OPENCLAW_SSH_CONFIG: sshd.configFile });
}

scene(
  "a command rides on the lasting tunnel to its place, whichever key opened that",
  (facts) =>
    withLasting(facts, async (path) => {
      for (const more of [{}, { sshIdentity: `${facts.sshd.dir}/login_key` }]) {
        const tunnel = await used(facts, more);
        assertEquals(tunnel.dial.unixPath, path);
        await tunnel.close();
      }
      assertEquals(await facts.sshd.logins(), 1);
    }),
);

scene(
  "N38: another user or another rule for host keys at the same target is another tunnel",
  (facts) =>
    withLasting(facts, async (path) => {
      const stranger = () => used(facts, { sshTarget: "nobody-here@gw" });
      assertEquals((await assertRejects(stranger, OpenclawError)).code, "SSH_AUTH_FAILED");
      const laxer = await used(facts, { sshHostKeyPolicy: "openssh" });
      assertEquals(laxer.dial.unixPath === path, false);
      await laxer.close();
    }),
);

scene(
  "N38: an alias that leads elsewhere now does not ride on the lasting tunnel",
  (facts) =>
    withLasting(facts, async () => {
      const text = await Deno.readTextFile(facts.sshd.configFile);
      const moved = text.replace("HostName 127.0.0.1", "HostName ::1");
      await Deno.writeTextFile(facts.sshd.configFile, moved);
      const error = await assertRejects(() => used(facts), OpenclawError);
      assertEquals(error.code, "SSH_UNREACHABLE", error.message);
      await Deno.writeTextFile(facts.sshd.configFile, text);
      await (await used(facts)).close();
      assertEquals(await facts.sshd.logins(), 1);
    }),
);
