import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { makeCertificate, readCertificate } from "../../src/identity/certificate.ts";
import { OpenclawError } from "../../src/lib/errors.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 21);

const facts = {
  commonName: "openclaw-gateway",
  sans: ["localhost", "127.0.0.1", "::1", "box.example"],
  notBeforeMs: NOW - DAY_MS,
  notAfterMs: NOW + 3650 * DAY_MS,
};

async function openssl(args: string[], input: string): Promise<string> {
  const child = new Deno.Command("openssl", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const hasOpenssl = await new Deno.Command("openssl", {
  args: ["version"],
  stdout: "null",
  stderr: "null",
})
  .output().then((o) => o.success, () => false);

Deno.test({
  name: "makeCertificate() makes what openssl reads as intended, correctly signed",
  ignore: !hasOpenssl,
  async fn() {
    const made = await makeCertificate(facts);
    const text = await openssl(
      ["x509", "-noout", "-text", "-fingerprint", "-sha256"],
      made.certPem,
    );
    for (
      const part of [
        "Version: 3",
        "Issuer: CN = openclaw-gateway",
        "Subject: CN = openclaw-gateway",
        "ecdsa-with-SHA256",
        "NIST CURVE: P-256",
        "CA:FALSE",
        "TLS Web Server Authentication",
        "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:box.example",
        "Not Before: Nov 20 00:00:00 2026 GMT",
        "Not After : Nov 18 00:00:00 2036 GMT",
      ]
    ) assert(text.replaceAll("CN=", "CN = ").includes(part), `${part} in\n${text}`);
    const print = /Fingerprint=([0-9A-F:]+)/.exec(text)?.[1]?.replaceAll(":", "").toLowerCase();
    assertEquals(print, made.fingerprint as string);
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, made.certPem);
      assertMatch(await openssl(["verify", "-CAfile", file], made.certPem), /OK/);
    } finally {
      await Deno.remove(file);
    }
    const key = await openssl(["pkey", "-pubout"], made.keyPem);
    assertEquals(key, await openssl(["x509", "-noout", "-pubkey"], made.certPem));
  },
});

Deno.test("50 certificates all verify against their own key (INTEGER padding of r and s)", async () => {
  for (let i = 0; i < 50; i++) {
    const made = await makeCertificate(facts);
    const read = await readCertificate(made.certPem);
    assertEquals(read.fingerprint, made.fingerprint);
    assertEquals(read.notBeforeMs, facts.notBeforeMs);
    assertEquals(read.notAfterMs, facts.notAfterMs);
    assertMatch(read.spkiFingerprint, /^spki:[0-9a-f]{64}$/);
    const parsed = new X509Certificate(made.certPem);
    assert(parsed.verify(parsed.publicKey), made.certPem);
    assert(parsed.checkPrivateKey(createPrivateKey(made.keyPem)));
  }
});

Deno.test("dates from 2050 on are written in the long form and read back", async () => {
  const notAfterMs = Date.UTC(2061, 5, 1);
  const made = await makeCertificate({ ...facts, notAfterMs });
  assertEquals((await readCertificate(made.certPem)).notAfterMs, notAfterMs);
});

Deno.test({
  name: "readCertificate() reads an RSA certificate made by openssl",
  ignore: !hasOpenssl,
  async fn() {
    const pem = await openssl([
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "/dev/null",
      "-subj",
      "/CN=x",
      "-days",
      "7",
    ], "");
    const read = await readCertificate(pem);
    assertEquals(read.notAfterMs - read.notBeforeMs, 7 * DAY_MS);
  },
});

Deno.test("cut or garbage certificates are a coded error, never a hang", async () => {
  const { certPem } = await makeCertificate(facts);
  const body = certPem.split("\n").slice(1, -2).join("");
  for (let cut = 4; cut < body.length; cut += 40) {
    const pem = `-----BEGIN CERTIFICATE-----\n${
      body.slice(0, cut - cut % 4)
    }\n-----END CERTIFICATE-----\n`;
    const error = await assertRejects(() => readCertificate(pem), OpenclawError);
    assertEquals(error.code, "CERTIFICATE_UNREADABLE");
  }
  await assertRejects(() => readCertificate("nothing"), OpenclawError);
});
