/** A12, A17: approval ids are typed, pasted and shortened by people; none may lead to another command, or to a shell. */
import { assertEquals, assertMatch } from "@std/assert";
import { openWorld, owner } from "../../world.ts";
import { device } from "../devices.ts";
import { ask, requestOf } from "./asking.ts";

const REVIEWER = { caps: ["exec-approvals"] };

const BAD_IDS = [
  "$(touch x)",
  "`touch x`",
  "a;touch x",
  "a&b",
  "a|b",
  "a b",
  "a'b",
  'a"b',
  "a\\b",
  "-rf",
  "--all",
  "../../approve",
  "a/b",
  "a%2fb",
  "a?b",
  "a#b",
  "~root",
  "*",
  ".hidden",
  "a\nb",
  "a\u0000b",
  "\x1b[2Ja",
  "a\u202eb",
  "a\u200bb",
  "é",
  "ａ",
  "a\ud800",
  "plugin:a",
  "i".repeat(257),
];

Deno.test("A17 variant: an approval id that a shell, a path or a terminal would read is refused, and nothing is filed", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  for (const id of BAD_IDS) {
    const error = await operator.refusal("exec.approval.request", requestOf({ id }));
    assertEquals(error.code, "INVALID_REQUEST", JSON.stringify(id));
    assertMatch(error.message, /approval id|reserved|at \/id/, JSON.stringify(id));
  }
  assertEquals(await operator.call("exec.approval.list"), []);
});

Deno.test("A12 variant: the beginning of an id answers one request or none, and no request can take the beginning of another", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const asker = await owner(world, { key: 20 });
  await ask(asker, { id: "deadbeef-1" });
  for (const id of ["deadbeef-1", "deadbeef-", "deadbeef", "d"]) {
    const error = await asker.refusal("exec.approval.request", requestOf({ id }));
    assertEquals(error.message, "approval request unavailable", id);
  }
  await ask(asker, { id: "deadbeef-2" });
  await ask(asker, { id: "deadbeef-11" });
  for (
    const id of ["deadbeef", "deadbeef-", "deadbee", "DEADBEEF-1", "deadbeef-3", "deadbeef-1 "]
  ) {
    const error = await operator.refusal("exec.approval.resolve", { id, decision: "allow-once" });
    assertEquals(error.details?.reason, "APPROVAL_NOT_FOUND", id);
  }
  await operator.call("exec.approval.resolve", { id: "deadbeef-1", decision: "deny" });
  const left = await operator.call("exec.approval.list");
  assertEquals(left.map((a: { id: string }) => a.id), ["deadbeef-2", "deadbeef-11"]);
  const again = await asker.refusal("exec.approval.request", requestOf({ id: "deadbeef-1" }));
  assertEquals(again.message, "approval request unavailable", "an id is used once");
});

Deno.test("A12 variant: guessing ids of others tells a device nothing: known, unknown and decided look the same", async () => {
  await using world = await openWorld();
  const operator = await owner(world, REVIEWER);
  const asker = await owner(world, { key: 20 });
  const waiting = await ask(asker);
  const decided = await ask(asker);
  await operator.call("exec.approval.resolve", { id: decided.id, decision: "allow-once" });
  const stranger = await device(world, 30, ["operator.approvals", "operator.write"], REVIEWER);
  const methods = [
    ["exec.approval.get", {}],
    ["exec.approval.resolve", { decision: "allow-once" }],
    ["exec.approval.waitDecision", {}],
    ["approval.get", {}],
    ["approval.resolve", { decision: "deny", kind: "exec" }],
  ] as const;
  for (const [method, more] of methods) {
    const answers = [];
    for (const id of [crypto.randomUUID(), waiting.id, waiting.id.slice(0, 8), decided.id]) {
      answers.push(await stranger.refusal(method, { id, ...more }));
    }
    for (const answer of answers) assertEquals(answer, answers[0], method);
  }
  assertEquals(await stranger.call("exec.approval.list"), []);
  assertEquals((await stranger.call("approval.history")).items, []);
});
