/** Faults of certificates and pins, against gateways that speak TLS. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { makeCertificate } from "../../../src/identity/certificate.ts";
import { tempState } from "../../config/temp_state.ts";
import {
  checkFinding,
  examine,
  examineProcess,
  expectCode,
  type Fault,
  gatewayAt,
  remote,
  withClient,
  withProcess,
} from "./report.ts";
import { tlsAlert } from "./servers.ts";

const DAY_MS = 86_400_000;

/** A gateway with TLS, and what a client with this configuration finds. */
function atTls(
  title: string,
  code: string,
  config: (url: string, fingerprint: string) => string,
  check: (command: string, fingerprint: string) => void = () => {},
): Fault {
  return {
    title,
    code,
    async inject() {
      await using state = await tempState();
      await using gateway = await gatewayAt(state, { tls: true });
      const pin = gateway.fingerprint ?? "";
      await withClient(config(gateway.url, pin), async ({ env }) => {
        check((await expectCode(code, env)).finding?.command ?? "", pin);
      });
    },
  };
}

/** A gateway whose certificate this machine trusts as an authority, so that only names and dates are left to judge. */
function trusted(
  title: string,
  code: string,
  make: { sans: readonly string[]; fromDays: number; toDays: number },
): Fault {
  return {
    title,
    code,
    async inject() {
      await using state = await tempState();
      const nowMs = Date.now();
      const made = await makeCertificate({
        commonName: "openclaw-gateway",
        sans: make.sans,
        notBeforeMs: nowMs + make.fromDays * DAY_MS,
        notAfterMs: nowMs + make.toDays * DAY_MS,
      });
      await Deno.mkdir(state.paths.tlsDir, { recursive: true, mode: 0o700 });
      await Deno.writeTextFile(state.paths.tlsCertFile, made.certPem, { mode: 0o600 });
      await Deno.writeTextFile(state.paths.tlsKeyFile, made.keyPem, { mode: 0o600 });
      await using gateway = await gatewayAt(state, { tls: true });
      await withProcess(remote(gateway.url), async (home, env) => {
        const authority = `${home.path}/authority.pem`;
        await Deno.writeTextFile(authority, made.certPem);
        checkFinding(await examineProcess({ ...env, DENO_CERT: authority }), code);
      });
    },
  };
}

const HERE = ["localhost", "127.0.0.1"];

export const TLS_FAULTS: readonly Fault[] = [
  atTls(
    "a self-signed certificate and no pin; the command names what was seen",
    "TLS_UNTRUSTED",
    (url) => remote(url),
    (command, pin) => assertStringIncludes(command, pin),
  ),
  atTls(
    "a wrong pin",
    "TLS_PIN_MISMATCH",
    (url) => remote(url, { tlsFingerprint: "a".repeat(64) }),
  ),
  atTls(
    "plaintext at a TLS port; the command names the right address",
    "TLS_REQUIRED",
    (url) => remote(url.replace("wss:", "ws:")),
    (command) => assertStringIncludes(command, "wss://"),
  ),
  trusted("a trusted certificate for another name", "TLS_CERTIFICATE_NAME", {
    sans: ["other.example"],
    fromDays: -1,
    toDays: 9,
  }),
  trusted("an expired certificate without a pin", "TLS_CERTIFICATE_DATES", {
    sans: HERE,
    fromDays: -9,
    toDays: -1,
  }),
  trusted("a certificate of tomorrow without a pin", "CLOCK_SKEW", {
    sans: HERE,
    fromDays: 1,
    toDays: 9,
  }),
  {
    title: "a TLS server that wants nothing of it",
    code: "TLS_FAILED",
    async inject() {
      await using server = tlsAlert();
      await withClient(
        remote(`wss://127.0.0.1:${server.port}`, { tlsFingerprint: "a".repeat(64) }),
        ({ env }) => expectCode("TLS_FAILED", env),
      );
    },
  },
  {
    title: "a pin that was right before",
    code: "TLS_CERTIFICATE_CHANGED",
    async inject() {
      await using state = await tempState();
      await using gateway = await gatewayAt(state, { tls: true });
      await using otherState = await tempState();
      await using other = await gatewayAt(otherState, { tls: true });
      const pinned = { tlsFingerprint: gateway.fingerprint };
      await withClient(remote(gateway.url, pinned), async (client) => {
        assertEquals((await examine(client.env)).finding, null);
        await client.write(remote(other.url, pinned));
        const { finding } = await expectCode("TLS_CERTIFICATE_CHANGED", client.env);
        assertStringIncludes(finding?.command ?? "", other.fingerprint ?? "");
      });
    },
  },
];
