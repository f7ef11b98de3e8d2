/** Join URLs and the other ways to hand a line to a new machine, with real processes. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePort, run, start, TempHome } from "../program.ts";

Deno.test("an https join URL is fetched once from a host the system trusts, and brings the pin along", async () => {
  await using home = await TempHome.make();
  const port = freePort();
  const env = home.env("gateway");
  await using gateway = start(["gateway", "run", "--tls", "--port", String(port)], { env });
  await gateway.until(/ready/);
  const pin = gateway.said.match(/[0-9a-f]{64}/)?.[0] as string;
  const made = await run(
    ["devices", "join-code", "--join-url", "--public-url", `wss://127.0.0.1:${port}`],
    { env },
  );
  assertMatch(made.stdout, /^https:\/\/127\.0\.0\.1:\d+\/j\/[A-Za-z0-9_-]{22}\n$/);
  const url = made.stdout.trim();
  const refused = await run(["connect", url], { env: home.env("stranger") });
  assertEquals(refused.code, 1, refused.stderr);
  assertStringIncludes(refused.stderr, "this system does not trust its certificate");
  assert(!refused.stderr.includes(url.slice(-22)), "the code is a secret until it is used");
  // Not fetched, so not used up. DENO_CERT stands for the certificate authorities of the system.
  const certificate = `${home.path}/gateway/gateway/tls/gateway-cert.pem`;
  const trusting = home.env("node", { DENO_CERT: certificate });
  await using node = start(["connect", url], { env: trusting });
  await node.until(/Connected to gateway/);
  const file = JSON.parse(await Deno.readTextFile(`${home.path}/node/node.json`));
  assertEquals(file.gateway.tlsFingerprint, pin);
  const again = await run(["connect", url], { env: home.env("thief", { DENO_CERT: certificate }) });
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, "it was used, has expired, or never existed");
});

Deno.test("N25: a join URL over plain http is fetched from this machine only", async () => {
  await using home = await TempHome.make();
  const url = `http://192.0.2.1:18789/j/${"A".repeat(22)}`;
  const done = await run(["connect", url], { env: home.env("node") });
  assertEquals(done.code, 1);
  assertStringIncludes(done.stderr, "refusing plaintext");
});

Deno.test("node run --pair joins with a line, and a joined machine with another one", async () => {
  await using home = await TempHome.make();
  const gateways = [freePort(), freePort()].map((port, n) => ({
    port,
    env: home.env(`gateway${n}`),
  }));
  for (const { port, env } of gateways) {
    await using gateway = start(["gateway", "run", "--tls", "--port", String(port)], { env });
    await gateway.until(/ready/);
    const made = await run(
      ["devices", "join-code", "--public-url", `wss://127.0.0.1:${port}`],
      { env },
    );
    await using node = start(["node", "run", "--pair", made.stdout.trim()], {
      env: home.env("node"),
    });
    await node.until(/Connected to gateway/);
    const status = JSON.parse((await run(["nodes", "status", "--json"], { env })).stdout);
    assert(status.nodes[0].connected && status.nodes[0].commands.includes("system.run"));
    const file = JSON.parse(await Deno.readTextFile(`${home.path}/node/node.json`));
    assertEquals(file.gateway.port, port);
  }
});
