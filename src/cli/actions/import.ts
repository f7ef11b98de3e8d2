/**
 * `import`: the work is `gateway/import/run.ts`; here is what is said about it.
 */
import { join, resolve } from "@std/path";
import { expandHome, readEnv } from "../../config/env.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import type { ImportReport } from "../../gateway/import/import.ts";
import { runImport } from "../../gateway/import/run.ts";
import type { Io } from "../terminal/io.ts";
import { exists } from "../../platform/file_facts.ts";

/** `import`. */
export async function importFolder(
  values: { folder: string; into: string | undefined },
  io: Io,
): Promise<void> {
  const { home } = readEnv(io.env);
  const at = (path: string) => resolve(expandHome(path, home));
  const env = values.into === undefined
    ? io.env
    : { ...io.env, OPENCLAW_STATE_DIR: at(values.into) };
  const paths = statePaths(env);
  const report = await runImport({ from: at(values.folder), paths });
  io.out.show(report, () => {
    for (const line of reportLines(report, paths)) io.out.text(line);
    io.out.text("Start the gateway: openclaw gateway run");
  });
}

function reportLines(report: ImportReport, paths: StatePaths): string[] {
  return [
    `Imported into ${paths.stateDir}: paired devices: ${report.devices.length}, ` +
    `nodes with approved commands: ${report.nodes.length}`,
    ...report.files.map((file) => `  wrote ${file}`),
    ...report.skipped.map(({ what, why }) => `  left out ${what}: ${why}`),
  ];
}

/**
 * At the first start beside an existing set-up: asks whether its pairings come along. Without a terminal nobody is
 * asked and nothing is imported; the command that does it is named.
 */
export async function offerImport(paths: StatePaths, io: Io): Promise<void> {
  if (await exists(paths.gatewayDbFile)) return;
  const pairedFile = join(paths.referenceDevicesDir, "paired.json");
  const found = await exists(paths.referenceDbFile)
    ? paths.referenceDbFile
    : await exists(pairedFile)
    ? pairedFile
    : undefined;
  if (found === undefined) return;
  io.out.note(`This state directory holds the pairings of an existing set-up: ${found}`);
  const wanted = io.prompt.available &&
    await io.prompt.confirm("Import them, so that its devices need no new approval?");
  if (!wanted) {
    io.out.note(`Not imported. Before the next start: openclaw import ${paths.stateDir}`);
    return;
  }
  const report = await runImport({ from: paths.stateDir, paths });
  for (const line of reportLines(report, paths)) io.out.note(line);
}
