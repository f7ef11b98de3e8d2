/**
 * The frames of our own test suite: the tests of gateway and node and the end-to-end ones run once more with a recorder in
 * every process, and every frame our gateway, node and command line sent is held against the published schema.
 */
import { assert, assertEquals } from "@std/assert";
import { RECORD_DIR, type SuiteFrame } from "../support/record_frames.ts";
import { Matrix } from "./matrix.ts";
import { Comparison, oracle } from "./schema_oracle.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PRELOAD = `${ROOT}tests/support/record_frames.ts`;

/** Suites that put gateway, node or command line on the wire; the longest files first, so that none is left over. */
const SUITES = [
  "tests/e2e/main_job_test.ts",
  "tests/e2e/pairing_test.ts",
  "tests/e2e/join/join_test.ts",
  "tests/e2e/devices_test.ts",
  "tests/gateway/",
  "tests/node/",
  "tests/client/",
];

/** Runs the suites; whether they pass is their own matter, told by the test step. */
async function record(dir: string): Promise<void> {
  await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--parallel", "--preload", PRELOAD, ...SUITES],
    cwd: ROOT,
    env: { [RECORD_DIR]: dir },
    stdout: "null",
    stderr: "null",
  }).output();
}

function* framesOf(dir: string): Generator<SuiteFrame> {
  for (const { name } of Deno.readDirSync(dir)) {
    for (const line of Deno.readTextFileSync(`${dir}/${name}`).split("\n")) {
      if (line !== "") yield JSON.parse(line);
    }
  }
}

Deno.test("every frame of ours in the whole test suite is valid by the published schema", async (t) => {
  const matrix = new Matrix("our suites' frames -> published schema", "v4");
  const comparison = new Comparison(await oracle());
  const dir = await Deno.makeTempDir({ prefix: "openclaw-frames-" });
  try {
    await record(dir);
    const senders = { gateway: 0, client: 0, request: 0 };
    for (const { conn, from, text } of framesOf(dir)) {
      senders[from]++;
      comparison.add({ conn, text, held: from !== "request" });
    }
    await matrix.scenario(t, "gateway, node, client and end-to-end tests", () => {
      const { gateway, client } = senders;
      console.log(`held ${comparison.checked} values of ${gateway + client} frames of ours`);
      assertEquals([...comparison.found], []);
      assert(gateway > 5_000 && client > 100, `only ${gateway} and ${client} frames`);
      return Promise.resolve();
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
    await matrix.write();
  }
});
