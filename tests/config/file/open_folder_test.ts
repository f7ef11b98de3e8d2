/** N40: the folder of a file that decides who gets in, when others can write it: told with what to type. */
import { assertEquals, assertMatch } from "@std/assert";
import { openFolderNotes } from "../../../src/config/file/open_folder.ts";
import { loadServerPlan } from "../../../src/config/server/server_plan.ts";
import { statePaths } from "../../../src/config/paths.ts";
import { loadConfig } from "../../../src/config/file/load.ts";
import { cli } from "../../cli/support.ts";
import { freePort } from "../../e2e/program.ts";
import { inside, type TempState, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";

/** A folder of this mode with a configuration in it. */
async function folderOf(state: TempState, mode: number, owner?: number): Promise<string> {
  const folder = inside(state, "shared");
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/openclaw.json`, "{}", { mode: 0o600 });
  if (owner !== undefined) await Deno.chown(folder, owner, owner);
  await Deno.chmod(folder, mode);
  return folder;
}

/** Mode of the folder, and whether it is told. */
const MODES: readonly (readonly [mode: number, isTold: boolean])[] = [
  [0o700, false],
  [0o755, false],
  [0o775, true],
  [0o707, true],
  [0o2775, true],
  [0o1777, false],
];

for (const [mode, isTold] of MODES) {
  Deno.test(`N40: a folder of mode ${mode.toString(8)} is ${isTold ? "told" : "fine"}`, {
    ignore: !posix,
  }, async () => {
    await using state = await tempState();
    const folder = await folderOf(state, mode);
    const file = `${folder}/openclaw.json`;
    const bits = mode.toString(8).padStart(4, "0");
    const note = `FOLDER_OPEN: others can write "${folder}" (mode ${bits}) and replace ` +
      `openclaw.json there; type: chmod go-w "${folder}"`;
    assertEquals(await openFolderNotes([file, `${folder}/key.pem`]), isTold ? [note] : []);
    // Through a link the folder of its target counts, too.
    await Deno.symlink(file, state.paths.configFile);
    assertEquals(await openFolderNotes([state.paths.configFile]), isTold ? [note] : []);
  });
}

Deno.test("N40: a folder of another user is told; a missing one is not", {
  ignore: !posix || Deno.uid() !== 0,
}, async () => {
  await using state = await tempState();
  const folder = await folderOf(state, 0o755, 12345);
  const [note = ""] = await openFolderNotes([`${folder}/openclaw.json`]);
  assertMatch(note, /^FOLDER_OPEN: .* belongs to user 12345, who can replace openclaw\.json there/);
  assertEquals(await openFolderNotes([inside(state, "nothing/openclaw.json")]), []);
});

Deno.test("N40: doctor, status --deep and the start tell an open folder; reading goes on", {
  ignore: !posix,
}, async () => {
  await using state = await tempState();
  const folder = await folderOf(state, 0o775);
  const env = {
    ...state.env,
    OPENCLAW_CONFIG_PATH: `${folder}/openclaw.json`,
    OPENCLAW_GATEWAY_PORT: String(freePort()),
    OPENCLAW_GATEWAY_TOKEN: "tok-synthetic-folder-0123456789abcdef",
  } as Record<string, string>;
  for (const words of [["doctor", "--json"], ["status", "--deep", "--json"]]) {
    const { stdout, stderr } = await cli(words, { env });
    assertMatch(stdout, /FOLDER_OPEN: others can write .* type: chmod go-w/, stderr);
  }
  const paths = statePaths(env);
  const plan = await loadServerPlan({
    flags: {},
    env,
    paths,
    loaded: await loadConfig(paths, env),
  });
  assertMatch(plan.warnings.join("\n"), /FOLDER_OPEN/);
});
