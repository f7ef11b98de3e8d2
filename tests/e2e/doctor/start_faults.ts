/** Faults of a gateway on this machine that could not start: nothing listens, and the doctor says why none does. */
import { assertStringIncludes } from "@std/assert";
import { makeCertificate } from "../../../src/identity/certificate.ts";
import { freePort } from "../program.ts";
import { inside, type TempState } from "../../config/temp_state.ts";
import { expectCode, type Fault, withClient } from "./report.ts";

/** A gateway configuration that a start refuses. */
function refusedStart(
  title: string,
  code: string,
  gateway: Record<string, unknown>,
  says: string,
): Fault {
  return {
    title,
    code,
    inject: () =>
      withClient(
        JSON.stringify({ gateway: { port: freePort(), ...gateway } }),
        async ({ env }) => {
          const { finding } = await expectCode(code, env);
          assertStringIncludes(finding?.message ?? "", says);
        },
      ),
  };
}

/** The doctor on a gateway whose certificate and key are files of the owner. */
async function expectWithFiles(
  state: TempState,
  code: string,
  files: readonly [cert: string, key: string],
): Promise<void> {
  const [certPath = "", keyPath = ""] = ["given.crt", "given.key"].map((name) =>
    inside(state, name)
  );
  await Deno.writeTextFile(certPath, files[0], { mode: 0o600 });
  await Deno.writeTextFile(keyPath, files[1], { mode: 0o600 });
  const gateway = {
    port: freePort(),
    auth: TOKEN,
    tls: { enabled: true, certPath, keyPath },
  };
  await state.write(JSON.stringify({ gateway }));
  const { finding } = await expectCode(code, state.env);
  if (code === "CERTIFICATE_UNREADABLE") assertStringIncludes(finding?.message ?? "", "given.");
}

/** Certificate and key as they come. */
function givenFiles(
  title: string,
  code: string,
  make: (cert: string, key: string, otherKey: string) => readonly [cert: string, key: string],
): Fault {
  return {
    title,
    code,
    inject: () =>
      withClient("{}", async (state) => {
        const dates = { notBeforeMs: Date.now() - 1000, notAfterMs: Date.now() + 9 * 86_400_000 };
        const [one, two] = await Promise.all(
          [1, 2].map(() => makeCertificate({ commonName: "gw", sans: ["localhost"], ...dates })),
        );
        const files = make(one?.certPem ?? "", one?.keyPem ?? "", two?.keyPem ?? "");
        await expectWithFiles(state, code, files);
      }),
  };
}

/** openssl makes what we do not. */
function openssl(args: readonly string[]): string {
  try {
    const { stdout } = new Deno.Command("openssl", { args: [...args], stderr: "null" })
      .outputSync();
    return new TextDecoder().decode(stdout);
  } catch {
    return ""; // not installed
  }
}

const WEAK = ["req", "-x509", "-nodes", "-newkey", "rsa:1024", "-subj", "/CN=gw", "-days", "9"];

const TOKEN = { token: "given-tok" };

export const START_FAULTS: readonly Fault[] = [
  refusedStart(
    "mode password without a password",
    "GATEWAY_AUTH_NOT_CONFIGURED",
    { auth: { mode: "password" } },
    "no password was configured",
  ),
  refusedStart(
    "a trusted proxy that nobody named",
    "GATEWAY_AUTH_NOT_CONFIGURED",
    { auth: { mode: "trusted-proxy", trustedProxy: { userHeader: "x-user" } } },
    "requires gateway.trustedProxies",
  ),
  refusedStart(
    "a network address without auth",
    "GATEWAY_BIND_WITHOUT_AUTH",
    { bind: "lan", auth: { mode: "none" } },
    "refusing to bind gateway",
  ),
  refusedStart(
    "bind custom without an address",
    "GATEWAY_BIND_INVALID",
    { bind: "custom", auth: TOKEN },
    "requires gateway.customBindHost",
  ),
  refusedStart(
    "Tailscale serve on the LAN",
    "TAILSCALE_BIND_CONFLICT",
    { bind: "lan", tailscale: { mode: "serve" }, auth: TOKEN },
    "requires gateway bind=loopback",
  ),
  refusedStart(
    "Tailscale funnel without a password",
    "TAILSCALE_FUNNEL_AUTH",
    { tailscale: { mode: "funnel" }, auth: TOKEN },
    "requires gateway auth mode=password",
  ),
  givenFiles("a key of another certificate", "TLS_UNUSABLE", (cert, _key, other) => [cert, other]),
  {
    title: "a key that is too weak",
    code: "TLS_UNUSABLE",
    notHere: () => openssl(["version"]) === "" ? "no openssl here" : undefined,
    inject: () =>
      withClient("{}", async (state) => {
        const keyFile = inside(state, "weak.key");
        const cert = openssl([...WEAK, "-keyout", keyFile]);
        await expectWithFiles(state, "TLS_UNUSABLE", [cert, await Deno.readTextFile(keyFile)]);
      }),
  },
  givenFiles("a certificate that is not PEM", "CERTIFICATE_UNREADABLE", (_cert, key) => [
    "\u0030\u0082\u0003",
    key,
  ]),
  givenFiles("a certificate file cut short", "CERTIFICATE_UNREADABLE", (cert, key) => [
    cert.slice(0, cert.length / 2),
    key,
  ]),
  givenFiles("an encrypted key", "CERTIFICATE_UNREADABLE", (cert, key) => [
    cert,
    key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
  ]),
];
