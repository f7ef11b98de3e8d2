/** The certificate of a running gateway: reloaded without a drop, and succeeded without a visit. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dial } from "../../src/net/dial/dial.ts";
import { makeCertificate } from "../../src/identity/certificate.ts";
import { loadNextTls, loadTlsInForce, makeNextTls } from "../../src/identity/tls_succession.ts";
import { fingerprintOfPem, requireFingerprint } from "../../src/identity/fingerprint.ts";
import { createLogger } from "../../src/lib/log.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { startNode } from "../../src/node/host.ts";
import { isOpenclawError } from "../../src/lib/errors.ts";
import { tempState } from "../config/temp_state.ts";
import { eventually } from "../e2e/program.ts";
import { type TestGateway, TOKEN, withGateway } from "../support/gateway.ts";

const TLS = { flags: { tls: true } };

async function newPair(days = 100) {
  const nowMs = Date.now();
  return await makeCertificate({
    commonName: "openclaw-gateway",
    sans: ["localhost", "127.0.0.1"],
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + days * 86_400_000,
  });
}

/** The error of a pinned dial. */
async function dialError(url: string, pin: string) {
  try {
    (await dial({ url, pin: requireFingerprint(pin, "the test"), timeoutMs: 30_000 })).terminate();
  } catch (error) {
    if (isOpenclawError(error)) return error;
    throw error;
  }
  return undefined;
}

const told = ({ logs }: TestGateway, text: string) =>
  eventually(text, () => logs.some(({ message }) => message.includes(text)));

Deno.test("F22: replaced files are served at once, open connections go on, half a pair changes nothing", () =>
  withGateway(async (gateway) => {
    const { state: { paths }, url } = gateway;
    const before = gateway.gateway.fingerprint ?? "";
    const owner = await gateway.owner();
    const made = await newPair(20);
    await Deno.writeTextFile(paths.tlsCertFile, made.certPem);
    await told(gateway, "certificate not reloaded, the old one stays");
    assertEquals(gateway.gateway.fingerprint, before);
    await Deno.writeTextFile(paths.tlsKeyFile, made.keyPem);
    await told(gateway, "certificate changed");
    // F23: 30 days before the end.
    await told(gateway, "the certificate expires on");
    assertEquals(gateway.gateway.fingerprint, made.fingerprint);
    assertEquals((await owner.request("health", {})).ok, true);
    assertEquals(await dialError(url, made.fingerprint), undefined);
    const error = await dialError(url, before);
    assertEquals(error?.code, "TLS_PIN_MISMATCH");
    // F22: without an announcement both prints are named.
    assertStringIncludes(error?.message ?? "", before);
    assertStringIncludes(error?.message ?? "", made.fingerprint);
    await Deno.remove(paths.tlsKeyFile);
    await eventually(
      "the missing half is told",
      () => JSON.stringify(gateway.logs).includes("cert/key missing"),
    );
    assertEquals(await dialError(url, made.fingerprint), undefined);
  }, TLS));

Deno.test("F22: an announced certificate: the node keeps its connection, follows the switch and comes back", () =>
  withGateway(async (gateway) => {
    await using state = await tempState({ OPENCLAW_GATEWAY_TOKEN: TOKEN }, "{}");
    const lines: string[] = [];
    const log = createLogger({
      subsystem: "node",
      clock: systemClock,
      sink: ({ message }) => lines.push(message),
    });
    const before = gateway.gateway.fingerprint ?? "";
    const flags = { host: "127.0.0.1", port: gateway.gateway.port, displayName: "pinned" };
    const options = { paths: state.paths, env: state.env, log, drainMs: 0 };
    let node = await startNode({ ...options, flags: { ...flags, tlsFingerprint: before } });
    const owner = await gateway.owner();
    const connected = (times: number) =>
      eventually(
        `connected ${times} times`,
        () => lines.filter((line) => line.startsWith("Connected")).length === times,
      );
    try {
      const requested = await owner.event("device.pair.requested");
      const { requestId } = requested.payload;
      const list = await owner.request("device.pair.list", {});
      const { surfaceHash } = list.payload.pending[0];
      await owner.request("device.pair.admit", { requestId, surfaceHash });
      await connected(1);
      const next = (await owner.request("gateway.cert.prepare", {})).payload.next.fingerprint;
      await eventually("the node has it", async () => {
        const { payload } = await owner.request("gateway.cert.show", {});
        return payload.nodes.length === 1 && payload.nodes[0].heard;
      });
      const file = async () => JSON.parse(await Deno.readTextFile(state.paths.nodeFile)).gateway;
      assertEquals([(await file()).tlsFingerprint, (await file()).tlsFingerprintNext], [
        before,
        next,
      ]);
      const switched = await owner.request("gateway.cert.switch", {});
      assertEquals([switched.ok, switched.payload.current.fingerprint], [true, next]);
      await eventually(
        "the new one is the pin",
        async () => (await file()).tlsFingerprint === next,
      );
      assertEquals((await file()).tlsFingerprintNext, undefined);
      assertEquals(gateway.gateway.fingerprint, next);
      assertEquals(
        lines.filter((line) => line.startsWith("Connected")).length,
        1,
        "it was dropped",
      );
      assertEquals(await dialError(gateway.url, next), undefined);
      await node.stop({ force: true });
      // Without the shared token: the device's own token moved to the new pin's entry.
      const { OPENCLAW_GATEWAY_TOKEN: _gone, ...env } = state.env;
      node = await startNode({ ...options, env, flags: {} });
      await connected(2);
    } finally {
      await node.stop({ force: true });
    }
  }, TLS));

Deno.test("F22: the switch waits for nodes that have not heard, and announcements of strangers count for nothing", () =>
  withGateway(async (gateway) => {
    const owner = await gateway.owner();
    assertEquals(
      (await owner.request("gateway.cert.switch", {})).error?.details?.code,
      "CERTIFICATE_MISSING",
    );
    const { payload } = await owner.request("gateway.cert.prepare", {});
    assertMatch(payload.next.fingerprint, /^[0-9a-f]{64}$/);
    const again = await owner.request("gateway.cert.prepare", {});
    assertEquals(again.payload.next.fingerprint, payload.next.fingerprint, "one successor only");
    assertEquals((await owner.request("node.cert.heard", { fingerprint: "x" })).ok, false);
    assertEquals((await owner.request("gateway.cert.switch", {})).ok, true);
  }, TLS));

Deno.test("F22: a switch that a crash cut short is finished at the next start", async () => {
  await using state = await tempState();
  const place = { certPath: state.paths.tlsCertFile, keyPath: state.paths.tlsKeyFile };
  const old = await newPair();
  await Deno.mkdir(state.paths.tlsDir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(place.certPath, old.certPem, { mode: 0o600 });
  const next = await makeNextTls(place);
  // The crash: marker and new key are there, the certificate is still the old one.
  await Deno.writeTextFile(place.keyPath, next.keyPem, { mode: 0o600 });
  await Deno.writeTextFile(`${state.paths.tlsDir}/.switching`, "", { mode: 0o600 });
  assertEquals((await loadTlsInForce(place)).fingerprint, next.fingerprint);
  const now = await fingerprintOfPem(await Deno.readTextFile(place.certPath));
  assertEquals(now, next.fingerprint);
  assertEquals(await loadNextTls(place), undefined);
});

Deno.test("a gateway without TLS has no certificate to show", () =>
  withGateway(async (gateway) => {
    const owner = await gateway.owner();
    const { ok, error } = await owner.request("gateway.cert.show", {});
    assert(!ok && /does not use TLS/.test(error?.message ?? ""));
  }));
