/** F22 with real processes: a certificate is succeeded over a gateway restart, and node and command lines follow it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually, Pair, run, start } from "../program.ts";

Deno.test(
  "F22: who heard the next pin outlives a restart; node and command lines follow; the record shows the new one",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using pair = await Pair.make();
    const { port, pin, token } = pair.facts;
    const laptop = await client(pair, "laptop");
    const asleep = await client(pair, "asleep");
    const call = async (method: string) => {
      const done = await pair.cli(["gateway", "call", method, "--json"]);
      assertEquals(done.code, 0, done.stderr);
      return JSON.parse(done.stdout);
    };
    const status = (env: Record<string, string>, more: string[] = []) =>
      run(["nodes", "status", ...more], { env });
    assertEquals((await status(laptop.env)).code, 0, "with the configured pin");
    assertEquals(await laptop.book(), undefined, "nothing to remember yet");

    const next: string = (await call("gateway.cert.prepare")).next.fingerprint;
    await eventually(
      "the node has it",
      async () => (await call("gateway.cert.show")).nodes[0].heard,
    );
    assertEquals((await status(laptop.env)).code, 0);
    assertEquals((await laptop.book())?.gateways[pin], { current: pin, next });

    // Nobody is there to say it again.
    await pair.node.end();
    await pair.gateway.end();
    const env = pair.home.env("gateway", { OPENCLAW_GATEWAY_PORT: String(port) });
    await using again = start(["gateway", "run", "--tls"], { env });
    await again.until(/ready/);
    const [node] = (await call("gateway.cert.show")).nodes;
    assertEquals([node.connected, node.heard], [false, true]);
    assertEquals((await call("gateway.cert.switch")).current.fingerprint, next);
    const record = `${env.OPENCLAW_STATE_DIR}/gateway/runtime.json`;
    await eventually(
      "the record shows it",
      async () => JSON.parse(await Deno.readTextFile(record)).fingerprint === next,
    );

    const followed = await status(laptop.env);
    assertEquals(followed.code, 0, followed.stderr);
    assertEquals((await laptop.book())?.gateways[pin], { current: next }, "the old one is dropped");
    assertStringIncludes(await Deno.readTextFile(laptop.config), pin, "the file stays its owner's");
    // A flag means exactly that certificate; a command line that was away is not led on by strangers.
    const url = ["--url", `wss://127.0.0.1:${port}`, "--token", token];
    const exact = await status(laptop.env, [...url, "--tls-fingerprint", pin]);
    assertEquals(exact.code, 1);
    assertMatch(exact.stderr, /fingerprint mismatch/);
    assertMatch((await status(asleep.env)).stderr, /fingerprint mismatch/);

    const nodeEnv = pair.home.env("node", { OPENCLAW_GATEWAY_TOKEN: token });
    await using back = start(["node", "run"], { env: nodeEnv });
    await back.until(/Connected to gateway/);
    await again.end();
  },
);

/** A command line elsewhere whose configuration pins the gateway. */
async function client(pair: Pair, name: string) {
  const env = pair.home.env(name);
  const folder = env.OPENCLAW_STATE_DIR as string;
  const config = `${folder}/openclaw.json`;
  const { port, pin, token } = pair.facts;
  const remote = { url: `wss://127.0.0.1:${port}`, token, tlsFingerprint: pin };
  await Deno.mkdir(folder, { mode: 0o700 });
  await Deno.writeTextFile(config, JSON.stringify({ gateway: { mode: "remote", remote } }), {
    mode: 0o600,
  });
  const book = async () => {
    const text = await Deno.readTextFile(`${folder}/identity/operator-pins.json`).catch(() => "");
    return text === "" ? undefined : JSON.parse(text);
  };
  return { env, config, book };
}
