/** Certificates as owners bring them: every kind of key, files half written, renewals with one key, nodes that were away. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { connect } from "node:tls";
import { makeCertificate, readCertificate } from "../../src/identity/certificate.ts";
import { requireFingerprint } from "../../src/identity/fingerprint.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createLogger } from "../../src/lib/log.ts";
import { dial } from "../../src/net/dial/dial.ts";
import { startNode } from "../../src/node/host.ts";
import { cli } from "../cli/support.ts";
import { inside, type TempState, tempState } from "../config/temp_state.ts";
import { eventually } from "../e2e/program.ts";
import { type TestGateway, TOKEN, withGateway } from "../support/gateway.ts";
import { startGateway } from "../../src/gateway/server.ts";

type Environment = Record<string, string>;

const TLS = { flags: { tls: true } };

/** Whether a pinned dial gets through; `pin` of the certificate or of its key. */
const reaches = (url: string, pin: string) =>
  dial({ url, pin: requireFingerprint(pin, "the test"), timeoutMs: 30_000 })
    .then((socket) => (socket.terminate(), true), ({ code }) => code);

const newPair = () =>
  makeCertificate({
    commonName: "openclaw-gateway",
    sans: ["localhost", "127.0.0.1"],
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 100 * 86_400_000,
  });

Deno.test("F22: while certificate and key are written piece by piece, every newcomer gets a whole pair", () =>
  withGateway(async (gateway) => {
    const { state: { paths }, url } = gateway;
    const old = gateway.gateway.fingerprint ?? "";
    const { certPem, keyPem, fingerprint } = await newPair();
    const steps: readonly (readonly [path: string, text: string])[] = [
      [paths.tlsCertFile, ""],
      [paths.tlsCertFile, certPem.slice(0, certPem.length >> 1)],
      [paths.tlsCertFile, certPem],
      [paths.tlsKeyFile, ""],
      [paths.tlsKeyFile, keyPem.slice(0, keyPem.length >> 1)],
    ];
    const kept = () =>
      gateway.logs.filter(({ message }) => message.startsWith("certificate not reloaded")).length;
    for (const [n, [path, text]] of steps.entries()) {
      await Deno.writeTextFile(path, text);
      await eventually(`step ${n} is looked at`, () => kept() > n);
      assertEquals(await reaches(url, old), true, `step ${n}`);
    }
    await Deno.writeTextFile(paths.tlsKeyFile, keyPem);
    await eventually("the new pair is served", () => gateway.gateway.fingerprint === fingerprint);
    assertEquals([await reaches(url, fingerprint), await reaches(url, old)], [
      true,
      "TLS_PIN_MISMATCH",
    ]);
  }, TLS));

/** A pinned node of this gateway, paired. */
async function pairedNode(gateway: TestGateway, state: TempState) {
  const lines: string[] = [];
  const sink = (record: { message: string }) => void lines.push(JSON.stringify(record));
  const log = createLogger({ subsystem: "node", clock: systemClock, sink });
  const options = { paths: state.paths, env: state.env, log, drainMs: 0 };
  const tlsFingerprint = gateway.gateway.fingerprint ?? "";
  const flags = {
    host: "127.0.0.1",
    port: gateway.gateway.port,
    displayName: "away",
    tlsFingerprint,
  };
  const node = await startNode({ ...options, flags });
  const owner = await gateway.owner();
  const { payload: { requestId } } = await owner.event("device.pair.requested");
  const { payload: { pending } } = await owner.request("device.pair.list", {});
  const [{ surfaceHash }] = pending;
  await owner.request("device.pair.admit", { requestId, surfaceHash });
  return { owner, lines, node, again: () => startNode({ ...options, flags: {} }) };
}

