/** A node as those of the reference are: it takes no input, and after a cancel it tells of no end. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { admittedNode, nodeOptions, openWorld, owner, TOKEN } from "../gateway/world.ts";
import { run, start, TempHome } from "./program.ts";

Deno.test({
  name: "nodes run: Ctrl-C on a node that tells of no end gives 130 and says so",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using world = await openWorld();
    await using home = await TempHome.make();
    const operator = await owner(world);
    const node = await admittedNode(world, operator, nodeOptions(1, { protocol: 3 }));
    const flags = ["--url", world.gateway.url, "--token", TOKEN, "--node", node.id];
    await using running = start(["nodes", "run", ...flags, "--", "sleep", "60"], {
      env: home.env("operator"),
    });
    const request = await node.event("node.invoke.request");
    assertEquals(request.command, "system.run");
    running.signal("SIGINT");
    assertEquals((await node.event("node.invoke.cancel")).invokeId, request.id);
    await running.until(/the node did not tell of the command's end: it may still be running/);
    assertEquals((await running.status).code, 130);
  },
});

Deno.test("nodes run on a node of the reference names the agent, wakes none, and tells that input is not passed on", async () => {
  await using world = await openWorld();
  await using home = await TempHome.make();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const flags = ["--url", world.gateway.url, "--token", TOKEN, "--node", node.id];
  const options = { env: home.env("operator"), input: "piped" };
  const running = run(["nodes", "run", ...flags, "--", "cat"], options);
  const { id, nodeId, paramsJSON } = await node.event("node.invoke.request");
  const { command, agentId, suppressNotifyOnExit, stdin } = JSON.parse(paramsJSON);
  assertEquals([command, agentId, suppressNotifyOnExit, stdin], [["cat"], "main", true, undefined]);
  const payload = { exitCode: 0, timedOut: false, success: true, stdout: "out\n", stderr: "" };
  await node.call("node.invoke.result", { id, nodeId, ok: true, payload });
  const done = await running;
  assertEquals([done.code, done.stdout], [0, "out\n"], done.stderr);
  assertStringIncludes(done.stderr, "what is piped in is not passed on");
  const refused = await run(["nodes", "run", ...flags, "--stdin", "--", "cat"], options);
  assertStringIncludes(refused.stderr, "cannot take stdin for a command");
});
