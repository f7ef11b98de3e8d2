/**
 * Recorded exchanges of real gateways, played against ours: codes, details, shapes and close codes must be the same, except for
 * the differences in the table below, each with its reason. A difference that no longer happens fails too.
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parseRecording, Replay } from "../support/replay.ts";
import { withGateway } from "../support/gateway.ts";
import { CONFIGS, DIFFERENCES, isKnownShape } from "./replay_differences.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const WIRE = join(ROOT, "tests", "wire");
/** Complete recordings, beside the project on some machines only. */
const BESIDE = join(ROOT, "..", "shared", "wire");

/** Recordings that are too large to be copied; played when they are there. */
const LARGE = [
  "gateway-call-unknown",
  "gateway-call-presence",
  "gateway-call-health",
  "health-json",
  "heartbeat-last",
  "system-presence",
  "gateway-probe",
  "status-deep",
  "devices-list-empty",
];

async function play(name: string, text: string): Promise<void> {
  const keys = JSON.parse(await Deno.readTextFile(join(WIRE, "keys.json")));
  await withGateway(async (gateway) => {
    const replay = new Replay(gateway, keys, isKnownShape);
    await replay.play(parseRecording(text));
    const listed = DIFFERENCES[name] ?? {};
    const found = Object.fromEntries(replay.differences.map((d) => [d.where, d]));
    const unlisted = replay.differences.filter((d) => !(d.where in listed));
    assertEquals(unlisted, [], `${name}: answered differently without a reason in the table`);
    const stale = Object.keys(listed).filter((where) => !(where in found));
    assertEquals(stale, [], `${name}: listed as different, but the same now`);
  }, { config: { gateway: { trustedProxies: ["127.0.0.1"], ...CONFIGS[name] } } });
}

for (const entry of [...Deno.readDirSync(WIRE)].map((e) => e.name).sort()) {
  const name = /^(v[34]-.*)\.jsonl$/.exec(entry)?.[1];
  if (name === undefined) continue;
  Deno.test(`replay ${name}`, async () => {
    await play(name, await Deno.readTextFile(join(WIRE, entry)));
  });
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // not on this machine
  }
}

const isBeside = isDirectory(BESIDE);
if (!isBeside) {
  console.log(`replay: ${2 * LARGE.length} further recordings not played, no directory ${BESIDE}`);
}
for (const version of ["v3", "v4"]) {
  for (const part of LARGE) {
    const name = `${version}-${part}`;
    Deno.test({
      name: `replay ${name}`,
      ignore: !isBeside,
      fn: async () => await play(name, await Deno.readTextFile(join(BESIDE, `${name}.jsonl`))),
    });
  }
}
