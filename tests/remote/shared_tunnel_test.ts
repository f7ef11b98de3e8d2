/** One ssh for several commands, through a real sshd whose log counts the logins. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { joinShared, listShared } from "../../src/remote/shared_tunnel.ts";
import type { LocalEnd } from "../../src/remote/ssh_args.ts";
import { processesWith } from "../support/sshd.ts";
import { type Scene, scene, sshOf } from "./tunnel_scene.ts";

const PARENT = new URL("./tunnel_parent.ts", import.meta.url).pathname;
/** Short enough to wait for. */
const IDLE_SECONDS = 1;
/** Long enough to tell it from the end after a crash. */
const LONGER_SECONDS = 4;
/** Idle time of a test that is about something else: nothing ends by it. */
const NEVER_SECONDS = 600;
/** When nothing of a crashed command may be left: 2 s of grace and much room for a busy machine. */
const CRASH_MS = 20_000;

const join = ({ wish, around }: Scene, more = {}, idleSeconds = IDLE_SECONDS) =>
  joinShared({ ...wish, ...more }, around, idleSeconds);

/** A command that came and went. */
async function used(facts: Scene, idleSeconds = LONGER_SECONDS): Promise<LocalEnd | undefined> {
  const shared = await join(facts, {}, idleSeconds);
  shared?.close();
  return shared?.local;
}

/** Waits until every ssh of the scene has ended by itself. */
async function idledOut({ sshd }: Scene, withinMs = 20_000): Promise<number> {
  const startMs = performance.now();
  while ((await processesWith(sshd.configFile)).length > 0) {
    assert(performance.now() - startMs < withinMs, "ssh stays");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return performance.now() - startMs;
}

scene(
  "F24: two commands after each other cost one login, and ssh ends by itself",
  async (facts) => {
    const first = await used(facts);
    const second = await used(facts);
    const doneMs = performance.now();
    assertEquals(first, second);
    assertEquals(await facts.sshd.logins(), 1);
    const [record] = await listShared(facts.around.tunnelsDir);
    assertEquals([record?.target, record?.idleSeconds], ["gw", LONGER_SECONDS]);
    if (first?.kind !== "unix") throw new Error("expected a unix socket");
    assertEquals((await Deno.stat(first.path)).mode! & 0o777, 0o600);
    await idledOut(facts);
    const leftMs = performance.now() - doneMs;
    assert(leftMs > 3_000, `the next command had only ${leftMs} ms`);
    assertEquals(await listShared(facts.around.tunnelsDir), []);
    assertEquals(await socketsLeft(facts), []);
  },
);

scene("F24: ssh stays as long as somebody uses it, also without traffic", async (facts) => {
  const long = await join(facts);
  (await join(facts))?.close();
  // Longer than every time that could end it.
  const endMs = performance.now() + 3_500;
  while (performance.now() < endMs) {
    await sshOf(facts);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  long?.close();
  await idledOut(facts);
});

scene("commands started together share one login, too", async (facts) => {
  const all = await Promise.all(Array.from({ length: 5 }, () => join(facts)));
  assertEquals(new Set(all.map((shared) => JSON.stringify(shared?.local))).size, 1);
  assertEquals(await facts.sshd.logins(), 1);
  for (const shared of all) shared?.close();
  await idledOut(facts);
});

/** What lies in the folder of tunnels beside records and their locks: sockets, leases, what ssh said. */
async function socketsLeft({ around }: Scene): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(around.tunnelsDir))).map((e) => e.name);
  return names.filter((name) => !/^shared-.*\.(json|lock)$/.test(name));
}

