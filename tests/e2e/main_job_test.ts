/**
 * The main job with real processes: gateway over TLS, a node with a pinned certificate, pairing, commands.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually, freePort, Pair, processesWith, run, start, TempHome } from "./program.ts";
import { Terminal } from "./terminal.ts";

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test("nodes run on a paired node", linux, async (t) => {
  await using pair = await Pair.make();
  const nodesRun = (argv: string[], more = {}) =>
    pair.cli(["nodes", "run", "--node", "build-1", ...argv], more);

  await t.step(
    "without a rule and without a terminal: 126, why, and the next command",
    async () => {
      const refused = await nodesRun(["--", "uname", "-s"]);
      assertEquals(refused.code, 126);
      assertStringIncludes(refused.stderr, 'no rule covers "/usr/bin/uname"');
      const id = refused.stderr.match(/openclaw approvals resolve ([0-9a-f-]{36})/)?.[1] as string;
      const line = `openclaw nodes run --node build-1 --approval ${id} -- uname -s`;
      assertStringIncludes(refused.stderr, `then run: ${line}\n`);
      const resolved = await pair.cli(["approvals", "resolve", id, "allow-once"]);
      assertEquals(resolved.code, 0, resolved.stderr);
      const allowed = await nodesRun(["--approval", id, "--", "uname", "-s"]);
      assertEquals([allowed.code, allowed.stdout], [0, "Linux\n"], allowed.stderr);
      const again = await nodesRun(["--approval", id, "--", "uname", "-s"]);
      assertEquals(again.code, 126, "allow-once was used up");
    },
  );

  await t.step("a program the node does not have: 127, and where it was looked for", async () => {
    const done = await nodesRun(["--", "unmae", "-s"]);
    assertEquals(done.code, 127);
    assertStringIncludes(done.stderr, 'The node has no program "unmae"');
  });

  await t.step("status on the node's machine shows its connection", async () => {
    const done = await run(["status"], { env: pair.home.env("node") });
    assertMatch(done.stdout, /Node here +│ connected · wss:/);
  });

  await t.step("an allowlist entry set through the gateway is enough", async () => {
    const added = await pair.cli(
      ["approvals", "allowlist", "add", "--node", "build-1", "/usr/bin/uname"],
    );
    assertEquals(added.code, 0, added.stderr);
    const done = await nodesRun(["--", "uname", "-s"]);
    assertEquals([done.code, done.stdout], [0, "Linux\n"], done.stderr);
  });

  await pair.policy("full", "off");

  await t.step("exit code, stdout and stderr are the remote ones", async () => {
    const done = await nodesRun(["--", "sh", "-c", "echo out; echo err >&2; exit 42"]);
    assertEquals([done.code, done.stdout, done.stderr], [42, "out\n", "err\n"]);
  });

  await t.step("--raw runs a script, --cwd and --env arrive", async () => {
    const done = await nodesRun([
      "--cwd",
      "/tmp",
      "--env",
      "TERM=vt52",
      "--raw",
      "pwd; echo $TERM",
    ]);
    assertEquals([done.code, done.stdout], [0, "/tmp\nvt52\n"], done.stderr);
  });

  await t.step("124 time limit, 127 not found, 255 unknown node, 2 nothing to run", async () => {
    const codes = await Promise.all([
      nodesRun(["--command-timeout", "300ms", "--", "sleep", "20"]),
      nodesRun(["--", "no-such-program-here"]),
      pair.cli(["nodes", "run", "--node", "nobody", "--", "true"]),
      nodesRun([]),
    ]);
    assertEquals(codes.map((c) => c.code), [124, 127, 255, 2]);
  });

  await t.step("stdin goes through unchanged, and large output comes back unchanged", async () => {
    const input = crypto.getRandomValues(new Uint8Array(60_000));
    const big = new Uint8Array(3_000_000).map((_, i) => input[i % 60_000] as number);
    const done = await nodesRun(["--", "cat"], { input: big });
    assertEquals(done.code, 0, done.stderr);
    assert(done.bytes.length === big.length && done.bytes.every((b, i) => b === big[i]));
  });

  await t.step("tools.exec of the operator's machine names the node and tightens", async () => {
    const set = (key: string, value: string) =>
      pair.cli(["config", "set", `tools.exec.${key}`, value]);
    await set("node", "build-1");
    const done = await pair.cli(["nodes", "run", "--", "echo", "default node"]);
    assertEquals([done.code, done.stdout], [0, "default node\n"], done.stderr);
    await set("ask", "always");
    const asked = await pair.cli(["nodes", "run", "--ask", "off", "--", "echo", "x"]);
    assertEquals(asked.code, 126, "a flag loosened it");
    await set("security", "deny");
    const denied = await pair.cli(["nodes", "run", "--", "echo", "x"]);
    assertEquals(denied.code, 126);
    assertStringIncludes(denied.stderr, "tools.exec.security of this machine lets nothing run");
    for (const key of ["node", "ask", "security"]) {
      assertEquals((await pair.cli(["config", "unset", `tools.exec.${key}`])).code, 0);
    }
  });

  await t.step("--json prints one document with the result", async () => {
    const done = await nodesRun(["--json", "--", "sh", "-c", "echo hi; exit 5"]);
    assertEquals(done.code, 5);
    const { exitCode, stdout } = JSON.parse(done.stdout);
    assertEquals([exitCode, stdout], [5, "hi\n"]);
  });

  await t.step("Ctrl-C ends the remote command and exits 130", async () => {
    const mark = `86${Deno.pid}`;
    await using running = start(
      ["nodes", "run", "--node", "build-1", "--", "sh", "-c", `echo up; exec sleep ${mark}`],
      { env: pair.home.env("gateway") },
    );
    await running.until(/up/);
    running.signal("SIGINT");
    assertEquals((await running.status).code, 130);
    // The node's process list is this machine's; the operator's own command line holds the words too.
    await eventually("sleep ended", () => processesWith(`sleep ${mark}`).length === 0, 5_000);
  });

  await t.step("a caller that vanishes takes its command along", async () => {
    const mark = `85${Deno.pid}`;
    const running = start(
      ["nodes", "run", "--node", "build-1", "--", "sh", "-c", `echo up; exec sleep ${mark}`],
      { env: pair.home.env("gateway") },
    );
    await running.until(/up/);
    await running.end("SIGKILL");
    await eventually("sleep ended", () => processesWith(`sleep ${mark}`).length === 0, 5_000);
  });

  await t.step(
    "E11: a command sees no credential in its environment nor in the node's",
    async () => {
      const probe = "env; cat /proc/self/environ /proc/$PPID/environ 2>/dev/null; " +
        "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ 2>/dev/null; done | " +
        `grep -c '${pair.facts.token}'`;
      const done = await nodesRun(["--", "sh", "-c", probe]);
      assert(!done.stdout.includes(pair.facts.token), "the token reached the child");
    },
  );

  await t.step("the node resumes by itself after a gateway restart", async () => {
    await pair.gateway.end();
    await pair.node.until(/closed|1012|refused/i);
    const { port } = pair.facts;
    await using again = start(["gateway", "run", "--tls", "--port", String(port)], {
      env: pair.home.env("gateway"),
    });
    await again.until(/ready/);
    await eventually("the node is back", async () => {
      const status = await pair.cli(["nodes", "status", "--json"]);
      return status.code === 0 && JSON.parse(status.stdout).nodes[0]?.connected === true;
    }, 20_000);
    assertEquals((await nodesRun(["--", "true"])).code, 0);
  });
});

Deno.test("a person at a terminal is asked right there", linux, async (t) => {
  await using pair = await Pair.make();
  const answers: [answer: string, code: number, stdout: RegExp][] = [
    ["o", 0, /Linux/],
    ["d", 126, /denied/],
    ["a", 0, /Linux/],
  ];
  for (const [answer, code, said] of answers) {
    await t.step(`answer "${answer}" gives exit code ${code}`, async () => {
      const done = await inTerminal(pair, ["nodes", "run", "--node", "build-1", "uname"], answer);
      assertEquals(done.code, code, done.text);
      assertMatch(done.text, said);
      assertStringIncludes(done.text, "Approval needed on node build-1");
    });
  }
  await t.step("Ctrl-C at the question gives 130 and leaves no request behind", async () => {
    const args = ["nodes", "run", "--node", "build-1", "id"];
    await using screen = new Terminal(args, pair.home.env("gateway"));
    await screen.until(/deny:/);
    await screen.type("\x03");
    assertEquals(await screen.ended(), 130, screen.text);
    assertStringIncludes(screen.text, "the request was denied and nothing ran");
    const open = await pair.cli(["approvals", "pending", "--json"]);
    assertEquals(JSON.parse(open.stdout), [], open.stdout);
  });
  await t.step("after always nobody is asked again", async () => {
    const done = await pair.cli(["nodes", "run", "--node", "build-1", "uname"]);
    assertEquals([done.code, done.stdout], [0, "Linux\n"], done.stderr);
  });
});

/** Runs a command line on a pseudo terminal and types one answer. */
async function inTerminal(pair: Pair, args: string[], answer: string) {
  await using screen = new Terminal(args, pair.home.env("gateway"));
  await screen.until(/deny:/);
  await screen.type(`${answer}\n`);
  return { code: await screen.ended(), text: screen.text };
}

