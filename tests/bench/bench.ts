/**
 * `deno task bench [--reduced] [--only invoke,tls,…] [--json FILE]`: speed and size as ratios measured side by
 * side in one run against the floor programs in `floor/`. Prints a table and JSON; it asserts no time.
 */
import { parseArgs } from "@std/cli/parse-args";
import { measureBinary } from "./binary.ts";
import { renderRows, type Row } from "./measure.ts";
import { measureHandshakes, measureIdle } from "./connections.ts";
import { measureInvoke, measureTls } from "./invoke.ts";
import { measureRun } from "./run.ts";
import type { Sizes } from "./side_by_side.ts";

const FULL: Sizes = { forMs: 3000, rounds: 3, idleNodes: 2000, handshakes: 3000, runs: 200 };
const REDUCED: Sizes = { forMs: 500, rounds: 3, idleNodes: 2000, handshakes: 400, runs: 200 };

const SECTIONS: Record<string, (sizes: Sizes) => Promise<Row[]>> = {
  invoke: measureInvoke,
  tls: measureTls,
  run: measureRun,
  handshake: measureHandshakes,
  idle: measureIdle,
  binary: measureBinary,
};

if (Deno.build.os !== "linux") {
  console.log("bench: processor time and memory are read from /proc, so it runs on Linux only");
  Deno.exit(0);
}
const flags = parseArgs(Deno.args, { boolean: ["reduced"], string: ["only", "json"] });
const sizes = flags["reduced"] === true ? REDUCED : FULL;
const only = typeof flags["only"] === "string" ? flags["only"].split(",") : Object.keys(SECTIONS);
const unknown = [...flags._.map(String), ...only.filter((name) => !(name in SECTIONS))];
if (unknown.length > 0) {
  console.error(`error: no such section: ${unknown.join(", ")}`);
  console.error(`Use --only with some of: ${Object.keys(SECTIONS).join(",")}`);
  Deno.exit(2);
}
const rows: Row[] = [];
let broken = 0;
for (const name of only) {
  console.error(`${name} …`);
  try {
    rows.push(...await SECTIONS[name]!(sizes));
  } catch (error) {
    broken++;
    console.error(`${name} could not be measured: ${error instanceof Error ? error.stack : error}`);
  }
}
const missed = rows.filter((row) => !row.met).length;
console.log(`== summary (deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores)`);
console.log(renderRows(rows));
console.log(`${rows.length - missed} of ${rows.length} targets met, ${broken} sections broken`);
const json = JSON.stringify({ deno: Deno.version.deno, sizes, rows });
if (typeof flags["json"] === "string") await Deno.writeTextFile(flags["json"], json + "\n");
else console.log(json);
Deno.exit(broken === 0 ? 0 : 1);
