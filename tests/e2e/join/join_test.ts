/**
 * Joining and approving with real processes: join lines, people, and the race on --latest.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  command,
  eventually,
  freePort,
  Pair,
  run,
  type Running,
  start,
  TempHome,
} from "../program.ts";

/** A gateway with TLS on a free port, ready. */
async function gatewayOf(home: TempHome): Promise<{ gateway: Running; port: number; pin: string }> {
  const port = freePort();
  const gateway = start(["gateway", "run", "--tls", "--port", String(port)], {
    env: home.env("gateway"),
  });
  await gateway.until(/ready/);
  const pin = gateway.said.match(/[0-9a-f]{64}/)?.[0] as string;
  return { gateway, port, pin };
}

Deno.test("a join line makes a node without the shared token, once", async () => {
  await using home = await TempHome.make();
  const { gateway: process, port } = await gatewayOf(home);
  await using gateway = process;
  const env = home.env("gateway");
  await using code = start(
    ["devices", "join-code", "--name", "build-1", "--wait"]
      .concat(["--public-url", `wss://127.0.0.1:${port}`]),
    { env },
  );
  const line = (await code.until(/oc-pair:\/\/\S+/))[0];
  const token = (await run(["config", "get", "gateway.auth.token", "--reveal"], { env })).stdout
    .trim();
  const carried = atob(line.slice(10).replaceAll("-", "+").replaceAll("_", "/"));
  assert(!carried.includes(token), "the shared token is in the line");
  await using node = start(["connect", line], { env: home.env("node") });
  await node.until(/Connected to gateway/);
  const shown = node.said.match(/verification code ([A-Z2-7]{6})/)?.[1] as string;
  const confirmed = (await code.until(/joined; verification code ([A-Z2-7]{6})/))[1];
  assertEquals(confirmed, shown, "both sides show the same code");
  const status = JSON.parse((await run(["nodes", "status", "--json"], { env })).stdout);
  assertEquals(status.nodes.length, 1);
  assert(status.nodes[0].connected && status.nodes[0].commands.includes("system.run"));
  const again = await run(["connect", line], { env: home.env("thief") });
  assertEquals(again.code, 1, again.stderr);
  assertMatch(again.stderr, /AUTH_BOOTSTRAP_TOKEN_INVALID|bootstrap/);
  assert(!gateway.said.includes(line.slice(20)), "the line is in the gateway's log");
});

Deno.test("a join line joins beside shared secrets of the machine, and none of them goes along", async () => {
  await using home = await TempHome.make();
  const { gateway: process, port } = await gatewayOf(home);
  await using _gateway = process;
  const env = home.env("gateway");
  const made = ["devices", "join-code", "--public-url", `wss://127.0.0.1:${port}`];
  const first = (await run(made, { env })).stdout.trim();
  // The gateway's own state directory has the right token in its openclaw.json.
  await using node = start(["connect", first, "--display-name", "same-machine"], { env });
  await node.until(/Connected to gateway/);
  const second = (await run(made, { env })).stdout.trim();
  // A token of another gateway in the environment, as the README's other walk-through leaves it.
  await using other = start(["connect", second], {
    env: home.env("other", { OPENCLAW_GATEWAY_TOKEN: "of-another-gateway" }),
  });
  await other.until(/Connected to gateway/);
  assert(!/pairing required|mismatch/.test(node.said + other.said), node.said + other.said);
});

