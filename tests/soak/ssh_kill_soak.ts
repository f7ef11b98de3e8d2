/** F24 at the heavy count: the ssh of a kept tunnel is killed 200 times. About five minutes. */
import { killRounds, scene } from "../remote/tunnel_scene.ts";

const kills = Number(Deno.env.get("OPENCLAW_TEST_SSH_KILLS") ?? "200");

scene(
  `F24 soak: ssh killed ${kills} times is back in time each time, with no stray process`,
  (facts) => killRounds(facts, kills),
);
