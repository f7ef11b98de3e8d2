/** `gateway run` as a person starts it: what it says, what stands in its way, and what `--force` ends and leaves alone. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command, eventually, freePort, run, type Running, start, TempHome } from "./program.ts";

const linux = { ignore: Deno.build.os !== "linux" };

/** A gateway of `state` that is ready. */
async function gateway(home: TempHome, state: string, flags: readonly string[]): Promise<Running> {
  const running = start(["gateway", "run", ...flags], { env: home.env(state) });
  await running.until(/ready \(Ctrl-C stops\)/);
  return running;
}

Deno.test("gateway run names the page where a browser finds it, and why when it is off", async (t) => {
  await using home = await TempHome.make();
  const port = freePort();
  const env = home.env("g");
  await t.step("with TLS: https, and the page is there", async () => {
    await using running = await gateway(home, "g", ["--tls", "--port", String(port)]);
    assertStringIncludes(running.said, `page: https://127.0.0.1:${port}/\n`);
    const status = await run(["gateway", "status"], { env });
    assertStringIncludes(status.stdout, `Dashboard: https://127.0.0.1:${port}/\n`);
    assert(!status.stdout.includes("Start with:"), "it runs already");
  });
  await t.step("without: http, below its base path", async () => {
    await run(["config", "set", "gateway.controlUi.basePath", "/board"], { env });
    await using running = await gateway(home, "g", ["--port", String(port)]);
    const url = running.said.match(/page: (\S+)/)?.[1] as string;
    assertEquals(url, `http://127.0.0.1:${port}/board/`);
    assertStringIncludes(await (await fetch(url)).text(), "<title>");
  });
  await t.step("turned off: said so, and there is none", async () => {
    await run(["config", "set", "gateway.controlUi.enabled", "false"], { env });
    await using running = await gateway(home, "g", ["--port", String(port)]);
    assertStringIncludes(running.said, "page: off (gateway.controlUi.enabled is false)");
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    assertEquals([answer.status, await answer.text()], [404, "Not Found"]);
  });
});

Deno.test(
  "gateway run --force takes the place of the gateway of its state directory",
  linux,
  async () => {
    await using home = await TempHome.make();
    const port = String(freePort());
    await using first = await gateway(home, "g", ["--port", port]);
    const refused = await run(["gateway", "run", "--port", port], { env: home.env("g") });
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, `process id ${first.pid} already runs on it`);
    assertStringIncludes(refused.stderr, "hint: openclaw gateway run --force");
    await using second = await gateway(home, "g", ["--port", port, "--force"]);
    assertStringIncludes(second.said, `ending the gateway with process id ${first.pid}`);
    assertEquals((await first.status).code, 0, "it was asked, not killed");
    const health = await run(["health"], { env: home.env("g") });
    assertEquals(health.code, 0, health.stderr);
  },
);

Deno.test("gateway run --force ends a gateway that does not answer any more", linux, async () => {
  await using home = await TempHome.make();
  const port = String(freePort());
  await using first = await gateway(home, "g", ["--port", port]);
  first.signal("SIGSTOP");
  const second = start(["gateway", "run", "--port", port, "--force"], { env: home.env("g") });
  await using _ = second;
  await second.until(/ready \(Ctrl-C stops\)/, 40_000);
  assertMatch(second.said, /it does not answer any more\n.*it is killed\n/);
  assertEquals((await first.status).signal, "SIGKILL");
});

Deno.test(
  "gateway run --force ends a gateway of another state directory that holds the port, over TLS too",
  linux,
  async () => {
    await using home = await TempHome.make();
    for (const flags of [["--tls"], []]) {
      const port = String(freePort());
      await using other = await gateway(home, "other", ["--port", port, ...flags]);
      await using mine = await gateway(home, "mine", ["--port", port, "--force"]);
      assertStringIncludes(mine.said, `ending the gateway with process id ${other.pid}`);
      assertEquals((await other.status).code, 0);
    }
  },
);

Deno.test(
  "gateway run --force never ends a program that is no gateway, and says so",
  linux,
  async (t) => {
    await using home = await TempHome.make();
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response("{}"),
    );
    const silent = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    try {
      for (
        const [what, port] of [["a web server", server.addr.port], ["silence", silent.addr.port]]
      ) {
        await t.step(`${what} on the port`, async () => {
          const done = await run(["gateway", "run", "--force", "--port", String(port)], {
            env: home.env("g"),
          });
          assertEquals(done.code, 1);
          assertStringIncludes(done.stderr, `process ${Deno.pid} (`);
          assertStringIncludes(
            done.stderr,
            "--force did not end it: it does not greet as a gateway",
          );
          assertMatch(done.stderr, /hint: openclaw gateway run --port \d+/);
          assert(!done.stderr.includes("ending the gateway"));
        });
      }
    } finally {
      silent.close();
      await server.shutdown();
    }
  },
);

Deno.test(
  "F04: a full disk behind the screen output, or nobody who reads it, does not stop a gateway",
  linux,
  async () => {
    await using home = await TempHome.make();
    const { file, args } = command(["gateway", "run"]);
    for (const redirection of ["2>/dev/full", "2>&-", "2> >(head -1 >/dev/null)"]) {
      const env = home.env("g", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
      const child = new Deno.Command("bash", {
        args: ["-c", `exec "$@" ${redirection}`, "bash", file, ...args],
        env,
        clearEnv: true,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      try {
        await eventually(`it answers: ${redirection}`, async () => {
          return (await run(["health"], { env })).code === 0;
        });
        child.kill("SIGTERM");
      } catch (error) {
        child.kill("SIGKILL");
        throw error;
      } finally {
        assertEquals((await child.status).code, 0, redirection);
      }
    }
  },
);

Deno.test(
  "gateway stop, start and restart name a gateway in the foreground by its process",
  linux,
  async () => {
    await using home = await TempHome.make();
    await using running = await gateway(home, "g", ["--port", String(freePort())]);
    for (const verb of ["stop", "start", "restart"]) {
      const done = await run(["gateway", verb, "--json"], { env: home.env("g") });
      assertEquals(done.code, 1, done.stderr);
      const { error } = JSON.parse(done.stdout);
      assertEquals([error.code, error.details.pid], ["SERVICE_NOT_INSTALLED", running.pid]);
      assertStringIncludes(error.message, `runs in the foreground as process ${running.pid}`);
    }
  },
);

Deno.test("gateway run --ws-log compact shows calls, never their content; --compact is the same", async () => {
  await using home = await TempHome.make();
  for (const flags of [["--ws-log", "compact"], ["--compact"], ["--verbose"]]) {
    await using running = await gateway(home, "g", ["--port", String(freePort()), ...flags]);
    await run(["devices", "rename", "--device", "nobody-special", "--name", "x"], {
      env: home.env("g"),
    });
    await running.until(/debug gateway call .*method=device\.pair\.(list|rename)/);
    assert(!running.said.includes("nobody-special"));
  }
});
