/** Tunnels where the account's ssh configuration, the state directory or its files are not what one hopes for. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { dirname, join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import { joinShared } from "../../src/remote/shared_tunnel.ts";
import { openTunnel } from "../../src/remote/tunnel.ts";
import { eventually } from "../e2e/program.ts";
import { processesWith } from "../support/sshd.ts";
import { type Scene, scene } from "./tunnel_scene.ts";

/** Adds lines to the block of the host. */
async function configure({ sshd }: Scene, lines: readonly string[]): Promise<void> {
  const text = lines.map((line) => `  ${line}\n`).join("");
  await Deno.writeTextFile(sshd.configFile, text, { append: true });
}

/** Opens an own and a shared tunnel, looks through them, and ends both. */
async function bothWays({ wish, around, sshd }: Scene): Promise<void> {
  const own = await openTunnel(wish, around);
  try {
    assertEquals(await around.probe(own.local, 2_000), "gateway");
  } finally {
    await own.stop();
  }
  assertEquals(await processesWith(sshd.configFile), [], "the own one left something");
  const shared = await joinShared(wish, around, 1);
  assertEquals(await around.probe(shared!.local, 2_000), "gateway");
  shared?.close();
  const endMs = performance.now() + 8_000;
  while ((await processesWith(sshd.configFile)).length > 0) {
    assert(performance.now() < endMs, "the shared one stays");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (shared?.local.kind !== "unix") throw new Error("expected a unix socket");
  const folder = dirname(shared.local.path);
  const isOurs = folder === around.tunnelsDir;
  const left = await Deno.lstat(isOurs ? shared.local.path : folder).catch(() => "gone");
  assertEquals(left, "gone");
}

const settings: [name: string, lines: (scene: Scene, port: number) => string[]][] = [
  ["a command and a terminal", () => ["RemoteCommand /bin/cat", "RequestTTY force"]],
  ["a local command that hangs", () => ["PermitLocalCommand yes", "LocalCommand sleep 100"]],
  ["another ssh to ride on", ({ dir }) => [
    "ControlMaster auto",
    `ControlPath ${dir}/master`,
    "ControlPersist yes",
  ]],
  ["forwards on a port that is taken", (_, port) => [
    `LocalForward 127.0.0.1:${port} 127.0.0.1:1`,
    `RemoteForward 127.0.0.1:${port} 127.0.0.1:1`,
    `DynamicForward 127.0.0.1:${port}`,
  ]],
  ["the background", () => ["ForkAfterAuthentication yes"]],
  ["silence about failures", () => ["LogLevel QUIET"]],
  ["all forwards cleared, questions allowed", () => ["BatchMode no", "GatewayPorts yes"]],
];
for (const [name, lines] of settings) {
  scene(
    `F24: an ssh configuration that asks for ${name} does not break a tunnel`,
    async (facts) => {
      using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      await configure(facts, lines(facts, (taken.addr as Deno.NetAddr).port));
      await bothWays(facts);
    },
  );
}

scene("F25: the reason of a failure is told under LogLevel QUIET, too", async (facts) => {
  await configure(facts, ["LogLevel QUIET"]);
  await Deno.writeTextFile(`${facts.sshd.dir}/authorized_keys`, "");
  const error = await assertRejects(() => openTunnel(facts.wish, facts.around), OpenclawError);
  assertEquals(error.code, "SSH_AUTH_FAILED", error.message);
});

scene(
  "F25: a key agent that never answers does not hang a command, and leaves no ssh",
  async (facts) => {
    const path = join(facts.dir, "agent");
    using agent = Deno.listen({ transport: "unix", path });
    const asked: Deno.Conn[] = [];
    const accepting = (async () => {
      for await (const conn of agent) asked.push(conn);
    })();
    const text = await Deno.readTextFile(facts.sshd.configFile);
    await Deno.writeTextFile(
      facts.sshd.configFile,
      text.replace("IdentityAgent none", `IdentityAgent ${path}`),
    );
    const wish = { ...facts.wish, readyMs: 1_500 };
    for (const open of [openTunnel, (w: typeof wish) => joinShared(w, facts.around, 30)]) {
      const error = await assertRejects(async () => await open(wish, facts.around), OpenclawError);
      assertEquals(error.code, "TUNNEL_NOT_READY");
      const endMs = performance.now() + 4_000;
      while ((await processesWith(facts.sshd.configFile)).length > 0) {
        assert(performance.now() < endMs, "ssh stays");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    assert(asked.length > 0, "the agent was asked");
    asked.forEach((conn) => conn.close());
    agent.close();
    await accepting;
  },
);

/** Starts the daemon again with more lines in its configuration. */
async function reconfigure({ sshd }: Scene, lines: readonly string[]): Promise<void> {
  await sshd.kill();
  const file = join(sshd.dir, "sshd_config");
  await Deno.writeTextFile(file, lines.map((line) => `${line}\n`).join(""), { append: true });
  await sshd.start();
}

scene(
  "F25: a host that refuses forwards is told apart from a gateway that is off",
  async (facts) => {
    await reconfigure(facts, ["AllowTcpForwarding no"]);
    for (const open of [openTunnel, (w: Scene["wish"]) => joinShared(w, facts.around, 30)]) {
      const error = await assertRejects(
        async () => await open(facts.wish, facts.around),
        OpenclawError,
      );
      assertEquals(error.code, "SSH_FORWARD_REFUSED", error.message);
      assertMatch(error.hint ?? "", /sshd -T/);
      await eventually(
        "no ssh is left",
        async () => (await processesWith(facts.sshd.configFile)).length === 0,
        20_000,
      );
    }
  },
);

scene(
  "F25: what a host says to everybody is not taken for the reason of a failure",
  async (facts) => {
    const banner = join(facts.sshd.dir, "banner");
    const words = [
      "Host key verification failed",
      "Permission denied without a passphrase",
      "timed out",
    ];
    await Deno.writeTextFile(
      banner,
      [...words, ...Array(40).fill("Authorized use only."), ""].join("\n"),
    );
    await reconfigure(facts, [`Banner ${banner}`]);
    await bothWays(facts);
    await Deno.writeTextFile(`${facts.sshd.dir}/authorized_keys`, "");
    const error = await assertRejects(() => openTunnel(facts.wish, facts.around), OpenclawError);
    assertEquals(error.code, "SSH_AUTH_FAILED", error.message);
  },
);

scene("F25: a host that accepts and says nothing is given up, and named", async (facts) => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  const accepted = silent.accept();
  const text = await Deno.readTextFile(facts.sshd.configFile);
  await Deno.writeTextFile(facts.sshd.configFile, text.replace(/Port \d+/, `Port ${port}`));
  const error = await assertRejects(() => openTunnel(facts.wish, facts.around), OpenclawError);
  assertEquals(error.code, "SSH_UNREACHABLE", error.message);
  (await accepted).close();
});

const folders: [name: string, path: string][] = [
  ["that is too long for a socket", "x".repeat(120)],
  ["with a blank and quotes", `a "b" 'c'`],
  ["with a colon, where -L would end its address", "a:b"],
  ["with percent and dollar signs, which ssh expands", "50%h ${HOME} %n"],
  ["with a line break", "a\nb"],
];
for (const [name, path] of folders) {
  scene(`N37: a state directory ${name} gives a tunnel all the same`, async (facts) => {
    const tunnelsDir = join(facts.dir, path);
    await bothWays({ ...facts, around: { ...facts.around, tunnelsDir } });
    const tunnel = await openTunnel(
      { ...facts.wish, socketName: "gateway.sock" },
      { ...facts.around, tunnelsDir },
    );
    if (tunnel.local.kind !== "unix") throw new Error("expected a unix socket");
    const folder = join(tunnel.local.path, "..");
    assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o700);
    await tunnel.stop();
    if (folder !== tunnelsDir) {
      assertEquals(await Deno.stat(folder).catch(() => "gone"), "gone");
    }
  });
}

/** Greets as a gateway does, from a socket that is not ours. */
function impostor(path: string): Deno.HttpServer {
  return Deno.serve({ path, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => socket.send('{"type":"event","event":"connect.challenge"}');
    return response;
  });
}

scene(
  "F24: somebody who listens at the tunnel's socket is not taken for the gateway",
  async (facts) => {
    const { wish, around, sshd } = facts;
    await Deno.mkdir(around.tunnelsDir, { mode: 0o700 });
    const server = impostor(join(around.tunnelsDir, "gateway.sock"));
    await Deno.writeTextFile(`${sshd.dir}/authorized_keys`, "");
    const named = { ...wish, socketName: "gateway.sock" };
    const error = await assertRejects(() => openTunnel(named, around), OpenclawError);
    assertEquals(error.code, "SSH_AUTH_FAILED");
    await server.shutdown();
  },
);

for (const kind of ["file", "folder"] as const) {
  scene(
    `F24: a ${kind} at the tunnel's socket is left alone and named`,
    async ({ wish, around }) => {
      const path = join(around.tunnelsDir, "gateway.sock");
      await Deno.mkdir(kind === "file" ? around.tunnelsDir : path, { recursive: true });
      if (kind === "file") await Deno.writeTextFile(path, "mine");
      const named = { ...wish, socketName: "gateway.sock" };
      const error = await assertRejects(() => openTunnel(named, around), OpenclawError);
      assertEquals(error.code, "SSH_LOCAL_END_TAKEN");
      assert(await Deno.lstat(path));
    },
  );
}

scene(
  "N40: a folder for sockets that others can write is tightened before it is used",
  async (facts) => {
    const { tunnelsDir } = facts.around;
    await Deno.mkdir(tunnelsDir);
    await Deno.chmod(tunnelsDir, 0o777);
    const tunnel = await openTunnel(facts.wish, facts.around);
    assertEquals((await Deno.stat(tunnelsDir)).mode! & 0o777, 0o700);
    await tunnel.stop();
  },
);
