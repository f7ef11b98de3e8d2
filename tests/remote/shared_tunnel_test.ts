/** One ssh for several commands, through a real sshd whose log counts the logins. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { joinShared, listShared } from "../../src/remote/shared_tunnel.ts";
import { processesWith } from "../support/sshd.ts";
import { type Scene, scene, sshOf } from "./tunnel_scene.ts";

/** Long enough for a test, short enough to wait for. */
const IDLE_SECONDS = 2;

const join = ({ wish, around }: Scene, more = {}) =>
  joinShared({ ...wish, ...more }, around, IDLE_SECONDS);

/** Waits until every ssh of the scene has ended by itself. */
async function idledOut({ sshd }: Scene): Promise<number> {
  const startMs = performance.now();
  while ((await processesWith(sshd.configFile)).length > 0) {
    assert(performance.now() - startMs < 10_000, "ssh stays after its idle time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return performance.now() - startMs;
}

scene(
  "F24: two commands after each other cost one login, and ssh ends by itself",
  async (facts) => {
    const first = await join(facts);
    const second = await join(facts);
    assertEquals(first?.local, second?.local);
    assertEquals(await facts.sshd.logins(), 1);
    const [record] = await listShared(facts.around.tunnelsDir);
    assertEquals([record?.target, record?.idleSeconds], ["gw", IDLE_SECONDS]);
    if (first?.local.kind !== "unix") throw new Error("expected a unix socket");
    assertEquals((await Deno.stat(first.local.path)).mode! & 0o777, 0o600);
    const leftMs = await idledOut(facts);
    assert(leftMs > 500, `the next command had only ${leftMs} ms`);
    assertEquals(await listShared(facts.around.tunnelsDir), []);
  },
);

scene("commands started together share one login, too", async (facts) => {
  const all = await Promise.all(Array.from({ length: 5 }, () => join(facts)));
  assertEquals(new Set(all.map((shared) => JSON.stringify(shared?.local))).size, 1);
  assertEquals(await facts.sshd.logins(), 1);
  await idledOut(facts);
});

scene("N38: nothing is left that could run commands on the ssh host", async (facts) => {
  await join(facts);
  const [ssh] = await processesWith(facts.sshd.configFile);
  const control = ssh?.command.match(/ControlPath=(\S+)/)?.[1] as string;
  assertEquals(await Deno.stat(control).catch(() => "gone"), "gone");
  await idledOut(facts);
});

scene("N38: an alias that leads elsewhere now does not ride on the old tunnel", async (facts) => {
  await join(facts);
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
  const first = await join(facts);
  Deno.kill(await sshOf(facts), "SIGKILL");
  const second = await join(facts);
  assert(JSON.stringify(first?.local) !== JSON.stringify(second?.local));
  Deno.kill(await sshOf(facts), "SIGSTOP");
  const startMs = performance.now();
  const third = await join(facts);
  assert(performance.now() - startMs < 5_000);
  assert(JSON.stringify(second?.local) !== JSON.stringify(third?.local));
  assertEquals(await facts.sshd.logins(), 3);
  await sshOf(facts); // the frozen one is gone
  await idledOut(facts);
});

scene("a gateway that is not there is told, and no ssh is kept for it", async (facts) => {
  const error = await assertRejects(() => join(facts, { remotePort: 1 }), OpenclawError);
  assertEquals(error.code, "TUNNEL_NO_GATEWAY");
  assertEquals(await processesWith(facts.sshd.configFile), []);
});

scene("F25: a refused login is told as without sharing", async (facts) => {
  await Deno.writeTextFile(`${facts.sshd.dir}/authorized_keys`, "");
  const error = await assertRejects(() => join(facts), OpenclawError);
  assertEquals(error.code, "SSH_AUTH_FAILED");
});
