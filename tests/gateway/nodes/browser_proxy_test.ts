/** N35: no caller changes the browser profiles of a node through this gateway, however the route is spelt. */
import { assert, assertEquals } from "@std/assert";
import { changesProfiles } from "../../../src/protocol/browser_proxy.ts";
import { admittedNode, NODE_COMMANDS, nodeOptions, openWorld, owner } from "../world.ts";

const REFUSED: readonly [method: unknown, path: string][] = [
  ["POST", "/profiles/create"],
  ["post", "profiles/create/"],
  [" Post ", "//profiles//create"],
  ["PUT", "/profiles/create"],
  ["POST", "/reset-profile"],
  ["POST", "/Reset-Profile?profile=work"],
  ["POST", "/tabs/../reset-profile"],
  ["POST", "/%72eset-profile"],
  ["POST", "/%2572eset-profile"],
  ["POST", "\\reset-profile"],
  ["DELETE", "/profiles/work"],
  ["delete", "/profiles/w%2Fx"],
  ["DELETE", "/./profiles/work#x"],
];

for (const [method, path] of REFUSED) {
  Deno.test(`N35: ${JSON.stringify(method)} ${path} changes profiles`, () => {
    assert(changesProfiles({ method, path }));
  });
}

const ALLOWED: readonly [method: unknown, path: unknown][] = [
  ["GET", "/profiles"],
  [undefined, "/profiles"],
  [null, "/reset-profile"],
  ["POST", "/navigate"],
  ["POST", "/tabs/open?url=/profiles/create"],
  ["DELETE", "/tabs/profiles"],
  ["POST", 7],
];

for (const [method, path] of ALLOWED) {
  Deno.test(`${JSON.stringify(method)} ${path} leaves profiles alone`, () => {
    assert(!changesProfiles({ method, path }));
    assert(!changesProfiles(undefined));
  });
}

Deno.test("N35: the refusal comes from the gateway; the node never hears of the call", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const commands = [...NODE_COMMANDS, "browser.proxy"];
  const node = await admittedNode(world, operator, nodeOptions(1, { commands }));
  const call = (params: unknown) => ({
    nodeId: node.id,
    command: "browser.proxy",
    params,
    idempotencyKey: crypto.randomUUID(),
  });
  for (const [method, path] of REFUSED) {
    const error = await operator.refusal("node.invoke", call({ method, path }));
    assertEquals([error.code, error.message], [
      "INVALID_REQUEST",
      "node.invoke cannot mutate persistent browser profiles via browser.proxy",
    ]);
  }
  assertEquals(node.seen("node.invoke.request"), []);
  const answer = operator.call("node.invoke", call({ path: "/" }));
  await node.answerInvoke({ result: { running: false } });
  assertEquals((await answer).payload, { result: { running: false } });
});
