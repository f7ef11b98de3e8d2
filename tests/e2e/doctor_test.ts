/**
 * `doctor` against injected faults: each one has its own code, hop, cause and next command, found in under 3 s.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { freePort, Pair, run, TempHome } from "./program.ts";

interface Report {
  readonly ok: boolean;
  readonly hops: readonly { hop: string; state: string }[];
  readonly finding: { code: string; hop: string; cause: string; command?: string } | null;
}

async function doctor(
  env: Record<string, string>,
  args: readonly string[] = [],
): Promise<Report & { code: number; tookMs: number; stdout: string }> {
  const startMs = performance.now();
  const done = await run(["doctor", "--json", ...args], { env });
  const report = JSON.parse(done.stdout) as Report;
  return { ...report, code: done.code, tookMs: performance.now() - startMs, stdout: done.stdout };
}

/** Something that listens and is no gateway. */
class Listening implements Disposable {
  readonly port: number;
  readonly #listener: Deno.Listener;

  constructor(answer: string | undefined) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    void this.#serve(answer);
  }

  async #serve(answer: string | undefined): Promise<void> {
    for await (const connection of this.#listener) {
      if (answer === undefined) {
        connection.close();
        continue;
      }
      const buffer = new Uint8Array(4096);
      await connection.read(buffer).catch(() => null);
      await connection.write(new TextEncoder().encode(answer)).catch(() => 0);
      connection.close();
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

const HTTP_404 = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

Deno.test("doctor finds what is wrong before and at the gateway", async (t) => {
  await using pair = await Pair.make();
  const { port, pin, token } = pair.facts;
  const { home } = pair;
  const url = `wss://127.0.0.1:${port}`;
  const config = async (state: string, value: unknown) => {
    await Deno.mkdir(`${home.path}/${state}`, { recursive: true, mode: 0o700 });
    const text = typeof value === "string" ? value : JSON.stringify(value);
    await Deno.writeTextFile(`${home.path}/${state}/openclaw.json`, text, { mode: 0o600 });
    return home.env(state);
  };
  const remote = (more: Record<string, unknown>) => ({
    gateway: { mode: "remote", remote: { url, transport: "direct", token, ...more } },
  });
  using notFound = new Listening(HTTP_404);
  using hangsUp = new Listening(undefined);
  using greets = new Listening("SSH-2.0-OpenSSH_9.6\r\n");
  const at = (otherPort: number, scheme = "ws") => ({ url: `${scheme}://127.0.0.1:${otherPort}` });

  const faults: [
    name: string,
    env: () => Promise<Record<string, string>>,
    code: string,
    hop: string,
  ][] = [
    ["truncated configuration", () => config("c1", '{"gateway": {'), "CONFIG_INVALID", "config"],
    [
      "no address in remote mode",
      () => config("c2", { gateway: { mode: "remote" } }),
      "GATEWAY_REMOTE_URL_MISSING",
      "config",
    ],
    [
      "an address that is none",
      () => config("c3", remote({ url: "gopher://x" })),
      "ENDPOINT_MALFORMED",
      "config",
    ],
    [
      "plaintext to a public address",
      () => config("c4", remote({ url: "ws://203.0.113.9:1" })),
      "PLAINTEXT_REFUSED",
      "config",
    ],
    [
      "an unknown host name",
      () => config("c5", remote({ url: "wss://no-such-host.invalid:1" })),
      "DNS_FAILED",
      "name",
    ],
    [
      "nobody listens",
      () => config("c6", remote({ url: `wss://127.0.0.1:${freePort()}` })),
      "CONNECTION_REFUSED",
      "tcp",
    ],
    [
      "the gateway is not running",
      () => Promise.resolve(home.env("c7", { OPENCLAW_GATEWAY_PORT: String(freePort()) })),
      "CONNECTION_REFUSED",
      "tcp",
    ],
    [
      "TLS towards a port without TLS",
      () => config("c8", remote({ ...at(notFound.port, "wss"), tlsFingerprint: pin })),
      "TLS_NOT_SPOKEN",
      "tls",
    ],
    [
      "TLS towards ssh",
      () => config("c9", remote({ ...at(greets.port, "wss"), tlsFingerprint: pin })),
      "TLS_NOT_SPOKEN",
      "tls",
    ],
    ["self-signed and no pin", () => config("c10", remote({})), "TLS_UNTRUSTED", "pin"],
    [
      "another certificate",
      () => config("c11", remote({ tlsFingerprint: "0".repeat(64) })),
      "TLS_PIN_MISMATCH",
      "pin",
    ],
    [
      "a pin of 63 digits",
      () => config("c12", remote({ tlsFingerprint: pin.slice(1) })),
      "PIN_MALFORMED",
      "pin",
    ],
    [
      "a pin for plaintext",
      () => config("c13", remote({ ...at(port), tlsFingerprint: pin })),
      "TLS_PIN_WITHOUT_TLS",
      "pin",
    ],
    ["a web server", () => config("c14", remote(at(notFound.port))), "HTTP_REFUSED", "upgrade"],
    [
      "wrong token",
      () => config("c15", remote({ tlsFingerprint: pin, token: "wrong" })),
      "AUTH_TOKEN_MISMATCH",
      "credential",
    ],
    [
      "no token",
      () => config("c16", remote({ tlsFingerprint: pin, token: undefined })),
      "AUTH_TOKEN_MISSING",
      "credential",
    ],
    [
      "a blank token",
      () => config("c17", remote({ tlsFingerprint: pin, token: "  " })),
      "AUTH_TOKEN_MISSING",
      "credential",
    ],
    [
      "a secret reference without a value",
      () =>
        config(
          "c18",
          remote({
            tlsFingerprint: pin,
            token: { source: "env", provider: "default", id: "NOT_SET_HERE" },
          }),
        ),
      "GATEWAY_SECRET_REF_UNAVAILABLE",
      "credential",
    ],
  ];
  for (const [name, env, code, hop] of faults) {
    await t.step(`${name}: ${code} at ${hop}`, async () => {
      const report = await doctor(await env());
      assertEquals([report.finding?.code, report.finding?.hop], [code, hop], report.stdout);
      assertEquals(report.code, 1);
      assert((report.finding?.cause ?? "").length > 10);
      assert(!report.stdout.includes(token), "the token is in the report");
      assertEquals(report.hops.find((h) => h.state === "broken")?.hop, hop);
    });
  }
  await t.step("a peer that hangs up is named, whatever the hop", async () => {
    const report = await doctor(await config("c19", remote(at(hangsUp.port))));
    assertEquals(report.ok, false);
    assert(["upgrade", "tcp", "challenge"].includes(report.finding?.hop ?? ""), report.stdout);
  });
  await t.step("colons and upper case in a pin are fine", async () => {
    const spelled = pin.toUpperCase().replace(/(..)(?=.)/g, "$1:");
    const report = await doctor(await config("c20", remote({ tlsFingerprint: spelled })));
    assertEquals(report.finding, null, report.stdout);
  });
  await t.step("--url without credentials: named as that", async () => {
    const report = await doctor(home.env("c21"), ["--url", url]);
    assertEquals(report.finding?.code, "GATEWAY_URL_CREDENTIALS_MISSING");
  });

  const own = home.env("gateway");
  await t.step("everything fine, on to the node: no finding, exit 0", async () => {
    const report = await doctor(own, ["--node", "build-1"]);
    assertEquals([report.ok, report.code, report.finding], [true, 0, null], report.stdout);
    assertEquals(report.hops.at(-1), { hop: "run", state: "ok" });
  });
  await t.step("node not showing: unknown here", async () => {
    const report = await doctor(own, ["--node", "somebody"]);
    assertEquals([report.finding?.code, report.finding?.hop], ["NODE_UNKNOWN", "surface"]);
  });
  await t.step("the node's policy denies everything", async () => {
    await pair.policy("deny", "off");
    const report = await doctor(own, ["--node", "build-1"]);
    assertEquals(
      [report.finding?.code, report.finding?.hop],
      ["POLICY_DENIES", "policy"],
      report.stdout,
    );
  });
  await t.step("node not showing: paired, but not connected", async () => {
    await pair.node.end();
    const report = await doctor(own, ["--node", "build-1"]);
    assertEquals(
      [report.finding?.code, report.finding?.hop],
      ["NODE_OFFLINE", "surface"],
      report.stdout,
    );
  });
  await t.step("for a person: found, cause, next", async () => {
    const done = await run(["doctor", "--node", "build-1"], { env: own });
    assertStringIncludes(done.stdout, "Next    openclaw node run");
  });
});

Deno.test(
  "doctor --fix tightens file modes and says so",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using home = await TempHome.make();
    const file = `${home.path}/gateway/openclaw.json`;
    await Deno.mkdir(`${home.path}/gateway`, { mode: 0o700 });
    await Deno.writeTextFile(file, "{}");
    await Deno.chmod(file, 0o640);
    const env = home.env("gateway", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
    const done = await run(["doctor", "--fix"], { env });
    assertStringIncludes(done.stdout, "openclaw.json: mode 600");
    assertEquals(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
  },
);