Deno.test("a node says what is wrong: port, token, pin", async (t) => {
  await using home = await TempHome.make();
  const port = freePort();
  await using gateway = start(["gateway", "run", "--tls", "--port", String(port)], {
    env: home.env("gateway"),
  });
  await gateway.until(/ready/);
  const pin = gateway.said.match(/fingerprint.*?([0-9a-f]{64})/i)?.[1] as string;
  const node = (state: string, flags: string[], env: Record<string, string> = {}) =>
    start(["node", "run", "--host", "127.0.0.1", ...flags], { env: home.env(state, env) });

  await t.step("nobody listens: connection refused, and it stays", async () => {
    await using lost = node("n1", ["--port", String(freePort())]);
    await lost.until(/connection refused.*ECONNREFUSED/);
  });
  await t.step("N26: another pin is refused before a token is sent, both are named", async () => {
    const wrong = "0".repeat(64);
    await using lost = node("n2", ["--port", String(port), "--tls-fingerprint", wrong], {
      OPENCLAW_GATEWAY_TOKEN: "secret-of-the-test",
    });
    await lost.until(/tls fingerprint mismatch/);
    assertStringIncludes(lost.said, wrong);
    assertStringIncludes(lost.said, pin);
    assert(!lost.said.includes("secret-of-the-test"));
  });
  await t.step("N26: a malformed pin ends at once with exit 1", async () => {
    const done = await run(["node", "run", "--tls-fingerprint", "abc"], { env: home.env("n3") });
    assertEquals(done.code, 1);
    assertStringIncludes(done.stderr, "Invalid TLS fingerprint");
  });
  await t.step("wrong token: authentication failed, exit 1", async () => {
    const done = await run(
      ["node", "run", "--port", String(port), "--tls-fingerprint", pin],
      { env: home.env("n4", { OPENCLAW_GATEWAY_TOKEN: "wrong" }) },
    );
    assertEquals(done.code, 1);
    assertMatch(done.stderr, /authentication failed.*unauthorized.*detail=AUTH_TOKEN_MISMATCH/s);
  });
});

