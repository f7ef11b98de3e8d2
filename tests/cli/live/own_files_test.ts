/** N40: files of the gateway as somebody else may have left them end its start like a wrong configuration. */
import { assertEquals, assertMatch } from "@std/assert";
import { tempState } from "../../config/temp_state.ts";
import { cli } from "../support.ts";

for (const file of ["gateway/lock", "gateway/identity.json"]) {
  Deno.test({
    name: `N40: gateway run ends with 78 when ${file} is a link: no restart heals it`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using state = await tempState({}, "{gateway: {port: 1}}");
      const path = `${state.paths.stateDir}/${file}`;
      await Deno.mkdir(state.paths.gatewayDir, { recursive: true, mode: 0o700 });
      await Deno.symlink("/nonexistent", path);
      const done = await cli(["gateway", "run"], { env: state.env as Record<string, string> });
      assertEquals(done.code, 78, done.stderr);
      assertMatch(done.stderr, /error: Refused to use "[^"]+": it is a symbolic link\n/);
      assertMatch(done.stderr, /hint: ls -ld "/);
      assertEquals(await Deno.readLink(path), "/nonexistent", "left as it was");
    },
  });
}
