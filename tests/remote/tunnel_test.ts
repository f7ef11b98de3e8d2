/** Tunnels through a real sshd to a socket that greets as a gateway does. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import type { TunnelState } from "../../src/remote/keep_tunnel.ts";
import { openTunnel } from "../../src/remote/tunnel.ts";
import { eventually } from "../e2e/program.ts";
import { processesWith } from "../support/sshd.ts";
import { kept, killRounds, scene, sshOf } from "./tunnel_scene.ts";

/** How soon a tunnel is back: 3 s, and room for a machine that does much else. */
const BACK_MS = 8_000;

scene(
  "openTunnel() gives a 0600 unix socket through which the gateway greets",
  async ({ wish, around }) => {
    const tunnel = await openTunnel(wish, around);
    try {
      if (tunnel.local.kind !== "unix") throw new Error("expected a unix socket");
      assertEquals((await Deno.stat(tunnel.local.path)).mode! & 0o777, 0o600);
      assertEquals(await around.probe(tunnel.local, 2000), "gateway");
    } finally {
      await tunnel.stop();
    }
  },
);

scene("openTunnel() can bind a fixed loopback port", async ({ wish, around }) => {
  using spare = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const localPort = (spare.addr as Deno.NetAddr).port;
  spare.close();
  const tunnel = await openTunnel({ ...wish, localPort }, around);
  assertEquals(tunnel.local, { kind: "port", port: localPort });
  await tunnel.stop();
});

scene("F24: a taken local port is named", async ({ wish, around, gatewayPort }) => {
  const error = await assertRejects(
    () => openTunnel({ ...wish, localPort: gatewayPort }, around),
    OpenclawError,
  );
  assertEquals(error.code, "SSH_LOCAL_END_TAKEN");
  assertStringIncludes(error.message, `process ${Deno.pid} (`);
});

scene(
  "a tunnel to a port without a gateway says that ssh works and the gateway does not",
  async ({ wish, around }) => {
    const error = await assertRejects(
      () => openTunnel({ ...wish, remotePort: 1 }, around),
      OpenclawError,
    );
    assertEquals(error.code, "TUNNEL_NO_GATEWAY");
  },
);

scene("N38: a changed host key stops the tunnel and says so", async ({ sshd, wish, around }) => {
  await sshd.kill();
  await sshd.changeHostKey();
  await sshd.start();
  const error = await assertRejects(() => openTunnel(wish, around), OpenclawError);
  assertEquals(error.code, "SSH_HOST_KEY_CHANGED");
});

scene("N38: an unknown host key is refused in batch mode", async ({ sshd, wish, around }) => {
  await Deno.writeTextFile(join(sshd.dir, "known_hosts"), "");
  const error = await assertRejects(() => openTunnel(wish, around), OpenclawError);
  assertEquals(error.code, "SSH_HOST_KEY_UNKNOWN");
});

scene("F25: a host that wants a password does not hang", async ({ sshd, wish, around }) => {
  await Deno.writeTextFile(join(sshd.dir, "authorized_keys"), "");
  const error = await assertRejects(() => openTunnel(wish, around), OpenclawError);
  assertEquals(error.code, "SSH_AUTH_FAILED");
});

scene("a host that is down is named", async ({ sshd, wish, around }) => {
  await sshd.kill();
  const error = await assertRejects(() => openTunnel(wish, around), OpenclawError);
  assertEquals(error.code, "SSH_UNREACHABLE");
});

scene(
  "F24: ssh killed 20 times is back in time each time, with no stray process",
  (facts) => killRounds(facts, 20),
);

scene("F24: a frozen ssh is noticed and replaced", async (facts) => {
  const { watcher, stop } = kept(facts);
  try {
    const { pid } = await watcher.until("open", (s) => s.tunnel === "open");
    Deno.kill(await sshOf(facts), "SIGSTOP");
    const down = await watcher.until("noticed", (s) => s.tunnel === "down", 15_000);
    assertEquals(down.lastError?.code, "TUNNEL_FROZEN");
    await watcher.until("open again", (s) => s.tunnel === "open" && s.pid !== pid, BACK_MS);
  } finally {
    await stop();
  }
});

scene(
  "F24: where the local end is a port, one that somebody took meanwhile is given up for another",
  async (facts) => {
    // Systems without unix sockets for ssh; everything else is the same.
    const { watcher, stop } = kept({ ...facts, around: { ...facts.around, platform: "windows" } });
    const portOf = (state: TunnelState) => state.local?.kind === "port" ? state.local.port : 0;
    let thief: Deno.Listener | undefined;
    try {
      const first = portOf(await watcher.until("open", (s) => s.tunnel === "open"));
      // The gateway's own port is taken here by the gateway.
      assertEquals(first > 0 && first !== facts.gatewayPort, true);
      Deno.kill(await sshOf(facts), "SIGKILL");
      await watcher.until("down", (s) => s.tunnel === "down");
      thief = Deno.listen({ hostname: "127.0.0.1", port: first });
      const moved = await watcher.until("open again", (s) => s.tunnel === "open", BACK_MS);
      assertEquals(portOf(moved) > 0 && portOf(moved) !== first, true);
    } finally {
      thief?.close();
      await stop();
    }
  },
);

scene("F24: a host that was away is back within 3 s of its return", async (facts) => {
  const { watcher, stop } = kept(facts);
  try {
    await watcher.until("open", (s) => s.tunnel === "open");
    await facts.sshd.kill();
    await watcher.until("down", (s) => s.tunnel === "down");
    await watcher.until("refused", (s) => s.lastError?.code === "SSH_UNREACHABLE");
    await facts.sshd.start();
    await watcher.until("open again", (s) => s.tunnel === "open", BACK_MS);
  } finally {
    await stop();
  }
});

for (
  const [name, folder] of [["", "t"], [", and the folder in its place", "x".repeat(120)]] as const
) {
  scene(
    `N37, F24: the parent killed with -9 takes its ssh and its socket along${name}`,
    async ({ sshd, dir, gatewayPort }) => {
      const parent = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", new URL("./tunnel_parent.ts", import.meta.url).pathname],
        env: {
          TUNNEL_CONFIG: sshd.configFile,
          TUNNEL_PORT: String(gatewayPort),
          TUNNEL_DIR: join(dir, folder),
        },
        stdin: "null",
        stdout: "piped",
      }).spawn();
      const reader = parent.stdout.getReader();
      const [word, socket] = new TextDecoder().decode((await reader.read()).value).trim().split(
        " ",
      );
      assertEquals(word, "open");
      assertEquals((await Deno.lstat(socket!)).isSocket, true);
      assertEquals((await processesWith(sshd.configFile)).length >= 1, true);
      parent.kill("SIGKILL");
      await parent.status;
      await reader.cancel();
      await eventually(
        "no ssh and no guard",
        async () => (await processesWith(sshd.configFile)).length === 0,
        20_000,
      );
      const gone = folder === "t" ? socket! : dirname(socket!);
      assertEquals(await Deno.lstat(gone).catch(() => "gone"), "gone");
    },
  );
}
