/**
 * The doctor against every fault that can be injected: real gateways, nodes and broken servers. Each fault is found
 * with its code in less than three seconds; the faults are counted.
 */
import { assert, assertEquals } from "@std/assert";
import { DIAGNOSES } from "../../../src/cli/doctor/table.ts";
import { Pair, run } from "../program.ts";
import { CONFIG_FAULTS } from "./config_faults.ts";
import { CREDENTIAL_FAULTS } from "./credential_faults.ts";
import { nodeFaults } from "./node_faults.ts";
import { type Fault, type Report, TooSlow } from "./report.ts";
import { SERVER_FAULTS } from "./server_faults.ts";
import { START_FAULTS } from "./start_faults.ts";
import { TLS_FAULTS } from "./tls_faults.ts";

/** Faults that are injected before a pair of gateway and node is made. */
const ALONE = [
  ...CONFIG_FAULTS,
  ...START_FAULTS,
  ...SERVER_FAULTS,
  ...TLS_FAULTS,
  ...CREDENTIAL_FAULTS,
];

Deno.test("doctor: at least 30 injected faults are each found with their code in under 3 s", {
  ignore: Deno.build.os === "windows",
}, async (t) => {
  const found = new Set<string>();
  let count = 0;
  const inject = async ({ title, code, notHere, inject }: Fault) => {
    const why = notHere?.();
    if (why !== undefined) return console.log(`not run: ${title}: ${why}`);
    const passed = await t.step(`${title} is ${code}`, async () => {
      await inject().catch(async (error) => {
        if (!(error instanceof TooSlow)) throw error;
        await inject();
      });
    });
    if (!passed) return;
    count++;
    found.add(code);
  };
  for (const fault of ALONE) await inject(fault);
  await using pair = await Pair.make();
  await t.step("nothing is wrong: exit 0, all hops ok, as a real process", async () => {
    const env = pair.home.env("gateway");
    const done = await run(["doctor", "--json", "--node", "build-1"], { env });
    assertEquals(done.code, 0, done.stdout);
    const { hops } = JSON.parse(done.stdout) as Report;
    assertEquals(hops.map(({ state }) => state), Array(13).fill("ok"));
  });
  for (const fault of nodeFaults(pair)) await inject(fault);
  await t.step("they are counted", () => {
    console.log(`${count} faults found, ${found.size} different codes`);
    assert(count >= 30 && found.size >= 30, `${count} faults, ${found.size} codes`);
  });
});

/** Facts the doctor fills in, and those a person has to know. */
const FACTS: ReadonlySet<string> = new Set([
  ...["host", "port", "url", "wss-url", "http-url", "actualUrl", "observed", "requestId"],
  ...["kind", "path", "node", "argv", "stateDir", "lockFile", "tlsDir", "folder"],
  ...["token", "password", "pin", "user", "gateway host", "proxy address"],
]);

Deno.test("doctor: every diagnosis has a cause and one command, with facts that can be had", () => {
  for (const [code, { cause, command }] of Object.entries(DIAGNOSES)) {
    assert(cause !== "" && command !== undefined, code);
    assert(/^(openclaw|export|unset|ls|mv|df|date|cat|ip|getent|curl) /.test(command), command);
    for (const [, fact = ""] of command.matchAll(/<([^>]+)>/g)) {
      assert(FACTS.has(fact), `${code}: <${fact}>`);
    }
  }
});

Deno.test("README: every code of Troubleshooting is one of the doctor's and has its fault in the table", async () => {
  const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
  const section = readme.split("\n## ").find((part) => part.startsWith("Troubleshooting")) ?? "";
  const codes = [...section.matchAll(/\| `([A-Z_]+)` \|/g)].map((match) => match[1] as string);
  assert(codes.length >= 12, `${codes}`);
  const behind = await Deno.readTextFile(new URL("node_faults.ts", import.meta.url));
  const injected = new Set(ALONE.map(({ code }) => code));
  for (const code of codes) {
    assert(DIAGNOSES[code], `${code} is not in the doctor's table`);
    assert(injected.has(code) || behind.includes(`"${code}"`), `nothing injects ${code}`);
  }
});
