/**
 * `quickstart` with real processes: what it shows, what it passes on, and that it leaves nothing behind.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually, processesWith, run, start, TempHome } from "./program.ts";

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test("quickstart --once without HOME runs uname on a node through a TLS gateway and exits with its code", async () => {
  await using home = await TempHome.make();
  const { HOME: _none, ...env } = home.env("unused");
  const before = performance.now();
  const done = await run(["quickstart", "--once"], { env });
  assertEquals(done.code, 0, done.stderr);
  assertMatch(done.stdout, /gateway +wss:\/\/127\.0\.0\.1:\d+/);
  assertMatch(done.stdout, /pin +[0-9a-f]{64}/);
  assertMatch(done.stdout, /allowed +once: uname -a/);
  assertStringIncludes(done.stdout, Deno.build.os === "linux" ? "Linux" : "");
  assertMatch(done.stdout, /exit +0 after/);
  assert(performance.now() - before < 20_000);
  assertEquals([...Deno.readDirSync(home.path)].map((e) => e.name), [], "it wrote into the home");
});

Deno.test("quickstart passes the exit code and both streams through, twice in a row", async () => {
  await using home = await TempHome.make();
  for (const code of [3, 0]) {
    const script = `echo to-stdout; echo to-stderr >&2; exit ${code}`;
    const done = await run(["quickstart", "--once", "--", "sh", "-c", script], {
      env: home.env("unused"),
    });
    assertEquals(done.code, code, done.stderr);
    assertStringIncludes(done.stdout, "\nto-stdout\n");
    assertStringIncludes(done.stderr, "to-stderr\n");
  }
});

Deno.test("quickstart killed with -9 leaves no process and no folder behind", linux, async () => {
  await using home = await TempHome.make();
  const mark = `97${Deno.pid}`;
  await using quickstart = start(["quickstart", "--", "sleep", mark], {
    env: home.env("unused", { TMPDIR: home.path }),
  });
  await quickstart.until(/allowed +once/);
  await eventually("sleep runs", () => processesWith(`sleep ${mark}`).length > 1);
  await quickstart.end("SIGKILL");
  await eventually("nothing runs any more", () => processesWith(home.path).length === 0);
  await eventually("sleep is gone", () => processesWith(`sleep ${mark}`).length === 0);
  // The runtime of the compiled program keeps a code cache of its own there.
  const folders = () =>
    [...Deno.readDirSync(home.path)].filter((e) => e.name.startsWith("openclaw-quickstart-"));
  await eventually("the folder is gone", () => folders().length === 0);
});

for (const moment of ["gateway", "pin", "node", "allowed"]) {
  Deno.test(
    `quickstart interrupted right after "${moment}" leaves no process and no folder behind`,
    linux,
    async () => {
      await using home = await TempHome.make();
      await using quickstart = start(["quickstart", "--", "sleep", "600"], {
        env: home.env("unused", { TMPDIR: home.path }),
      });
      await quickstart.until(new RegExp(`^${moment} `, "m"));
      const ended = await quickstart.end("SIGINT");
      assertEquals(ended.code, 130, quickstart.said);
      const folders = () =>
        [...Deno.readDirSync(home.path)].filter((e) => e.name.startsWith("openclaw-quickstart-"));
      await eventually("nothing runs any more", () => processesWith(home.path).length === 0);
      await eventually("the folder is gone", () => folders().length === 0);
    },
  );
}

Deno.test("quickstart serves no page: decision 36", async () => {
  await using home = await TempHome.make();
  await using quickstart = start(["quickstart"], { env: home.env("unused") });
  const [, state] = await quickstart.until(/export OPENCLAW_STATE_DIR=(\S+)/);
  const env = home.env("unused", { OPENCLAW_STATE_DIR: state as string });
  const off = await run(["config", "get", "gateway.controlUi.enabled"], { env });
  assertEquals(off.stdout, "false\n", off.stderr);
  const status = await run(["gateway", "status"], { env });
  assertStringIncludes(status.stdout, "Dashboard: off (gateway.controlUi.enabled is false)");
  const [, port] = quickstart.said.match(/wss:\/\/127\.0\.0\.1:(\d+)/) as RegExpMatchArray;
  const pin = quickstart.said.match(/[0-9a-f]{64}/)?.[0] as string;
  assertEquals(await getOverPinnedTls(Number(port), pin, "/"), "HTTP/1.1 404 Not Found");
  assertEquals(await getOverPinnedTls(Number(port), pin, "/health"), "HTTP/1.1 200 OK");
});

/** The status line of a GET over TLS to a certificate with this fingerprint. */
async function getOverPinnedTls(port: number, pin: string, path: string): Promise<string> {
  const { connect } = await import("node:tls");
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  try {
    await new Promise((ready, failed) => socket.once("secureConnect", ready).once("error", failed));
    const shown = socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase();
    assertEquals(shown, pin);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
    const answer = await new Promise<string>((said, failed) =>
      socket.once("data", (bytes) => said(String(bytes))).once("error", failed)
    );
    return answer.split("\r\n")[0] as string;
  } finally {
    socket.destroy();
  }
}

Deno.test(
  "quickstart whose node ends says so, with exit code 1, and cleans up",
  linux,
  async () => {
    await using home = await TempHome.make();
    await using quickstart = start(["quickstart"], {
      env: home.env("unused", { TMPDIR: home.path }),
    });
    await quickstart.until(/Ctrl-C ends everything/);
    const [node] = processesWith(`--remove-at-end=${home.path}`);
    Deno.kill(node as number, "SIGKILL");
    assertEquals((await quickstart.status).code, 1);
    await quickstart.until(/error: The node quickstart-node ended\n[^]*hint: openclaw quickstart/);
    const left = [...Deno.readDirSync(home.path)].map(({ name }) => name);
    assertEquals(left.filter((name) => name.startsWith("openclaw-quickstart-")), []);
  },
);

Deno.test(
  "quickstart killed midway in its command, or without a place for its files, is told",
  linux,
  async () => {
    await using home = await TempHome.make();
    const env = home.env("unused", { TMPDIR: home.path });
    await using quickstart = start(["quickstart", "--once", "--", "sleep", "60"], { env });
    await quickstart.until(/allowed +once/);
    const [node] = processesWith(`--remove-at-end=${home.path}`);
    Deno.kill(node as number, "SIGKILL");
    assertEquals((await quickstart.status).code, 255);
    await quickstart.until(/error: Node quickstart-node (went away|is not connected)/);
    const nowhere = await run(["quickstart", "--once"], {
      env: { ...env, TMPDIR: `${home.path}/none` },
    });
    assertEquals(nowhere.code, 1);
    assertMatch(
      nowhere.stderr,
      /^error: Cannot make a temporary directory: .*\nhint: export TMPDIR=/,
    );
  },
);

Deno.test("quickstart stays until Ctrl-C and serves a second terminal", async () => {
  await using home = await TempHome.make();
  await using quickstart = start(["quickstart"], { env: home.env("unused") });
  const [, state] = await quickstart.until(/export OPENCLAW_STATE_DIR=(\S+)/);
  const env = home.env("unused", { OPENCLAW_STATE_DIR: state as string });
  const status = await run(["nodes", "status"], { env });
  assertStringIncludes(status.stdout, "Known: 1 · Paired: 1 · Connected: 1");
  const ended = await quickstart.end("SIGINT");
  assertEquals(ended.code, 130);
});
