import { assert, assertEquals, assertRejects } from "@std/assert";
import { dirname, join } from "@std/path";
import { X509Certificate } from "node:crypto";
import { makeCertificate, readCertificate } from "../../src/identity/certificate.ts";
import { loadOrCreateTls, type TlsFilesOptions } from "../../src/identity/tls_files.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { FakeClock } from "../support/fake_clock.ts";

const DAY_MS = 86_400_000;

async function inTemp(run: (options: TlsFilesOptions) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const at = (name: string) => join(dir, "gateway", "tls", name);
  try {
    await run({
      certPath: at("gateway-cert.pem"),
      keyPath: at("gateway-key.pem"),
      hostName: "box",
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("both missing: a pair is made once, 0600 in 0700, and reused with a stable fingerprint", () =>
  inTemp(async (options) => {
    const made = await loadOrCreateTls(options);
    const again = await loadOrCreateTls(options);
    assertEquals([made.created, again.created], [true, false]);
    assertEquals(again.fingerprint, made.fingerprint);
    assertEquals(again.keyPem, made.keyPem);
    assertEquals(again.warnings, []);
    assert(Math.abs(again.notAfterMs - Date.now() - 3650 * DAY_MS) < DAY_MS);
    if (Deno.build.os !== "windows") {
      const mode = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;
      assertEquals([
        await mode(options.certPath),
        await mode(options.keyPath),
        await mode(dirname(options.keyPath)),
      ], [0o600, 0o600, 0o700]);
    }
  }));

Deno.test("a made certificate: openclaw-gateway, this machine's names, from yesterday for ten years, no authority", () =>
  inTemp(async (options) => {
    const clock = new FakeClock();
    const { certPem } = await loadOrCreateTls({ ...options, clock });
    const certificate = new X509Certificate(certPem);
    assertEquals([certificate.subject, certificate.issuer], [
      "CN=openclaw-gateway",
      "CN=openclaw-gateway",
    ]);
    assertEquals(certificate.ca, false);
    const { notBeforeMs, notAfterMs } = await readCertificate(certPem);
    const second = (ms: number) => Math.floor(ms / 1000);
    assertEquals(second(notBeforeMs), second(clock.now() - DAY_MS));
    assertEquals(second(notAfterMs), second(clock.now() + 3650 * DAY_MS));
    const names = certificate.subjectAltName ?? "";
    for (const name of ["DNS:localhost", "IP Address:127.0.0.1", "DNS:box"]) {
      assert(names.includes(name), names);
    }
    assert(/IP Address:(::1|0:0:0:0:0:0:0:1)/.test(names), names);
  }));

for (const which of ["certPath", "keyPath"] as const) {
  Deno.test(`only ${which} missing: an error, the other file stays`, () =>
    inTemp(async (options) => {
      await loadOrCreateTls(options);
      const other = which === "certPath" ? options.keyPath : options.certPath;
      const kept = await Deno.readTextFile(other);
      await Deno.remove(options[which]);
      const error = await assertRejects(() => loadOrCreateTls(options), OpenclawError);
      assertEquals([error.code, error.exitCode], ["TLS_FILES_INCOMPLETE", 78]);
      assert(error.message.startsWith("gateway tls: cert/key missing"));
      assertEquals(await Deno.readTextFile(other), kept);
    }));
}

Deno.test(
  "a pair made in a folder of the owner's choice leaves that folder as it is: others need it",
  {
    ignore: Deno.build.os === "windows",
  },
  () =>
    inTemp(async (options) => {
      const folder = dirname(options.certPath);
      await Deno.mkdir(folder, { recursive: true });
      await Deno.chmod(folder, 0o755);
      assertEquals((await loadOrCreateTls(options)).created, true);
      assertEquals(((await Deno.stat(folder)).mode ?? 0) & 0o777, 0o755);
      assertEquals(((await Deno.stat(options.keyPath)).mode ?? 0) & 0o777, 0o600);
    }),
);

Deno.test("autoGenerate off: nothing is made", () =>
  inTemp(async (options) => {
    const error = await assertRejects(
      () => loadOrCreateTls({ ...options, autoGenerate: false }),
      OpenclawError,
    );
    assertEquals(error.code, "TLS_FILES_INCOMPLETE");
    await assertRejects(() => Deno.stat(options.certPath), Deno.errors.NotFound);
  }));

Deno.test("F01: a crash between key and certificate is finished by the next start", () =>
  inTemp(async (options) => {
    await loadOrCreateTls(options);
    await Deno.remove(options.certPath);
    const marker = join(dirname(options.keyPath), ".gateway-key.pem.making");
    await Deno.writeTextFile(marker, "");
    const made = await loadOrCreateTls(options);
    assertEquals(made.created, true);
    assertEquals((await loadOrCreateTls(options)).fingerprint, made.fingerprint);
    // Both were written, only the marker was left: the pair stands, and a half lost later is not made anew.
    await Deno.writeTextFile(marker, "");
    const kept = await loadOrCreateTls(options);
    assertEquals([kept.created, kept.fingerprint], [false, made.fingerprint]);
    await Deno.remove(options.certPath);
    const error = await assertRejects(() => loadOrCreateTls(options), OpenclawError);
    assertEquals(error.code, "TLS_FILES_INCOMPLETE");
  }));

const DATES: readonly [string, number, number, RegExp | undefined][] = [
  ["31 days left", -1, 31, undefined],
  ["29 days left", -1, 29, /expires on/],
  ["expired", -9, -1, /expired on/],
  ["not yet valid", 1, 9, /not valid yet/],
];
for (const [name, fromDays, toDays, warning] of DATES) {
  Deno.test(`F23: ${name}: ${warning ? "warned" : "silent"}, used in any case`, () =>
    inTemp(async (options) => {
      const clock = new FakeClock();
      await Deno.mkdir(dirname(options.certPath), { recursive: true });
      const made = await makeCertificate({
        commonName: "x",
        sans: [],
        notBeforeMs: clock.now() + fromDays * DAY_MS,
        notAfterMs: clock.now() + toDays * DAY_MS,
      });
      await Deno.writeTextFile(options.certPath, made.certPem, { mode: 0o600 });
      await Deno.writeTextFile(options.keyPath, made.keyPem, { mode: 0o600 });
      const { warnings, fingerprint } = await loadOrCreateTls({ ...options, clock });
      assertEquals(fingerprint, made.fingerprint);
      assertEquals(warnings.length, warning ? 1 : 0);
      if (warning) assert(warning.test(warnings[0] ?? ""), warnings[0]);
    }));
}

Deno.test("garbage in either file is a coded error and stays", () =>
  inTemp(async (options) => {
    await loadOrCreateTls(options);
    for (const path of [options.certPath, options.keyPath]) {
      const good = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, "garbage");
      const error = await assertRejects(() => loadOrCreateTls(options), OpenclawError);
      assertEquals(error.code, "CERTIFICATE_UNREADABLE");
      assertEquals(await Deno.readTextFile(path), "garbage");
      await Deno.writeTextFile(path, good);
    }
  }));

const posix = Deno.build.os !== "windows";

Deno.test(
  "a given certificate is read through a link and its mode is left alone; other programs may serve it",
  {
    ignore: !posix,
  },
  () =>
    inTemp(async (options) => {
      const made = await loadOrCreateTls(options);
      const real = `${options.certPath}.2026`;
      await Deno.rename(options.certPath, real);
      await Deno.chmod(real, 0o644);
      await Deno.symlink(real, options.certPath);
      const again = await loadOrCreateTls(options);
      assertEquals([again.fingerprint, again.warnings], [made.fingerprint, []]);
      assertEquals(((await Deno.stat(real)).mode ?? 0) & 0o777, 0o644);
    }),
);

Deno.test(
  "N40: a key others could read is closed and told; one behind a link is refused with exit code 78",
  {
    ignore: !posix,
  },
  () =>
    inTemp(async (options) => {
      await loadOrCreateTls(options);
      await Deno.chmod(options.keyPath, 0o644);
      const { warnings } = await loadOrCreateTls(options);
      assertEquals(warnings.length, 1);
      assert(/was readable by others/.test(warnings[0] ?? ""), warnings[0]);
      assertEquals(((await Deno.stat(options.keyPath)).mode ?? 0) & 0o777, 0o600);
      await Deno.chmod(options.keyPath, 0o622);
      const writable = await assertRejects(() => loadOrCreateTls(options), OpenclawError);
      assertEquals([writable.code, writable.exitCode], ["FILE_UNSAFE", 78]);
      await Deno.chmod(options.keyPath, 0o600);
      await Deno.rename(options.keyPath, `${options.keyPath}.real`);
      await Deno.symlink(`${options.keyPath}.real`, options.keyPath);
      const linked = await assertRejects(() => loadOrCreateTls(options), OpenclawError);
      assertEquals([linked.code, linked.exitCode], ["FILE_UNSAFE", 78]);
      assert(linked.hint?.includes("gateway.tls.keyPath"), linked.hint);
    }),
);

const ODD_FILES: readonly [name: string, which: "certPath" | "keyPath", text: string][] = [
  ["an empty certificate", "certPath", ""],
  ["a certificate of one megabyte", "certPath", "x".repeat(1 << 20)],
  ["a certificate with a broken body", "certPath", pemOf("CERTIFICATE", "AAAA")],
  ["a key in the certificate's place", "certPath", pemOf("PRIVATE KEY", "AAAA")],
  ["an empty key", "keyPath", ""],
  ["a certificate in the key's place", "keyPath", pemOf("CERTIFICATE", "AAAA")],
  ["an encrypted key", "keyPath", pemOf("ENCRYPTED PRIVATE KEY", "AAAA")],
];

function pemOf(label: string, body: string): string {
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

for (const [name, which, text] of ODD_FILES) {
  Deno.test(`${name} is refused with exit code 78, naming the file, and stays`, () =>
    inTemp(async (options) => {
      await loadOrCreateTls(options);
      await Deno.writeTextFile(options[which], text);
      const error = await assertRejects(() => loadOrCreateTls(options), OpenclawError);
      assertEquals([error.code, error.exitCode], ["CERTIFICATE_UNREADABLE", 78]);
      assert(error.message.includes(options[which].split(/[\\/]/).at(-1) ?? "?"), error.message);
      assertEquals(await Deno.readTextFile(options[which]), text);
    }));
}
