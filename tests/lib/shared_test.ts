import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { sharedList, sharedSet, sharedText } from "../../src/lib/shared.ts";

Deno.test("sharedList() gives equal lists the same frozen copy, different ones another", () => {
  const a = sharedList(["system.run", "system.which"]);
  assertStrictEquals(sharedList(["system.run", "system.which"]), a);
  assert(sharedList(["system.which", "system.run"]) !== a);
  assert(sharedList(["system.run,system.which"]) !== a);
  assertThrows(() => (a as string[]).push("x"));
});

Deno.test("sharedSet() is made once per list", () => {
  const list = sharedList(["a", "b"]);
  assertStrictEquals(sharedSet(list), sharedSet(list));
  assert(sharedSet(list).has("a"));
});

Deno.test("sharedText() keeps what it is given", () => {
  assertEquals(sharedText("linux"), "linux");
  assertEquals(sharedText(undefined), undefined);
  assertEquals(sharedText("x".repeat(5000)).length, 5000);
});

Deno.test("the tables stay bounded", () => {
  for (let n = 0; n < 10_000; n++) assertEquals(sharedList([`c${n}`]), [`c${n}`]);
});
