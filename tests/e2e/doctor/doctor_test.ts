/** What the doctor says besides its one finding: notes about what is no fault, and both ends of a node's way. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeCertificate } from "../../../src/identity/certificate.ts";
import { tempState } from "../../config/temp_state.ts";
import { checkFinding, examine, gatewayAt, remote, TOKEN, withClient } from "./report.ts";
import { freePort } from "../program.ts";

Deno.test("doctor: F23: an expired certificate with the right pin works and is noted", async () => {
  await using state = await tempState({}, "{}");
  const nowMs = Date.now();
  const made = await makeCertificate({
    commonName: "openclaw-gateway",
    sans: ["localhost", "127.0.0.1"],
    notBeforeMs: nowMs - 20 * 86_400_000,
    notAfterMs: nowMs - 86_400_000,
  });
  await Deno.mkdir(state.paths.tlsDir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(state.paths.tlsCertFile, made.certPem, { mode: 0o600 });
  await Deno.writeTextFile(state.paths.tlsKeyFile, made.keyPem, { mode: 0o600 });
  await using gateway = await gatewayAt(state, { tls: true });
  await withClient(remote(gateway.url, { tlsFingerprint: made.fingerprint }), async ({ env }) => {
    assertEquals((await examine(env)).finding, null);
  });
  const here = await examine({
    ...state.env,
    OPENCLAW_GATEWAY_PORT: String(gateway.port),
    OPENCLAW_GATEWAY_TOKEN: TOKEN,
  });
  assert(here.notes.some((note) => /certificate expired/.test(note)), JSON.stringify(here));
});

Deno.test("doctor: colons and capitals in a pin are fine", async () => {
  await using state = await tempState();
  await using gateway = await gatewayAt(state, { tls: true });
  const pin = gateway.fingerprint?.toUpperCase().match(/../g)?.join(":");
  await withClient(remote(gateway.url, { tlsFingerprint: pin }), async ({ env }) => {
    assertEquals((await examine(env)).finding, null);
  });
});

Deno.test("doctor: F19: a clock an hour or ten years off is noted and hinders nothing", async () => {
  for (const skewMs of [3_600_000, -3_600_000, 10 * 365 * 86_400_000, -10 * 365 * 86_400_000]) {
    await using state = await tempState();
    await using gateway = await gatewayAt(state, {}, skewMs);
    await withClient(remote(gateway.url), async ({ env }) => {
      const { finding, notes } = await examine(env);
      assertEquals(finding, null);
      const side = skewMs > 0 ? "ahead of" : "behind";
      assertMatch(
        notes.join("\n"),
        new RegExp(`CLOCK_SKEW: the gateway's clock is \\d+ s ${side}`),
      );
    });
  }
});

/** What is found before anything is dialled: the code, the configuration and the words behind `doctor`. */
const UNDIALLED: Readonly<Record<string, readonly [config: string, words?: readonly string[]]>> = {
  PIN_MALFORMED: [remote("wss://127.0.0.1:1", { tlsFingerprint: "ab:cd" })],
  TLS_PIN_WITHOUT_TLS: [remote("ws://127.0.0.1:1", { tlsFingerprint: "a".repeat(64) })],
  GATEWAY_URL_CREDENTIALS_MISSING: ["{}", ["--url", "ws://127.0.0.1:1"]],
  GATEWAY_SECRET_REF_UNAVAILABLE: [
    remote("ws://127.0.0.1:1", { token: { source: "env", provider: "default", id: "NOT_SET" } }),
  ],
  DEVICE_KEY_UNUSABLE: [remote("ws://127.0.0.1:1")],
};

for (const [code, [config, words = []]] of Object.entries(UNDIALLED)) {
  Deno.test(`doctor: ${code} is found before dialling: no hop on the way is called ok`, () =>
    withClient(config, async (state) => {
      if (code === "DEVICE_KEY_UNUSABLE") {
        await Deno.mkdir(state.paths.identityDir, { mode: 0o700 });
        await Deno.writeTextFile(state.paths.operatorKeyFile, "{}", { mode: 0o600 });
      }
      const { hops } = checkFinding(await examine(state.env, words), code);
      const ok = hops.filter((hop) => hop.state === "ok").map(({ hop }) => hop);
      assertEquals(ok, ["config"]);
    }));
}

Deno.test("doctor: a refused connection: name and route were passed, nothing behind it was seen", () =>
  withClient("{}", async (state) => {
    const { hops } = checkFinding(await examine(state.env), "GATEWAY_NOT_RUNNING");
    assertEquals(hops.slice(0, 4).map(({ state }) => state), ["ok", "ok", "ok", "broken"]);
    assertEquals(new Set(hops.slice(4).map(({ state }) => state)), new Set(["not reached"]));
  }, { OPENCLAW_GATEWAY_PORT: String(freePort()) }));
