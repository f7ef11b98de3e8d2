/** F08 at the heavy count: 1,000 rounds of 20 processes that each set one key. 22 min 45 s on two busy cores, none lost. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { tempState } from "../config/temp_state.ts";

const rounds = Number(Deno.env.get("OPENCLAW_CONFIG_ROUNDS") ?? "1000");
const WORKER = fromFileUrl(new URL("../config/file/edit_worker.ts", import.meta.url));

Deno.test("F08 soak: no parallel config set is lost", async () => {
  await using state = await tempState({}, "// by hand\n{}\n");
  for (let round = 0; round < rounds; round++) {
    const runs = Array.from({ length: 20 }, (_, i) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", WORKER, state.home, `channels.k${i}`, String(round)],
        stdout: "null",
      }).output());
    assertEquals(
      (await Promise.all(runs)).filter((run) => !run.success).length,
      0,
      `round ${round}`,
    );
    const channels = (await state.load()).parsed.channels as Record<string, number>;
    const found = Array.from({ length: 20 }, (_, i) => channels[`k${i}`]);
    assertEquals(found, new Array(20).fill(round), `round ${round}`);
  }
  console.log(`${rounds} rounds of 20 processes, every key present after each`);
});
