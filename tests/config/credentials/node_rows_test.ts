/** Rows of config-and-credentials.md 5.4, 6 and 8 that show only where node, service and gateway use the tables. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { nodeCredentials } from "../../../src/config/credentials/target.ts";
import { startGateway } from "../../../src/gateway/server.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { createLogger } from "../../../src/lib/log.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { previewNode } from "../../../src/node/prepare.ts";
import { planInstall } from "../../../src/service/install.ts";
import { factsOf, hostOf } from "../../service/service_scene.ts";
import { cli } from "../../cli/support.ts";
import { TOKEN, withGateway } from "../../support/gateway.ts";
import { inside, tempState } from "../temp_state.ts";

Deno.test("5.4: OPENCLAW_GATEWAY_URL is not used by the node host", async () => {
  await using state = await tempState({ OPENCLAW_GATEWAY_URL: "wss://evil.example:1" }, "{}");
  const log = createLogger({ subsystem: "test", sink: () => {} });
  const { url } = await previewNode({ paths: state.paths, env: state.env, flags: {}, log });
  assertEquals(url, "ws://127.0.0.1:18789");
});

Deno.test("5.4: an unresolved reference stops the node, it does not go on with gateway.remote", async () => {
  const config = {
    gateway: { auth: { token: { source: "env", id: "NOPE" } }, remote: { token: "rt" } },
  };
  await using state = await tempState({}, JSON.stringify(config));
  const facts = { env: state.env, loaded: await state.load(), savedDeviceToken: false };
  const error = await assertRejects(() => nodeCredentials(facts), OpenclawError);
  assertEquals(error.code, "GATEWAY_SECRET_REF_UNAVAILABLE");
  // 5.4, addition of v4: with a stored device token the reference is not even looked at.
  assertEquals((await nodeCredentials({ ...facts, savedDeviceToken: true })).token, undefined);
});

Deno.test("section 6: node install copies the opt-in into the service, and only when it is set", async () => {
  await using state = await tempState();
  const name = "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS";
  for (const env of [{ [name]: "1" }, {}]) {
    const plan = await planInstall(factsOf(state.home), hostOf(state.home, [], env));
    assertEquals(plan.environment[name], (env as Record<string, string>)[name]);
  }
});

Deno.test("section 6: the error of a command starts with SECURITY ERROR and ends the command with 1", async () => {
  await using state = await tempState();
  const env = state.env as Record<string, string>;
  for (const url of ["ws://gateway.example:1", "ws://203.0.113.5:1", "http://gateway.example:1"]) {
    const { code, stderr } = await cli(["health", "--url", url, "--token", "t-secret"], { env });
    assertEquals(code, 1);
    assertMatch(stderr, /^error: SECURITY ERROR: refusing plaintext ws:\/\/ to "/);
    assert(!stderr.includes("t-secret"));
  }
});

Deno.test("section 8: a custom address that cannot be had is an error, not another address", async () => {
  await using state = await tempState(
    {},
    '{"gateway": {"bind": "custom", "customBindHost": "203.0.113.77"}}',
  );
  const flags = { port: 0, token: new Secret(TOKEN) };
  const error = await assertRejects(
    () => startGateway({ paths: state.paths, env: state.env, flags }),
    OpenclawError,
  );
  assertEquals(error.code, "LISTEN_FAILED");
  assertStringIncludes(error.message, "203.0.113.77");
});

Deno.test("section 7: a key of another certificate ends the start with exit code 78, never in plaintext", async () => {
  const { makeCertificate } = await import("../../../src/identity/certificate.ts");
  await using state = await tempState();
  const dates = { notBeforeMs: Date.now() - 1000, notAfterMs: Date.now() + 86_400_000 };
  const [one, two] = await Promise.all(
    [1, 2].map(() => makeCertificate({ commonName: "gw", sans: ["localhost"], ...dates })),
  );
  const [certPath, keyPath] = [inside(state, "c.pem"), inside(state, "k.pem")];
  await Deno.writeTextFile(certPath, one?.certPem ?? "");
  await Deno.writeTextFile(keyPath, two?.keyPem ?? "", { mode: 0o600 });
  await state.write(JSON.stringify({ gateway: { tls: { enabled: true, certPath, keyPath } } }));
  const flags = { port: 0, token: new Secret(TOKEN) };
  const error = await assertRejects(
    () => startGateway({ paths: state.paths, env: state.env, flags }),
    OpenclawError,
  );
  assertEquals([error.code, error.exitCode], ["TLS_UNUSABLE", 78]);
  assertStringIncludes(error.message, "does not belong to the certificate");
});

Deno.test("5.2: on the local gateway a refused token of the environment is named together with the config's", () =>
  withGateway(async ({ gateway, state }) => {
    const env = {
      ...state.env as Record<string, string>,
      OPENCLAW_GATEWAY_PORT: String(gateway.port),
      OPENCLAW_GATEWAY_TOKEN: "another-one",
    };
    const { code, stderr } = await cli(["health"], { env });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "OPENCLAW_GATEWAY_TOKEN and gateway.auth.token differ");
    assert(!stderr.includes("another-one") && !stderr.includes(TOKEN));
  }, { flags: { token: undefined }, config: { gateway: { auth: { token: TOKEN } } } }));