/** A process of its own that uses the shared tunnel until it is killed. */
async function otherCommand(facts: Scene): Promise<{ crash(): Promise<void> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", PARENT],
    env: {
      TUNNEL_CONFIG: facts.sshd.configFile,
      TUNNEL_PORT: String(facts.gatewayPort),
      TUNNEL_DIR: facts.around.tunnelsDir,
      TUNNEL_SHARE_SECONDS: String(NEVER_SECONDS),
    },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  assertMatch(new TextDecoder().decode((await reader.read()).value), /^open /);
  return {
    async crash() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}

scene(
  "N37, F24: the only command killed with -9: its ssh ends soon, not after the idle time",
  async (facts) => {
    const command = await otherCommand(facts);
    await sshOf(facts);
    await command.crash();
    await idledOut(facts, CRASH_MS);
  },
);

scene("F24: one of two commands killed with -9: the other keeps its tunnel", async (facts) => {
  const command = await otherCommand(facts);
  const shared = await join(facts, {}, NEVER_SECONDS);
  assertEquals(await facts.sshd.logins(), 1);
  const ssh = await sshOf(facts);
  await command.crash();
  const endMs = performance.now() + 3_500;
  while (performance.now() < endMs) {
    assertEquals(await sshOf(facts), ssh);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assertEquals(await facts.around.probe(shared!.local, 2_000), "gateway");
  shared?.close();
  await idledOut(facts, CRASH_MS);
});

scene("F24: the opener killed while ssh connects leaves nothing", async (facts) => {
  // Accepts and says nothing: ssh waits for a greeting.
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const text = await Deno.readTextFile(facts.sshd.configFile);
  const { port } = silent.addr as Deno.NetAddr;
  await Deno.writeTextFile(facts.sshd.configFile, text.replace(/Port \d+/, `Port ${port}`));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", PARENT],
    env: {
      TUNNEL_CONFIG: facts.sshd.configFile,
      TUNNEL_PORT: String(facts.gatewayPort),
      TUNNEL_DIR: facts.around.tunnelsDir,
      TUNNEL_SHARE_SECONDS: String(NEVER_SECONDS),
    },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const conn = await silent.accept();
  child.kill("SIGKILL");
  await child.status;
  await idledOut(facts, CRASH_MS);
  assertEquals(await socketsLeft(facts), []);
  conn.close();
  silent.close();
});

scene("F24: a state directory removed under a shared ssh takes it along", async (facts) => {
  const shared = await join(facts, {}, NEVER_SECONDS);
  await Deno.remove(facts.around.tunnelsDir, { recursive: true });
  shared?.close();
  await idledOut(facts, CRASH_MS);
});

scene("N38: nothing is left that could run commands on the ssh host", async (facts) => {
  const shared = await join(facts);
  const commands = (await processesWith(facts.sshd.configFile)).map((p) => p.command);
  const ssh = commands.filter((command) => command.startsWith("/usr/bin/ssh"));
  assertEquals(ssh.length, 1);
  assert(/ControlMaster=no .*ControlPath=none/.test(ssh[0]!), ssh[0]);
  shared?.close();
  await idledOut(facts);
});

scene("N38: an alias that leads elsewhere now does not ride on the old tunnel", async (facts) => {
  await used(facts);
  await Deno.writeTextFile(`${facts.sshd.dir}/empty`, "");
  const text = await Deno.readTextFile(facts.sshd.configFile);
  const moved = text.replace(/UserKnownHostsFile .*/, `UserKnownHostsFile ${facts.sshd.dir}/empty`);
  await Deno.writeTextFile(facts.sshd.configFile, moved);
  const error = await assertRejects(() => join(facts), OpenclawError);
  assertEquals(error.code, "SSH_HOST_KEY_UNKNOWN");
  assert(error.message.includes("127.0.0.1"), error.message);
  await idledOut(facts);
});

scene("F24: a shared ssh that is killed, and one that is frozen, is replaced", async (facts) => {
  const first = await used(facts);
  Deno.kill(await sshOf(facts), "SIGKILL");
  const second = await used(facts);
  assert(JSON.stringify(first) !== JSON.stringify(second));
  Deno.kill(await sshOf(facts), "SIGSTOP");
  const third = await used(facts);
  assert(JSON.stringify(second) !== JSON.stringify(third));
  assertEquals(await facts.sshd.logins(), 3);
  await sshOf(facts); // the frozen one is gone
  await idledOut(facts);
});

scene("a gateway that is not there is told, and no ssh is kept for it", async (facts) => {
  const error = await assertRejects(
    () => join(facts, { remotePort: 1 }, NEVER_SECONDS),
    OpenclawError,
  );
  assertEquals(error.code, "TUNNEL_NO_GATEWAY");
  await idledOut(facts);
});

scene("F25: a refused login is told as without sharing", async (facts) => {
  await Deno.writeTextFile(`${facts.sshd.dir}/authorized_keys`, "");
  const error = await assertRejects(() => join(facts, {}, NEVER_SECONDS), OpenclawError);
  assertEquals(error.code, "SSH_AUTH_FAILED");
  assert(error.message.includes("ssh exited: it accepts none"), error.message);
  await idledOut(facts);
  assertEquals(await socketsLeft(facts), []);
});
