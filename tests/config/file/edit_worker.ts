/** One `config set` in a process of its own; `hold` takes the lock and stays, `token` plans a start that makes one. */
import { loadConfig } from "../../../src/config/file/load.ts";
import { loadServerPlan } from "../../../src/config/server/server_plan.ts";
import { setConfigValue } from "../../../src/config/file/edit.ts";
import { statePaths } from "../../../src/config/paths.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { lockFile } from "../../../src/platform/files.ts";

const [home = "", path = "", value = ""] = Deno.args;
const env = { HOME: home, USERPROFILE: home };
const place = { paths: statePaths(env), env };
if (path === "hold") {
  await lockFile(`${await Deno.realPath(place.paths.configFile)}.write.lock`);
  console.log("held");
  setInterval(() => {}, 60_000);
} else if (path === "token") {
  const loaded = await loadConfig(place.paths, env);
  const plan = await loadServerPlan({ flags: {}, ...place, loaded });
  console.log(`token of ${plan.auth.token?.reveal().length} characters: ${plan.generatedToken}`);
  for (const warning of plan.warnings) console.log(`warning: ${warning}`);
} else {
  try {
    await setConfigValue(place, path, Number(value), { waitMs: 60_000 });
  } catch (error) {
    console.error(error instanceof OpenclawError ? `${error.code}: ${error.message}` : error);
    Deno.exit(1);
  }
}
