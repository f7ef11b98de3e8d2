/** Sets `channels.n` to 1, 2, 3, … and prints each number once it is acknowledged, until it is killed. */
import { setConfigValue } from "../../../src/config/file/edit.ts";
import { statePaths } from "../../../src/config/paths.ts";

const env = { HOME: Deno.args[0] ?? "", USERPROFILE: Deno.args[0] ?? "" };
const place = { paths: statePaths(env), env };
for (let n = Number(Deno.args[1]);; n++) {
  await setConfigValue(place, "channels.n", n);
  console.log(n);
}
