/**
 * `import`: the work is `gateway/import_run.ts`; here is what is said about it.
 */
import { resolve } from "@std/path";
import { expandHome, readEnv } from "../../config/env.ts";
import { statePaths } from "../../config/paths.ts";
import { runImport } from "../../gateway/import_run.ts";
import type { Io } from "../io.ts";

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
    io.out.text(
      `Imported into ${paths.stateDir}: ${report.devices.length} devices, ` +
        `${report.nodes.length} of them nodes with approved commands`,
    );
    for (const file of report.files) io.out.text(`  wrote ${file}`);
    for (const { what, why } of report.skipped) io.out.text(`  left out ${what}: ${why}`);
    io.out.text("Start the gateway: openclaw gateway run");
  });
}