Deno.test("F22: a node that was away for a switch hears the next one before there is another; two it cannot miss unforced", () =>
  withGateway(async (gateway) => {
    await using state = await tempState({ OPENCLAW_GATEWAY_TOKEN: TOKEN }, "{}");
    const { owner, lines, node, again } = await pairedNode(gateway, state);
    const ask = async (method: string, params = {}) => await owner.request(method, params);
    const heard = (isConnected: boolean) =>
      eventually(`heard, connected ${isConnected}`, async () => {
        const [entry] = (await ask("gateway.cert.show")).payload.nodes;
        return entry?.heard === true && entry.connected === isConnected;
      });
    let away = node;
    try {
      await eventually(
        "it is in",
        async () => (await ask("gateway.cert.show")).payload.nodes[0]?.connected,
      );
      await ask("gateway.cert.prepare");
      await heard(true);
      await away.stop({ force: true });
      await heard(false);
      const second = await ask("gateway.cert.switch");
      assertEquals(second.ok, true, "it knows this one");

      // Named as `nodes status` names it.
      const [{ nodeId }] = (await ask("gateway.cert.show")).payload.nodes;
      assertEquals((await ask("node.rename", { nodeId, displayName: "renamed" })).ok, true);
      const third = (await ask("gateway.cert.prepare")).payload.next.fingerprint;
      const early = await ask("gateway.cert.switch");
      assertEquals(early.error?.details?.code, "CERTIFICATE_NOT_HEARD");
      assertStringIncludes(early.error?.message ?? "", "renamed");
      away = await again();
      await heard(true);
      assertEquals((await ask("gateway.cert.switch")).payload.current.fingerprint, third);
      const pin = async () =>
        JSON.parse(await Deno.readTextFile(state.paths.nodeFile)).gateway.tlsFingerprint;
      await eventually("its pin is the third", async () => await pin() === third);

      // Forced while it is away: it stays out and names both prints; nothing unpins it.
      await away.stop({ force: true });
      const fourth = (await ask("gateway.cert.prepare")).payload.next.fingerprint;
      assertEquals((await ask("gateway.cert.switch", { force: true })).ok, true);
      lines.length = 0;
      away = await again();
      await eventually("it says so", () => lines.some((line) => line.includes("mismatch")));
      const said = lines.join("\n");
      for (const print of [third, fourth]) assertStringIncludes(said, print);
      assertEquals(await pin(), third);
    } finally {
      await away.stop({ force: true });
    }
  }, TLS));