Deno.test("connect - takes the line from stdin, and no process list shows its secret", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using home = await TempHome.make();
  const { gateway: process, port } = await gatewayOf(home);
  await using _gateway = process;
  const made = await run(["devices", "join-code", "--public-url", `wss://127.0.0.1:${port}`], {
    env: home.env("gateway"),
  });
  const line = made.stdout.trim();
  const { file, args } = command(["connect", "-", "--display-name", "quiet-1"]);
  const node = new Deno.Command(file, {
    args,
    env: home.env("node"),
    clearEnv: true,
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const input = node.stdin.getWriter();
  await input.write(new TextEncoder().encode(`${line}\n`));
  await input.close();
  await eventually("the node is connected", async () => {
    const status = await run(["nodes", "status", "--connected"], { env: home.env("gateway") });
    return status.stdout.includes("quiet-1");
  });
  const shown = ["cmdline", "environ"].map((file) =>
    Deno.readTextFileSync(`/proc/${node.pid}/${file}`)
  ).join("");
  assertStringIncludes(shown, "quiet-1");
  assert(!shown.includes(line.slice(12, 60)), "the line is shown");
  node.kill("SIGTERM");
  assertEquals((await node.status).code, 0);
  const nothing = await run(["connect", "-"], { env: home.env("other"), input: "" });
  assertEquals(nothing.code, 1);
  assertStringIncludes(nothing.stderr, "Cannot read the join line");
});

Deno.test("a join line for a person gives commands of that account the gateway", async () => {
  await using home = await TempHome.make();
  const { gateway: process, port } = await gatewayOf(home);
  await using _gateway = process;
  const made = await run(
    ["devices", "join-code", "--operator", "--public-url", `wss://127.0.0.1:${port}`],
    { env: home.env("gateway") },
  );
  const joined = await run(["connect", "--operator", made.stdout.trim()], {
    env: home.env("person"),
  });
  assertEquals(joined.code, 0, joined.stderr);
  const used = await run(["connect", "--operator", made.stdout.trim()], {
    env: home.env("thief"),
  });
  assertEquals(used.code, 1);
  assertStringIncludes(used.stderr, "repair it: openclaw connect --operator <line>");
  const status = await run(["nodes", "status"], { env: home.env("person") });
  assertEquals(status.code, 0, status.stderr);
  const devices = await run(["devices", "list"], { env: home.env("person") });
  assertEquals(devices.code, 1, "read and write only");
  assertMatch(devices.stderr, /scope mismatch|pairing required|missing scope/);
  assertStringIncludes(devices.stderr, "hint: this account was given less than the command needs");
});

Deno.test("an invited person may run what the node allows, and is told why not for the rest", async () => {
  await using pair = await Pair.make();
  const at = ["--public-url", `wss://127.0.0.1:${pair.facts.port}`];
  const made = await pair.cli(["devices", "join-code", "--operator", ...at]);
  const env = pair.home.env("person");
  const joined = await run(["connect", "--operator", made.stdout.trim()], { env });
  assertEquals(joined.code, 0, joined.stderr);
  const asPerson = () => run(["nodes", "run", "--node", "build-1", "--", "echo", "hi"], { env });
  const refused = await asPerson();
  assertEquals([refused.code, refused.stdout], [126, ""], refused.stderr);
  assertStringIncludes(refused.stderr, "this account may not ask for one: approval required");
  assertMatch(refused.stderr, /fix: openclaw approvals allowlist add --node build-1 /);
  await pair.policy("full", "off");
  const ran = await asPerson();
  assertEquals([ran.code, ran.stdout], [0, "hi\n"], ran.stderr);
});

Deno.test("a join URL of the gateway is a line, too, and works once", async () => {
  await using home = await TempHome.make();
  const port = freePort();
  const env = home.env("gateway");
  await using gateway = start(["gateway", "run", "--port", String(port)], { env });
  await gateway.until(/ready/);
  const made = await run(["devices", "join-code", "--join-url"], { env });
  assertMatch(made.stdout, /^http:\/\/127\.0\.0\.1:\d+\/j\/[A-Za-z0-9_-]{22}\n$/);
  const url = made.stdout.trim();
  await using node = start(["connect", url], { env: home.env("node") });
  await node.until(/Connected to gateway/);
  const again = await run(["connect", url], { env: home.env("thief") });
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, "it was used, has expired, or never existed");
});

