/** Every method of the list is fed what it did not ask for: it answers or refuses, and the gateway stays well. */
import { assert, assertEquals } from "@std/assert";
import { METHODS } from "../../src/gateway/methods/mod.ts";
import { admittedNode, nodeOptions, openWorld, owner, type ScriptedPeer } from "./world.ts";

const KNOWN = ["INVALID_REQUEST", "UNAVAILABLE", "FORBIDDEN", "NOT_PAIRED", "APPROVAL_NOT_FOUND"];

/** Values of the wrong kind, the wrong size, and the kind that breaks careless code. */
const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  "",
  "x".repeat(10_000),
  [],
  [[[[]]]],
  {},
  { constructor: { prototype: 1 } },
  ["a", 1, null],
  "../../etc/passwd",
  "\u0000\u202e\ud800",
];

type Json = Readonly<Record<string, unknown>>;

/** A params object that fits the schema as far as its outline tells. */
function fitting(schema: Json): unknown {
  const any = schema.anyOf as Json[] | undefined;
  if (any !== undefined) return fitting(any[0] ?? {});
  if (Array.isArray(schema.enum)) return schema.enum[0];
  switch (schema.type) {
    case "string":
      return "x".repeat(Number(schema.minLength ?? 1));
    case "integer":
    case "number":
      return Number(schema.minimum ?? 1);
    case "boolean":
      return true;
    case "array":
      return [];
    case "object": {
      const required = (schema.required ?? []) as string[];
      const properties = (schema.properties ?? {}) as Record<string, Json>;
      return Object.fromEntries(required.map((key) => [key, fitting(properties[key] ?? {})]));
    }
    default:
      return { any: "thing" };
  }
}

function* oddParams(schema: Json): Generator<unknown> {
  yield* ODD.filter((value) => value !== null);
  const good = fitting(schema) as Record<string, unknown>;
  yield good;
  yield { ...good, unexpected: 1 };
  for (const key of Object.keys((schema.properties ?? {}) as object)) {
    for (const value of ODD) yield { ...good, [key]: value };
  }
}

/** Methods that end the gateway or wait for a person when they are called well. */
const NOT_CALLED = /restart|^update\.run|waitDecision|waitUpgrade|exec\.approval\.request/;

async function feed(peer: ScriptedPeer, role: string, protocol = 4): Promise<number> {
  let fed = 0;
  for (const definition of METHODS) {
    if (definition.role !== role && definition.role !== "any") continue;
    if (NOT_CALLED.test(definition.name)) continue;
    // The methods of both protocols are fed once, on protocol 4.
    if ((definition.protocol ?? 4) !== protocol) continue;
    for (const params of oddParams(definition.params.json)) {
      const frame = await peer.raw(definition.name, params);
      fed++;
      if (frame.ok) continue;
      const context = `${definition.name} ${JSON.stringify(params).slice(0, 200)}`;
      assert(KNOWN.includes(frame.error.code), `${context}: ${JSON.stringify(frame.error)}`);
      assert(frame.error.message !== "internal error", context);
    }
  }
  return fed;
}

Deno.test("N19, N17: every operator method answers garbage with a coded refusal", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  assert(await feed(operator, "operator") > 500);
  assertEquals((await operator.call("health")).ok, true);
});

Deno.test("N19, N17: every node method answers garbage with a coded refusal", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  assert(await feed(node, "node") > 100);
  assertEquals((await operator.call("node.list")).nodes[0].connected, true);
});

Deno.test("N19, N17: the methods of the older generation answer garbage with a coded refusal", async () => {
  await using world = await openWorld();
  const operator = await owner(world, { protocol: 3 });
  const node = await admittedNode(world, await owner(world), nodeOptions(1, { protocol: 3 }));
  assert(await feed(operator, "operator", 3) > 100);
  assert(await feed(node, "node", 3) > 5);
  assertEquals((await operator.call("health")).ok, true);
});

Deno.test("A12: a method without the right scope is refused on every definition, and no role reaches the other's", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  const weak = await owner(world, { scopes: [] });
  for (const definition of METHODS) {
    const good = fitting(definition.params.json);
    if (definition.protocol === 3) continue; // unknown to the peers of this test
    if (definition.role === "operator") {
      if (definition.scope !== "none") {
        const error = await weak.refusal(definition.name, good);
        assertEquals(error.message, `missing scope: ${definition.scope}`, definition.name);
      }
      continue;
    }
    if (definition.role === "any") continue;
    const error = await (await owner(world)).refusal(definition.name, good);
    assertEquals(error.message, "unauthorized role: operator", definition.name);
  }
  assertEquals((await node.refusal("node.list")).message, "unauthorized role: node");
});
