/** What the doctor says besides its one finding: notes about what is no fault, and both ends of a node's way. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeCertificate } from "../../../src/identity/certificate.ts";
import { tempState } from "../../config/temp_state.ts";
import { examine, gatewayAt, remote, TOKEN, withClient } from "./report.ts";

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
