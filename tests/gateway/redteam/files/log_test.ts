/** N40: the log file as somebody else may have left it: nothing is written through it, nothing waits for it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { LogFile } from "../../../../src/gateway/services/log_file.ts";
import { within } from "../../../net/raw.ts";

const SPOILED: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "a FIFO": async (path) => {
    assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
  },
  "a link to a file": async (path) => {
    await Deno.writeTextFile(`${path}.other`, "untouched");
    await Deno.symlink(`${path}.other`, path);
  },
  "a link to nothing": (path) => Deno.symlink(`${path}.other`, path),
  "a directory": (path) => Deno.mkdir(path),
};

Deno.test({
  name: "N40 variant: a log that is a link, a FIFO or a directory costs its lines, not the gateway",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const [name, spoil] of Object.entries(SPOILED)) {
      const dir = await Deno.makeTempDir({ prefix: "openclaw-test-" });
      const path = `${dir}/gateway.log`;
      await spoil(path);
      const told: string[] = [];
      const log = new LogFile({ path, onTrouble: (message) => told.push(message) });
      const line = {
        timeMs: 0,
        level: "info",
        subsystem: "x",
        message: "line",
        fields: {},
      } as const;
      log.sink(line);
      log.sink(line);
      const tail = await within(2_000, log.tail({}).catch((error) => error.code), name);
      assertEquals(tail, "FILE_UNSAFE", name);
      await within(2_000, log.close(), name);
      assertEquals(told.length, 1, name);
      assertMatch(told[0] ?? "", /^cannot write the log file: Refused to use /, name);
      const other = await Deno.readTextFile(`${path}.other`).catch(() => "missing");
      assertEquals(other, name === "a link to a file" ? "untouched" : "missing", name);
      await Deno.remove(dir, { recursive: true });
    }
  },
});
