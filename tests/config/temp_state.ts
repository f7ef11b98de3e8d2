/** A state directory of its own for one test, removed with `using`. */
import { join } from "@std/path";
import type { Env } from "../../src/config/env.ts";
import { loadConfig, type LoadedConfig } from "../../src/config/file/load.ts";
import { type StatePaths, statePaths } from "../../src/config/paths.ts";

/** One temporary home. */
export interface TempState extends AsyncDisposable {
  readonly home: string;
  readonly env: Env;
  readonly paths: StatePaths;
  /** Writes `openclaw.json`, mode 0600. */
  write(text: string | Uint8Array): Promise<void>;
  read(): Promise<string>;
  load(): Promise<LoadedConfig>;
}

/** Makes a temporary home; `env` is added to its environment. */
export async function tempState(env: Env = {}, config?: string): Promise<TempState> {
  const home = await Deno.makeTempDir({ prefix: "openclaw-config-" });
  const all = { HOME: home, USERPROFILE: home, ...env };
  const paths = statePaths(all);
  await Deno.mkdir(paths.stateDir, { recursive: true, mode: 0o700 });
  const state: TempState = {
    home,
    env: all,
    paths,
    async write(text) {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      await Deno.writeFile(paths.configFile, bytes, { mode: 0o600 });
      if (Deno.build.os !== "windows") await Deno.chmod(paths.configFile, 0o600);
    },
    read: () => Deno.readTextFile(paths.configFile),
    load: () => loadConfig(paths, all),
    async [Symbol.asyncDispose]() {
      await Deno.remove(home, { recursive: true });
    },
  };
  if (config !== undefined) await state.write(config);
  return state;
}

/** A path inside a temporary home. */
export const inside = (state: TempState, ...parts: string[]) => join(state.home, ...parts);