/** openssl makes what we do not; without it these are not run. */
async function openssl(dir: string, ...args: string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("openssl", {
      args,
      cwd: dir,
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false; // not installed
  }
}

const hasOpenssl = await openssl(".", "version");
const REQ = ["req", "-x509", "-nodes", "-subj", "/CN=given", "-days", "30"];
const KINDS: readonly (readonly [name: string, ...commands: (readonly string[])[]])[] = [
  ["RSA 2048", [...REQ, "-newkey", "rsa:2048", "-keyout", "k.pem", "-out", "c.pem"]],
  ["P-384", [
    ...[...REQ, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ...["-keyout", "k.pem", "-out", "c.pem"],
  ]],
  ["Ed25519", [...REQ, "-newkey", "ed25519", "-keyout", "k.pem", "-out", "c.pem"]],
  [
    "an EC key as old tools write it",
    ["ecparam", "-name", "prime256v1", "-genkey", "-out", "k.pem"],
    [...REQ, "-key", "k.pem", "-out", "c.pem"],
  ],
];

async function given(state: TempState) {
  const [certPath, keyPath] = [inside(state, "c.pem"), inside(state, "k.pem")];
  await Deno.chmod(keyPath, 0o600);
  await state.write(
    JSON.stringify({
      gateway: { auth: { token: TOKEN }, tls: { enabled: true, certPath, keyPath } },
    }),
  );
  const gateway = await startGateway({ paths: state.paths, env: state.env, flags: { port: 0 } });
  return Object.assign(gateway, { [Symbol.asyncDispose]: () => gateway.stop({ drainMs: 0 }) });
}

for (const [name, ...commands] of KINDS) {
  Deno.test(`a given certificate with ${name} is served and can be pinned, also by its key`, {
    ignore: !hasOpenssl || Deno.build.os === "windows",
  }, async () => {
    await using state = await tempState();
    for (const args of commands) assert(await openssl(state.home, ...args), args.join(" "));
    await using gateway = await given(state);
    const { fingerprint, spkiFingerprint } = await readCertificate(
      await Deno.readTextFile(inside(state, "c.pem")),
    );
    assertEquals(gateway.fingerprint, fingerprint);
    assertEquals(await reaches(gateway.url, fingerprint), true);
    assertEquals(await reaches(gateway.url, spkiFingerprint), true);
  });
}

Deno.test(
  "a given pair in one file, with words around it, is served; its fingerprint is read through a link",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using state = await tempState();
    const { certPem, keyPem, fingerprint } = await newPair();
    const both = `Bag Attributes\n  friendlyName: gw\n${keyPem}subject=CN = gw\n${certPem}`;
    await Deno.writeTextFile(inside(state, "k.pem"), both);
    await Deno.writeTextFile(inside(state, "archive.pem"), both);
    await Deno.chmod(inside(state, "archive.pem"), 0o644);
    await Deno.symlink(inside(state, "archive.pem"), inside(state, "c.pem"));
    await using gateway = await given(state);
    assertEquals(gateway.fingerprint, fingerprint);
    assertEquals(await reaches(gateway.url, fingerprint), true);
    const told = await cli(["gateway", "fingerprint", "--json"], { env: state.env as Environment });
    assertEquals(JSON.parse(told.stdout).fingerprint, fingerprint, told.stderr);
    assertEquals((await Deno.stat(inside(state, "archive.pem"))).mode! & 0o777, 0o644);
  },
);

Deno.test(
  "a chain is served with the gateway's own certificate first; a renewal with the same key keeps a key pin",
  {
    ignore: !hasOpenssl || Deno.build.os === "windows",
  },
  async () => {
    await using state = await tempState();
    const make = async (...args: string[]) => assert(await openssl(state.home, ...args), `${args}`);
    await make(...REQ, "-newkey", "rsa:2048", "-keyout", "ca.key", "-out", "ca.pem");
    await make(
      "req",
      "-nodes",
      "-newkey",
      "rsa:2048",
      "-keyout",
      "k.pem",
      "-subj",
      "/CN=gw",
      "-out",
      "r.csr",
    );
    const sign = [
      "x509",
      "-req",
      "-in",
      "r.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-out",
      "leaf.pem",
    ];
    const issue = async (serial: string) => {
      await make(...sign, "-days", "20", "-set_serial", serial);
      const files = ["leaf.pem", "ca.pem"].map((name) => Deno.readTextFile(inside(state, name)));
      const [leaf = "", authority = ""] = await Promise.all(files);
      await Deno.writeTextFile(inside(state, "c.pem"), leaf + authority);
      return await readCertificate(leaf);
    };
    const first = await issue("1");
    await using gateway = await given(state);
    assertEquals(gateway.fingerprint, first.fingerprint);
    const second = await issue("2");
    assert(second.fingerprint !== first.fingerprint);
    assertEquals(second.spkiFingerprint, first.spkiFingerprint);
    await eventually("the renewal is served", () => gateway.fingerprint === second.fingerprint);
    assertEquals(await reaches(gateway.url, first.spkiFingerprint), true, "the key pin goes on");
    assertEquals(await reaches(gateway.url, first.fingerprint), "TLS_PIN_MISMATCH");
  },
);

Deno.test("caPath goes to the listener; clients are not asked for certificates, and TLS below 1.3 is refused", async () => {
  await using state = await tempState();
  const authority = await newPair();
  const caPath = inside(state, "ca.pem");
  await Deno.writeTextFile(caPath, authority.certPem);
  await state.write(
    JSON.stringify({ gateway: { auth: { token: TOKEN }, tls: { enabled: true, caPath } } }),
  );
  const gateway = await startGateway({ paths: state.paths, env: state.env, flags: { port: 0 } });
  try {
    assertEquals(await reaches(gateway.url, gateway.fingerprint ?? ""), true);
    const code = await new Promise((resolve) => {
      const socket = connect({
        host: "127.0.0.1",
        port: gateway.port,
        rejectUnauthorized: false,
        maxVersion: "TLSv1.2",
      });
      socket.once("secureConnect", () => (socket.destroy(), resolve("connected")));
      socket.once("error", () => (socket.destroy(), resolve("refused")));
    });
    assertEquals(code, "refused");
  } finally {
    await gateway.stop({ drainMs: 0 });
  }
});
