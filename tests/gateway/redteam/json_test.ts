/** N16, N17, N19: hostile JSON on a live session: answered with a code or ignored, and the session and the gateway stay. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { METHODS } from "../../../src/gateway/methods/mod.ts";
import { withGateway } from "../../support/gateway.ts";
import { admittedNode, nodeOptions, openWorld, owner, type ScriptedPeer } from "../world.ts";

/** A request frame around raw params text. */
const frame = (params: string, method = "logs.tail") =>
  `{"type":"req","id":"I","method":"${method}","params":${params}}`;
const nested = (depth: number, open: string, close: string) =>
  open.repeat(depth) + close.repeat(depth);

/** Frame text and what the answer's message must match; `undefined` = no answer at all. */
const CASES: readonly (readonly [name: string, text: string, message: RegExp | undefined])[] = [
  ["a key twice", frame(`{"limit":1,"limit":2}`), /duplicate key/],
  ["a key twice, once escaped", frame(`{"limit":1,"l\\u0069mit":2}`), /duplicate key/],
  [
    "a key twice, deep",
    frame(`{"a":{"b":[{"c":1,"c":2}]}}`),
    /duplicate key/,
  ],
  ["the frame's own key twice", `{"type":"req","id":"I","id":"J","method":"health"}`, /duplicate/],
  ["__proto__", frame(`{"__proto__":{"limit":1}}`), /forbidden key/],
  ["__proto__ escaped", frame(`{"\\u005f_proto__":{}}`), /forbidden key/],
  ["__proto__ in an array", frame(`{"x":[{"__proto__":1}]}`), /forbidden key/],
  ["constructor", frame(`{"constructor":{"prototype":{"a":1}}}`), /unexpected property/],
  ["prototype", frame(`{"prototype":{}}`), /unexpected property 'prototype'/],
  ["65 arrays", frame(nested(65, "[", "]")), /nested too deeply/],
  ["65 objects", frame(nested(65, `{"a":`, "}").replace(`{"a":}`, `{"a":{}}`)), /too deeply/],
  ["100,000 arrays never closed", frame("[".repeat(100_000)), /nested too deeply/],
  [
    "60,000 keys",
    frame(`{${Array.from({ length: 60_000 }, (_, n) => `"k${n}":0`)}}`),
    /too many keys/,
  ],
  ["500 digits", frame(`{"limit":${"9".repeat(500)}}`), /number too long/],
  ["1e400", frame(`{"limit":1e400}`), /at \/limit: must be integer/],
  ["-1e400", frame(`{"limit":-1e400}`), /must be integer/],
  ["2^53 + 1", frame(`{"limit":9007199254740993}`), /must be/],
  ["a fraction", frame(`{"limit":1.5}`), /must be integer/],
  ["a tiny number", frame(`{"limit":1e-9}`), /must be integer/],
  ["minus zero", frame(`{"limit":-0}`), /must be >= 1/],
  ["a number as text", frame(`{"limit":"5"}`), /must be integer/],
  ["NaN", frame(`{"limit":NaN}`), undefined],
  ["Infinity", frame(`{"limit":Infinity}`), undefined],
  ["hexadecimal", frame(`{"limit":0x10}`), undefined],
  ["a trailing comma", frame(`{"limit":1,}`), undefined],
  ["a comment", frame(`{/* c */}`), undefined],
  ["single quotes", frame(`{'limit':1}`), undefined],
  ["a byte order mark", "\ufeff" + frame("{}"), undefined],
  ["two values in one frame", frame("{}") + frame("{}"), undefined],
  ["a control character in a string", frame(`{"x":"\u0001"}`), undefined],
  ["nothing but blanks", "   \t\n", undefined],
  ["params are an array", frame("[]"), /at root: must be object/],
  ["params are text", frame(`"{}"`), /at root: must be object/],
  ["params are a number", frame("7"), /at root: must be object/],
  ["the frame is null", "null", /invalid request frame/],
  ["the frame is an array", `[${frame("{}")}]`, /invalid request frame/],
  ["the frame is a number", "1", /invalid request frame/],
  ["no id", `{"type":"req","method":"health"}`, /required property 'id'/],
  ["id is a number", `{"type":"req","id":1,"method":"health"}`, /at \/id: must be string/],
  ["id is empty", `{"type":"req","id":"","method":"health"}`, /at \/id/],
  ["id of 257", `{"type":"req","id":"${"i".repeat(257)}","method":"health"}`, /at \/id/],
  ["method is a list", `{"type":"req","id":"I","method":["health"]}`, /at \/method/],
  ["type is res", `{"type":"res","id":"I","ok":true}`, /invalid request frame/],
  ["type is event", `{"type":"event","event":"shutdown"}`, /invalid request frame/],
  ["an unknown key", `{"type":"req","id":"I","method":"health","admin":true}`, /property 'admin'/],
  ["method __proto__", frame("{}", "__proto__"), /unknown method: __proto__/],
  ["method constructor", frame("{}", "constructor"), /unknown method: constructor/],
  ["method toString", frame("{}", "toString"), /unknown method: toString/],
  ["method hasOwnProperty", frame("{}", "hasOwnProperty"), /unknown method/],
  ["method with a NUL", frame("{}", "health\\u0000"), /unknown method/],
  ["method in capitals", frame("{}", "HEALTH"), /unknown method: HEALTH/],
  ["method with a blank", frame("{}", " health"), /unknown method/],
  ["method with a path", frame("{}", "../health"), /unknown method/],
  ["method of another alphabet", frame("{}", "h\\u0435alth"), /unknown method/],
  ["connect again", frame("{}", "connect"), /only valid as the first request/],
];

