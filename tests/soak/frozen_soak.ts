/** F20 at its full length: a node that is frozen for ten minutes (SIGSTOP stands in for a suspended laptop). */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { eventually, Pair } from "../e2e/program.ts";

const minutes = Number(Deno.env.get("OPENCLAW_SOAK_MINUTES") ?? "10");
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test(`F20 soak: a node frozen for ${minutes} min is back within 5 s and is the same node`, async () => {
  await using pair = await Pair.make();
  const { node } = pair;
  await pair.policy("full", "off");
  const list = async () => JSON.parse((await pair.cli(["nodes", "status", "--json"])).stdout).nodes;
  const sessions = () => node.said.match(/Connected to gateway/g)?.length ?? 0;
  const [known] = await list();
  const before = sessions();
  node.signal("SIGSTOP");
  const frozenMs = performance.now();
  await pair.gateway.until(/node disconnected/, 60_000);
  console.log(`the gateway noticed after ${Math.round(performance.now() - frozenMs)} ms`);
  await pause(minutes * 60_000 - (performance.now() - frozenMs));
  node.signal("SIGCONT");
  const thawedMs = performance.now();
  await eventually("back", () => sessions() > before, 30_000);
  const backMs = performance.now() - thawedMs;
  console.log(`back ${Math.round(backMs)} ms after ${minutes} min`);
  assert(backMs <= 5_000, `back only after ${backMs} ms`);
  const nodes = await list();
  assertEquals(nodes.map((n: { nodeId: string }) => n.nodeId), [known.nodeId], "no duplicate node");
  const status = await pair.cli(["nodes", "status"]);
  assertStringIncludes(status.stdout, "Known: 1 · Paired: 1 · Connected: 1");
  const done = await pair.cli(["nodes", "run", "--node", "build-1", "--", "echo", "up"]);
  assertEquals(done.stdout, "up\n", done.stderr);
});