Deno.test("commands say what was tried, where it came from, and what to do", async (t) => {
  await using home = await TempHome.make();
  await t.step("no gateway: refused, with target, source, config and hint", async () => {
    const port = String(freePort());
    const done = await run(["health"], { env: home.env("s", { OPENCLAW_GATEWAY_PORT: port }) });
    assertEquals(done.code, 1);
    for (
      const part of [
        "ECONNREFUSED",
        `not reachable at ws://127.0.0.1:${port}`,
        "Gateway target:",
        "Source: local loopback",
        "Config: ",
        "Bind: loopback",
        "hint: openclaw gateway run",
      ]
    ) {
      assertStringIncludes(done.stderr, part);
    }
  });
  await t.step("N24: --url never takes stored secrets along", async () => {
    const done = await run(["health", "--url", "ws://127.0.0.1:1"], {
      env: home.env("s", { OPENCLAW_GATEWAY_TOKEN: "x" }),
    });
    assertEquals(done.code, 1);
    assertStringIncludes(done.stderr, "gateway url override requires explicit credentials");
  });
  await t.step("N25: plaintext to a public address is refused before a byte", async () => {
    const done = await run(["health", "--url", "ws://203.0.113.7:1", "--token", "x"], {
      env: home.env("s"),
    });
    assertEquals(done.code, 1);
    assertStringIncludes(done.stderr, "SECURITY ERROR");
  });
  await t.step("--json: one document on stdout, text on stderr", async () => {
    const port = String(freePort());
    const done = await run(["nodes", "status", "--json"], {
      env: home.env("s", { OPENCLAW_GATEWAY_PORT: port }),
    });
    const document = JSON.parse(done.stdout);
    assertEquals([document.ok, document.error.type], [false, "cli_error"]);
    assertEquals(document.error.code, "CONNECTION_REFUSED");
    assertStringIncludes(done.stderr, "error: ");
  });
});