Deno.test("N16, N17, N19: hostile JSON after hello is refused with a code or ignored, and the session goes on", () =>
  withGateway(async ({ owner }) => {
    const wire = await owner();
    for (const [name, text, message] of CASES) {
      const from = wire.frames.length;
      wire.sendText(text);
      const next = await wire.request("health"); // answers come in order: whatever was due came before
      assert(next.ok, name);
      const answers = wire.frames.slice(from).filter((f) => f.type === "res" && f.id !== next.id);
      if (message === undefined) {
        assertEquals(answers, [], name);
        continue;
      }
      assertEquals([answers.length, answers[0]?.ok], [1, false], name);
      assertEquals(answers[0]?.error?.code, "INVALID_REQUEST", name);
      assertMatch(answers[0]?.error?.message ?? "", message, name);
    }
    const plain: Record<string, unknown> = {};
    assertEquals([plain.limit, plain.a], [undefined, undefined], "nothing global changed");
  }));

/** A session of its own for each: these are cut. */
Deno.test("N16: a frame beyond the limit of its method closes that session, names of big methods do not help", () =>
  withGateway(async ({ owner }) => {
    const witness = await owner();
    const big = "x".repeat(1024 * 1024);
    for (
      const text of [
        frame(`{"x":"${big}"}`),
        `{"params":{"x":"${big}"},"type":"req","id":"I","method":"logs.tail"}`,
        `{"type":"req","id":"\\"method\\":\\"node.invoke\\"","method":"logs.tail","params":{"x":"${big}"}}`,
        `{"x":{"method":"node.invoke"},"type":"req","id":"I","method":"logs.tail","params":{"y":"${big}"}}`,
      ]
    ) {
      const wire = await owner();
      wire.sendText(text);
      // Cut, or (the last one has a key too many) refused as a frame: never read as a call.
      const ended = await Promise.race([
        wire.ended(),
        wire.find((f) => f.type === "res" && f.id !== "t1"),
      ]);
      assert("code" in ended ? ended.code === 1009 : ended.error?.code === "INVALID_REQUEST");
    }
    assert((await witness.request("health")).ok);
  }));

type Json = Readonly<Record<string, unknown>>;
const NUMBERS = [
  "-1",
  "1.5",
  "1e400",
  "-1e400",
  "9007199254740993",
  `"5"`,
  "[5]",
  "{}",
  "true",
  "1e-7",
];

/** Pointers of all integer members of a params schema, one level deep as all of ours are. */
function integers(schema: Json): string[] {
  const members = Object.entries((schema.properties ?? {}) as Record<string, Json>);
  return members.filter(([, s]) => s.type === "integer" || s.type === "number").map(([key]) => key);
}

async function feedNumbers(peer: ScriptedPeer, role: string): Promise<number> {
  let fed = 0;
  for (const { name, role: of, params, protocol } of METHODS) {
    if (of !== role || protocol === 3) continue;
    for (const key of integers(params.json)) {
      for (const number of NUMBERS) {
        const id = `n${fed++}`;
        peer.sendText(
          `{"type":"req","id":"${id}","method":"${name}","params":{"${key}":${number}}}`,
        );
        const answer = await peer.response(id);
        assertEquals(answer.error?.code, "INVALID_REQUEST", `${name} ${key}=${number}`);
        assertMatch(
          answer.error.message,
          new RegExp(`at /${key}: must be`),
          `${name} ${key}=${number}`,
        );
      }
    }
  }
  return fed;
}

Deno.test("N19: every integer of every method refuses fractions, infinities, text and what is out of range", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const node = await admittedNode(world, operator, nodeOptions(1));
  assert(await feedNumbers(operator, "operator") >= 100);
  assert(await feedNumbers(node, "node") >= 20);
});

const ODD_TEXTS = [
  "a\u0000b",
  "\u202eexe.yod",
  "\ud800",
  "\udfff\ud800",
  "\u200b\u2066",
  "\x1b[2J",
  "a\r\nb",
  "🏴\u{e0067}",
];

Deno.test("A17, N32: names with NUL, bidi, lone surrogates and escapes come back as they went in, and stay one log line", () =>
  withGateway(async ({ owner, logs, state }) => {
    const wire = await owner();
    for (const [n, name] of ODD_TEXTS.entries()) {
      const answer = await wire.request("device.pair.setupCode", {
        publicUrl: "wss://gw.example",
        name: name.slice(0, 64),
      });
      assert(answer.ok, JSON.stringify(answer.error));
      const codes = (await wire.request("device.pair.setupList")).payload.codes;
      assertEquals(codes[n].name, name.slice(0, 64));
      await wire.request(name);
      await wire.request("config.schema.lookup", { path: name });
      await wire.request("device.pair.approve", { requestId: name });
    }
    const file = await Deno.readTextFile(`${state.paths.logsDir}/gateway.log`);
    for (const line of file.split("\n")) {
      assert(!/[\u0000-\u0008\u000b-\u001f\u202e\u2066\u200b\ud800-\udfff]/.test(line), line);
    }
    assert(logs.length > 0);
  }));
