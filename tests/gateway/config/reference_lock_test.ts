/**
 * Decision 26: one gateway per state directory, whoever runs it. The lock files are written as releases 2026.4 and
 * 2026.9 of the reference write them; the interop suite has the real ones.
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { startGateway } from "../../../src/gateway/server.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { processRow } from "../../../src/platform/process/table.ts";
import { inside, type TempState, tempState } from "../../config/temp_state.ts";

const linux = Deno.build.os === "linux";
const folder = `openclaw-${Deno.uid()}`;

/** Where each release keeps its locks, and what is in one. */
const RELEASES = {
  "2026.4": (state: TempState) => ({
    path: inside(state, "tmp", folder, "gateway.dfc989a4.lock"),
    lock: { configPath: state.paths.configFile },
  }),
  "2026.9": (state: TempState) => ({
    path: join(state.paths.stateDir, "tmp", folder, "gateway.state.lock"),
    lock: { configPath: "/elsewhere", stateDir: state.paths.stateDir, role: "gateway", port: 1 },
  }),
};

async function stateWithTemp(): Promise<TempState> {
  const state = await tempState();
  return { ...state, env: { ...state.env, TMPDIR: `${inside(state, "tmp")}/` } };
}

/** Starts a gateway with this lock file in place; `undefined` when it starts, else the refusal. */
async function startBeside(
  release: keyof typeof RELEASES,
  change: Record<string, unknown>,
): Promise<OpenclawError | undefined> {
  await using state = await stateWithTemp();
  const { path, lock } = RELEASES[release](state);
  const owner = { pid: Deno.pid, startTime: processRow("self")?.startTicks };
  const text = `${JSON.stringify({ ...owner, createdAt: "x", ...lock, ...change })}\n\t \t\n`;
  await Deno.mkdir(join(path, ".."), { recursive: true });
  await Deno.writeTextFile(path, text);
  try {
    const gateway = await startGateway({
      paths: state.paths,
      env: state.env,
      flags: { port: 0, bind: "loopback" },
    });
    await gateway.stop({ drainMs: 0 });
    return undefined;
  } catch (error) {
    if (error instanceof OpenclawError) return error;
    throw error;
  } finally {
    assertEquals(await Deno.readTextFile(path), text, "never written or removed");
  }
}

for (const release of Object.keys(RELEASES) as (keyof typeof RELEASES)[]) {
  Deno.test(`decision 26: a running gateway of release ${release} is found by its lock and named`, {
    ignore: !linux,
  }, async () => {
    const refused = await startBeside(release, {});
    assertEquals([refused?.code, refused?.details?.pid], ["GATEWAY_ALREADY_RUNNING", Deno.pid]);
    assertStringIncludes(refused?.message ?? "", "lock file");
  });

  Deno.test(`F31: a lock of release ${release} whose owner is gone keeps nobody from starting`, {
    ignore: !linux,
  }, async () => {
    const rows: Record<string, Record<string, unknown>> = {
      "pid of somebody else now": { startTime: 1 },
      "no such process": { pid: 4_194_303, startTime: 5 },
      "no number": { pid: "1" },
      "negative": { pid: -1 },
      "another job": { role: "agent-embedded" },
      "another gateway": { configPath: "/other.json", stateDir: "/other" },
    };
    for (const [name, change] of Object.entries(rows)) {
      assertEquals((await startBeside(release, change))?.message, undefined, name);
    }
  });
}

Deno.test(
  "decision 26: what is no lock of ours is passed over: links, folders, garbage, other users",
  {
    ignore: !linux,
  },
  async () => {
    await using state = await stateWithTemp();
    const { path, lock } = RELEASES["2026.4"](state);
    const dir = join(path, "..");
    await Deno.mkdir(join(dir, "gateway.folder.lock"), { recursive: true });
    const live = JSON.stringify({ pid: Deno.pid, ...lock });
    await Deno.writeTextFile(join(dir, "elsewhere"), live);
    await Deno.symlink(join(dir, "elsewhere"), join(dir, "gateway.link.lock"));
    await Deno.writeTextFile(join(dir, "gateway.garbage.lock"), "{");
    await Deno.writeTextFile(join(dir, "gateway.list.lock"), "[1]");
    await Deno.writeTextFile(join(dir, "gateway.big.lock"), live + " ".repeat(70_000));
    if (Deno.uid() === 0) {
      await Deno.writeTextFile(join(dir, "gateway.foreign.lock"), live);
      await Deno.chown(join(dir, "gateway.foreign.lock"), 12345, 12345);
    }
    const flags = { port: 0, bind: "loopback" } as const;
    const gateway = await startGateway({ paths: state.paths, env: state.env, flags });
    await gateway.stop({ drainMs: 0 });
  },
);

Deno.test("decision 26: a second start writes no token under a gateway that runs", async () => {
  await using state = await tempState({}, "{}");
  const flags = { port: 0, bind: "loopback" } as const;
  const env = { ...state.env, OPENCLAW_GATEWAY_TOKEN: "tok-synthetic-of-the-first-0123456789" };
  const first = await startGateway({ paths: state.paths, env, flags });
  try {
    const start = () => startGateway({ paths: state.paths, env: state.env, flags });
    const error = await assertRejects(start, OpenclawError);
    assertEquals(error.code, "GATEWAY_ALREADY_RUNNING");
    assertEquals(await state.read(), "{}", "its token would have replaced the one in use");
  } finally {
    await first.stop({ drainMs: 0 });
  }
});
