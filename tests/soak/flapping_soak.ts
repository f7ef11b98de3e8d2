/** F16 at its full length: a gateway that is up 3 s and down 3 s for ten minutes, and one node that puts up with it. */
import { assert, assertEquals } from "@std/assert";
import { eventually, Pair, start } from "../e2e/program.ts";

const minutes = Number(Deno.env.get("OPENCLAW_SOAK_MINUTES") ?? "10");
const UP_MS = 3_000;
const DOWN_MS = 3_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const descriptors = (pid: number) => [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
const residentMib = (pid: number) =>
  Number(Deno.readTextFileSync(`/proc/${pid}/status`).match(/VmRSS:\s+(\d+)/)?.[1]) / 1024;

Deno.test(`F16 soak: a gateway that flaps for ${minutes} min piles nothing up`, async () => {
  await using pair = await Pair.make();
  const { home, facts, node } = pair;
  await pair.policy("full", "off");
  const env = home.env("gateway", { OPENCLAW_GATEWAY_PORT: String(facts.port) });
  const tokenFile = `${home.path}/node/identity/node-tokens.json`;
  const token = await Deno.readTextFile(tokenFile);
  const sessions = () => node.said.match(/Connected to gateway/g)?.length ?? 0;
  let gateway = pair.gateway;
  const round = async () => {
    await gateway.end();
    await pause(DOWN_MS);
    gateway = start(["gateway", "run", "--tls"], { env });
    await gateway.until(/ready/);
    await pause(UP_MS);
  };
  // The first rounds fill caches; what comes after them may not grow.
  for (let warm = 0; warm < 5; warm++) await round();
  const before = { descriptors: descriptors(node.pid), mib: residentMib(node.pid) };
  const endMs = performance.now() + minutes * 60_000;
  let rounds = 0;
  for (; performance.now() < endMs; rounds++) await round();
  const seen = sessions();
  await gateway.end();
  gateway = start(["gateway", "run", "--tls"], { env });
  // A session of 3 s does not reset the node's waits, which have grown to their longest by now.
  const startMs = performance.now();
  await eventually("the node is back", () => sessions() > seen, 45_000);
  const backMs = Math.round(performance.now() - startMs);
  const after = { descriptors: descriptors(node.pid), mib: residentMib(node.pid) };
  console.log(JSON.stringify({ rounds, sessions: seen, backMs, before, after }));
  assert(seen >= 5, `only ${seen} sessions in ${rounds} rounds`);
  assert(after.descriptors <= before.descriptors + 2, "sockets or files pile up");
  assert(after.mib <= before.mib + 30, "memory piles up");
  assertEquals(await Deno.readTextFile(tokenFile), token, "no token was rotated");
  const status = await pair.cli(["nodes", "status"]);
  assert(status.stdout.includes("Known: 1 · Paired: 1 · Connected: 1"), status.stdout);
  const done = await pair.cli(["nodes", "run", "--node", "build-1", "--", "echo", "up"]);
  assertEquals(done.stdout, "up\n", done.stderr);
  await gateway.end();
});
