/**
 * Pairing with real processes: ids that were printed once lead somewhere, a waiting node is quiet and live at once, a
 * revoked node loses its connection and what it runs, drifted tokens are named.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  eventually,
  freePort,
  Pair,
  processesWith,
  run,
  type Running,
  start,
  TempHome,
} from "./program.ts";

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test("waiting, superseded and approved: one line a minute, live within 2 s, old ids lead on", async (t) => {
  await using home = await TempHome.make();
  const env = home.env("gateway");
  const port = freePort();
  await using gateway = start(["gateway", "run", "--port", String(port)], { env });
  await gateway.until(/ready/);
  const token = (await run(["config", "get", "gateway.auth.token", "--reveal"], { env })).stdout
    .trim();
  const node = (name: string): Running =>
    start(["node", "run", "--port", String(port), "--display-name", name], {
      env: home.env("node", { OPENCLAW_GATEWAY_TOKEN: token }),
    });
  const idOf = async (running: Running) =>
    (await running.until(/requestId: ([0-9a-f-]{36})/))[1] as string;

  const first = node("before");
  const oldId = await idOf(first);
  await first.end();
  await using second = node("after");
  const newId = await idOf(second);

  await t.step(
    "a superseded id names its successor, what changed, and the next command",
    async () => {
      assert(oldId !== newId, "changed details make a new request");
      const dead = await run(["devices", "approve", oldId], { env });
      assertEquals(dead.code, 1);
      assertStringIncludes(dead.stderr, `${oldId} was replaced by ${newId}`);
      assertMatch(dead.stderr, /\((display ?name|name).*\)/i);
      assertStringIncludes(dead.stderr, `openclaw devices approve ${newId}`);
    },
  );
  await t.step("several polls, one line", async () => {
    const asked = () => gateway.said.match(/connection refused/g)?.length ?? 0;
    const before = performance.now();
    // Two polls of 1.5 s pass meanwhile; the node's own words are what is counted.
    await eventually("3.5 s of polls", () => performance.now() - before > 3_500, 6_000);
    assertEquals(second.said.match(/pairing required/g)?.length, 1, `${asked()} refusals`);
  });
  await t.step("live within 2 s of the approval, without a restart", async () => {
    const done = await run(["devices", "approve", newId], { env });
    assertEquals(done.code, 0, done.stderr);
    await second.until(/Connected to gateway/, 2_000);
  });
  await t.step("an approved id says so", async () => {
    const again = await run(["devices", "approve", newId], { env });
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, `${newId} was already approved`);
    assertStringIncludes(again.stderr, "openclaw devices list");
  });
});

for (const [verb, ...ending] of [["revoke", "--role", "node"], ["remove"]] as const) {
  Deno.test(
    `I12: ${verb} while a command runs closes within 1 s, kills within 2 s, and says why`,
    linux,
    async () => {
      await using pair = await Pair.make();
      await pair.policy("full", "off");
      const mark = `84${Deno.pid}`;
      await using running = start(
        ["nodes", "run", "--node", "build-1", "--", "sh", "-c", `echo up; exec sleep ${mark}`],
        { env: pair.home.env("gateway") },
      );
      await running.until(/up/);
      const asleep = () =>
        processesWith(`sleep ${mark}`).some((pid) => {
          try {
            return Deno.readTextFileSync(`/proc/${pid}/cmdline`).startsWith(`sleep\0${mark}`);
          } catch {
            return false; // it ends while we look
          }
        });
      await eventually("the command sleeps", asleep);
      const { nodes } = JSON.parse((await pair.cli(["nodes", "status", "--json"])).stdout);
      const device = verb === "revoke" ? ["--device", nodes[0].nodeId] : [nodes[0].nodeId];
      const done = await pair.cli(["devices", verb, ...device, ...ending]);
      const endedMs = performance.now();
      assertEquals(done.code, 0, done.stderr);
      await pair.node.until(/gateway closed \(4001\)/, 1_000);
      await eventually("the command ended", () => !asleep(), 2_000);
      assert(performance.now() - endedMs < 2_000);
      assertEquals((await running.status).code, 255, running.said);
      assertMatch(running.said, /Node build-1 went away before the command ended/);
    },
  );
}

Deno.test("token drift: the CLI and the node name the refused credential, its source and the repair", async (t) => {
  await using pair = await Pair.make();
  const { port, pin } = pair.facts;
  const url = `wss://127.0.0.1:${port}`;
  await t.step("flag", async () => {
    const flags = ["--url", url, "--tls-fingerprint", pin, "--token", "wrong-secret"];
    const done = await run(["health", ...flags], { env: pair.home.env("person") });
    assertEquals(done.code, 1);
    assertStringIncludes(done.stderr, "the token from --token was refused; repair it: --token");
    assert(!done.stderr.includes("wrong-secret"));
  });
  await t.step("configuration", async () => {
    const env = pair.home.env("remote");
    const remote = { url, token: "wrong-secret", tlsFingerprint: pin };
    await Deno.mkdir(`${pair.home.path}/remote`, { mode: 0o700 });
    await Deno.writeTextFile(
      `${pair.home.path}/remote/openclaw.json`,
      JSON.stringify({ gateway: { mode: "remote", remote } }),
      { mode: 0o600 },
    );
    const done = await run(["health"], { env });
    assertEquals(done.code, 1);
    assertStringIncludes(
      done.stderr,
      "the token from gateway.remote.token was refused; " +
        "repair it: openclaw config set gateway.remote.token <token>",
    );
    assert(!done.stderr.includes("wrong-secret"));
  });
  await t.step(
    "a wrong variable on a paired machine: its device token opens the door",
    async () => {
      const env = pair.home.env("gateway", { OPENCLAW_GATEWAY_TOKEN: "wrong-secret" });
      assertEquals((await run(["health"], { env })).code, 0);
    },
  );
  await t.step("node: environment", async () => {
    const done = await run(["node", "run", "--port", String(port), "--tls-fingerprint", pin], {
      env: pair.home.env("other", { OPENCLAW_GATEWAY_TOKEN: "wrong-secret" }),
    });
    assertEquals(done.code, 1);
    assertStringIncludes(
      done.stderr,
      "the token from OPENCLAW_GATEWAY_TOKEN was refused; " +
        "repair it: export OPENCLAW_GATEWAY_TOKEN=<token>",
    );
  });
  await t.step("node: stored device token of a removed device", async () => {
    await pair.node.end();
    const removed = await pair.cli(["nodes", "remove", "--node", "build-1"]);
    assertEquals(removed.code, 0, removed.stderr);
    const done = await run(["node", "run"], { env: pair.home.env("node") });
    assertEquals(done.code, 1, done.stderr);
    assertStringIncludes(
      done.stderr,
      "the stored device token was refused and dropped, and no shared secret is configured; " +
        "repair it: openclaw connect <line>",
    );
  });
});