Deno.test("a line that is no join line is refused without repeating it", async () => {
  await using home = await TempHome.make();
  const done = await run(["connect", "oc-pair://c2VjcmV0LXRleHQ"], { env: home.env("node") });
  assertEquals(done.code, 1);
  assertStringIncludes(done.stderr, "Cannot read the join line");
  assert(!done.stderr.includes("secret-text") && !done.stderr.includes("c2VjcmV0"));
});

Deno.test("devices approve shows what it grants and never wins a race blindly", async (t) => {
  await using home = await TempHome.make();
  const { gateway: process, port, pin } = await gatewayOf(home);
  await using _gateway = process;
  const env = home.env("gateway");
  const token = (await run(["config", "get", "gateway.auth.token", "--reveal"], { env })).stdout
    .trim();
  const node = (state: string) =>
    start(
      ["node", "run", "--port", String(port), "--tls-fingerprint", pin, "--display-name", state],
      { env: home.env(state, { OPENCLAW_GATEWAY_TOKEN: token }) },
    );
  const requestOf = async (running: Running) =>
    (await running.until(/requestId: ([0-9a-f-]{36})/))[1] as string;

  await t.step("nothing pending: exit 1", async () => {
    const none = await run(["devices", "approve", "--latest"], { env });
    assertEquals(none.code, 1);
    assertStringIncludes(none.stderr, "No pending device pairing requests to approve");
  });

  await using first = node("first");
  const firstRequest = await requestOf(first);
  await t.step("I24: --latest only previews a request younger than two seconds", async () => {
    const early = await run(["devices", "approve", "--latest"], { env });
    // On a slow machine the request may be older by now; then it was shown and approved, which is right, too.
    if (early.code === 1) assertStringIncludes(early.stderr, "less than 2 seconds ago");
    assertStringIncludes(early.stdout, "Commands  system.run.prepare");
    assertStringIncludes(early.stdout, "SHA-256 of the public key");
  });
  await using second = node("second");
  const secondRequest = await requestOf(second);
  await t.step("I24: --latest only previews when several requests are pending", async () => {
    const list = JSON.parse((await run(["devices", "list", "--json"], { env })).stdout);
    const race = await run(["devices", "approve", "--latest"], { env });
    if (list.pending.length > 1) {
      assertEquals(race.code, 1);
      assertStringIncludes(race.stderr, "requests are pending");
      assertStringIncludes(race.stderr, "openclaw devices approve ");
    }
  });
  await t.step("without an id and without --latest it only shows", async () => {
    // On a slow machine both steps before may have approved what they found.
    await using third = node("third");
    await requestOf(third);
    const shown = await run(["devices", "approve"], { env });
    assertEquals(shown.code, 1);
    assertStringIncludes(shown.stderr, "Approve this request with: openclaw devices approve ");
  });
  await t.step("an unknown id is named, with the next command", async () => {
    const unknown = await run(["devices", "approve", crypto.randomUUID()], { env });
    assertEquals(unknown.code, 1);
    assertMatch(unknown.stderr, /unknown requestId/);
  });
  await t.step("by id it is granted, device and commands at once", async () => {
    const list = JSON.parse((await run(["devices", "list", "--json"], { env })).stdout);
    for (const [running, request] of [[first, firstRequest], [second, secondRequest]] as const) {
      const open = list.pending.some((p: { requestId: string }) => p.requestId === request);
      if (open) {
        const done = await run(["devices", "approve", request], { env });
        assertEquals(done.code, 0, done.stderr);
        assertMatch(done.stdout, new RegExp(`Approved [0-9a-f]{64} \\(${request}\\)`));
      }
      await running.until(/Connected to gateway/);
    }
    const pending = await run(["nodes", "pending"], { env });
    assertStringIncludes(pending.stdout, "No pending node pairing requests.");
  });
  await t.step("a removed node is gone at once", async () => {
    const removed = await run(["nodes", "remove", "--node", "second"], { env });
    assertEquals(removed.code, 0, removed.stderr);
    await second.until(/device removed|4001/);
  });
});
