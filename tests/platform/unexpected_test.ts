/** One failure that nobody waited for does not end a process that others depend on. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

Deno.test("F01: a process that others depend on goes on after failures nobody waited for, and tells each", async () => {
  const child = fromFileUrl(new URL("./unexpected_child.ts", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", child],
  }).output();
  const said = new TextDecoder().decode(stdout).trim().split("\n");
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertEquals(said.at(-1), "served");
  assertEquals(said.slice(0, -1).toSorted(), [
    "told: a microtask",
    "told: a promise",
    "told: a socket's data",
    "told: a timer",
  ]);
});
