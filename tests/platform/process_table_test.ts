import { assert, assertEquals } from "@std/assert";
import { listProcesses, parseProcStat, processRow } from "../../src/platform/process/table.ts";

Deno.test("parseProcStat() reads a name with blanks and brackets", () => {
  const line = "42 (a) b (c) S 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
  assertEquals(parseProcStat(line), {
    pid: 42,
    parent: 7,
    group: 40,
    session: 39,
    zombie: false,
    startTicks: 98765,
  });
  assertEquals(parseProcStat("nonsense"), undefined);
});

Deno.test("listProcesses() finds this process", { ignore: Deno.build.os !== "linux" }, () => {
  const own = listProcesses()?.find((row) => row.pid === Deno.pid);
  assertEquals(own?.startTicks, processRow("self")?.startTicks);
  assert(own && own.startTicks > 0);
});
