/** `gateway run --ws-log`: frames by type, method, id and size, never by content. */
import { assert, assertEquals } from "@std/assert";
import { startGateway } from "../../src/gateway/server.ts";
import type { FrameLogStyle } from "../../src/gateway/peers/frame_log.ts";
import type { LogRecord } from "../../src/lib/log.ts";
import { Secret } from "../../src/lib/secret.ts";
import { tempState } from "../config/temp_state.ts";
import { TOKEN } from "../support/gateway.ts";
import { connectParams, Wire } from "../support/wire.ts";

/** Everything logged at level debug while an owner makes one good and one refused call. */
async function linesOf(frameLog: FrameLogStyle | undefined): Promise<LogRecord[]> {
  await using state = await tempState();
  const records: LogRecord[] = [];
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    flags: { port: 0, bind: "loopback", token: new Secret(TOKEN) },
    logSinks: [(record) => records.push(record)],
    logLevel: "debug",
    frameLog,
  });
  try {
    const wire = await Wire.open(gateway.url);
    await wire.challenge();
    await wire.request("connect", connectParams({ auth: { token: TOKEN } }));
    assert((await wire.request("config.get", {})).ok);
    assert(!(await wire.request("node.describe", { nodeId: "hidden-content" })).ok);
    await wire.close();
  } finally {
    await gateway.stop();
  }
  return records;
}

const shown = (records: LogRecord[], message: string) =>
  records.filter((record) => record.message === message).map(({ fields }) => fields);

Deno.test("--ws-log compact: one line for a call and its answer, nothing of its content", async () => {
  const records = await linesOf("compact");
  const calls = shown(records, "call").map(({ method, ok, code }) => [method, ok, code]);
  assertEquals(calls, [["config.get", true, undefined], [
    "node.describe",
    false,
    "INVALID_REQUEST",
  ]]);
  assertEquals([...shown(records, "frame in"), ...shown(records, "frame out")], []);
  assert(shown(records, "call").every(({ ms, conn }) => typeof ms === "number" && conn));
  assert(!JSON.stringify(records).includes("hidden-content"));
});

Deno.test("--ws-log full: every frame in both directions, events by name", async () => {
  const records = await linesOf("full");
  assertEquals(
    shown(records, "frame in").map(({ type, method }) => [type, method]),
    [["req", "config.get"], ["req", "node.describe"]],
  );
  const out = shown(records, "frame out");
  const answers = out.filter(({ type }) => type === "res").map(({ id }) => id);
  const asked = shown(records, "frame in").map(({ id }) => id);
  assertEquals(answers.slice(-2), asked);
  assert(out.some(({ type, event }) => type === "event" && event === "connect.challenge"));
  assert(out.every(({ size }) => Number(size) > 0));
  const text = JSON.stringify(records);
  assert(!text.includes("hidden-content") && !text.includes(TOKEN));
});

Deno.test("without --ws-log no frame is logged", async () => {
  const records = await linesOf(undefined);
  assertEquals(records.filter(({ message }) => /^(call|frame)/.test(message)), []);
});
