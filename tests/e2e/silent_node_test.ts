/** A node that never tells of a command's end, as those of the reference after a cancel: what Ctrl-C gives then. */
import { assertEquals } from "@std/assert";
import { admittedNode, nodeOptions, openWorld, owner, TOKEN } from "../gateway/world.ts";
import { start, TempHome } from "./program.ts";

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
