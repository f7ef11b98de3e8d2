import { assert, assertEquals } from "@std/assert";
import { check, problemText } from "../../src/lib/schema.ts";
import { closeReason } from "../../src/protocol/close_codes.ts";
import { connectSchema, signedToken } from "../../src/protocol/connect.ts";
import { errorText, eventText, readRequest, responseText } from "../../src/protocol/frames.ts";
import {
  defaultNodeCommands,
  nodePlatform,
  type PlatformFacts,
  requiredApproveScopes,
} from "../../src/protocol/node_commands.ts";
import { coversAll, coversScope } from "../../src/protocol/scopes.ts";
import { negotiate } from "../../src/protocol/versions.ts";

Deno.test("readRequest() takes a request and keeps its id and params", () => {
  const read = readRequest(`{"type":"req","id":"1:x","method":"health","params":{"a":1}}`);
  assert(read.kind === "request");
  assertEquals(read.frame.id, "1:x");
  assertEquals(read.frame.params, { a: 1 });
});

const BAD_FRAMES: readonly [string, string, string][] = [
  [`{"type":"req","id":"nomethod"}`, "nomethod", "must have required property 'method'"],
  [
    `{"type":"hello"}`,
    "invalid",
    "must have required property 'id'; at /type: must be equal to constant",
  ],
  [`{"type":"req","id":"1","method":"m","x":1}`, "1", "at root: unexpected property 'x'"],
  [
    `{"type":"req","id":"","method":"m"}`,
    "invalid",
    "at /id: must NOT have fewer than 1 characters",
  ],
  [`{"type":"req","id":"1","method":7}`, "1", "at /method: must be string"],
  [`[]`, "invalid", "at root: must be object"],
  [`null`, "invalid", "at root: must be object"],
  [`"req"`, "invalid", "at root: must be object"],
];
for (const [text, id, detail] of BAD_FRAMES) {
  Deno.test(`readRequest() refuses ${text}`, () => {
    assertEquals(readRequest(text), { kind: "invalid", id, detail });
  });
}

Deno.test("readRequest() tells text that is not JSON apart", () => {
  assertEquals(readRequest("garbage"), { kind: "not-json" });
});

Deno.test("frames are built as JSON", () => {
  assertEquals(JSON.parse(responseText('a"b', null)), {
    type: "res",
    id: 'a"b',
    ok: true,
    payload: null,
  });
  assertEquals(JSON.parse(responseText("1", undefined)), { type: "res", id: "1", ok: true });
  const error = { code: "UNAVAILABLE", message: "m" };
  assertEquals(JSON.parse(errorText("1", error)), { type: "res", id: "1", ok: false, error });
  assertEquals(JSON.parse(eventText("tick", { ts: 1 })), {
    type: "event",
    event: "tick",
    payload: { ts: 1 },
  });
});

const connect = {
  minProtocol: 3,
  maxProtocol: 4,
  client: { id: "cli", mode: "cli", version: "1", platform: "linux" },
};
const BAD_CONNECTS: readonly [string, unknown, string][] = [
  ["a missing client", { ...connect, client: undefined }, "must have required property 'client'"],
  ["an unknown key", { ...connect, foo: 1 }, "at root: unexpected property 'foo'"],
  [
    "an unknown key in auth",
    { ...connect, auth: { secret: "x" } },
    "at /auth: unexpected property 'secret'",
  ],
  [
    "N19: a protocol as text",
    { ...connect, minProtocol: "3" },
    "at /minProtocol: must be integer",
  ],
  ["N19: a protocol of 0", { ...connect, minProtocol: 0 }, "at /minProtocol: must be >= 1"],
  [
    "N19: a protocol of 2^53",
    { ...connect, maxProtocol: 2 ** 53 },
    "at /maxProtocol: must be integer",
  ],
  [
    "an empty nonce",
    { ...connect, device: { id: "a", publicKey: "b", signature: "c", signedAt: 1, nonce: "" } },
    "at /device/nonce: must NOT have fewer than 1 characters",
  ],
  ["a scope that is no text", { ...connect, scopes: [1] }, "at /scopes/0: must be string"],
];
for (const [name, value, detail] of BAD_CONNECTS) {
  Deno.test(`connectSchema refuses ${name}`, () => {
    const checked = check(connectSchema, value);
    assert(!checked.ok);
    assertEquals(problemText(checked.problems), detail);
  });
}

Deno.test("connectSchema refuses a third-party client id", () => {
  const checked = check(connectSchema, { ...connect, client: { ...connect.client, id: "mine" } });
  assert(!checked.ok);
  assertEquals(checked.problems[0]?.path, "/client/id");
});

Deno.test("connectSchema takes the newest keys and drops nothing a client needs", () => {
  const full = {
    ...connect,
    role: "node",
    scopes: [],
    caps: ["system"],
    commands: ["system.run"],
    permissions: { camera: true },
    pathEnv: "/usr/bin",
    auth: { token: "t", deviceToken: "d", approvalRuntimeToken: "x" },
    locale: "de",
    userAgent: "x",
    computerUse: { a: 1 },
    workerRuns: [],
    modelCatalog: null,
  };
  const checked = check(connectSchema, full);
  assert(checked.ok);
  assertEquals({ ...checked.value.permissions }, { camera: true });
});

Deno.test("signedToken() is the first present of token, deviceToken, bootstrapToken", () => {
  assertEquals(signedToken({ token: "a", deviceToken: "b", bootstrapToken: "c" }), "a");
  assertEquals(signedToken({ deviceToken: "b", bootstrapToken: "c" }), "b");
  assertEquals(signedToken({ bootstrapToken: "c", password: "p" }), "c");
  assertEquals(signedToken({ password: "p" }), undefined);
});

Deno.test("closeReason() cuts to 123 bytes on a character border", () => {
  assertEquals(closeReason("short"), "short");
  assertEquals(new TextEncoder().encode(closeReason("ä".repeat(100))).length, 122);
  assertEquals(closeReason("x".repeat(200)).length, 123);
});

const RANGES: readonly [number, number, 3 | 4 | undefined][] = [
  [3, 3, 3],
  [4, 4, 4],
  [3, 4, 4],
  [1, 9, 4],
  [1, 2, undefined],
  [5, 5, undefined],
  [1, 3, 3],
  [4, 3, undefined],
];
for (const [min, max, wanted] of RANGES) {
  Deno.test(`negotiate(${min}, ${max}) is ${wanted}`, () => {
    assertEquals(negotiate(min, max), wanted);
  });
}

Deno.test("scopes: admin covers all, write covers read, nothing else covers", () => {
  assert(coversScope(["operator.admin"], "operator.pairing"));
  assert(coversScope(["operator.write"], "operator.read"));
  assert(!coversScope(["operator.read"], "operator.write"));
  assert(!coversScope(["operator.pairing", "operator.approvals"], "operator.read"));
  assert(!coversScope([], "operator.read"));
  assert(coversAll(["operator.read"], []));
  assert(!coversAll(["operator.write"], ["operator.read", "operator.pairing"]));
});

const PLATFORMS: readonly [string, PlatformFacts, string][] = [
  ["v4 linux with family", { protocol: 4, platform: "linux", deviceFamily: "Linux" }, "linux"],
  [
    "v4 linux without family",
    { protocol: 4, platform: "linux", deviceFamily: undefined },
    "unknown",
  ],
  ["v4 macos with Mac", { protocol: 4, platform: "macos", deviceFamily: "Mac" }, "macos"],
  ["v4 macos with Linux", { protocol: 4, platform: "macos", deviceFamily: "Linux" }, "unknown"],
  ["v4 windows", { protocol: 4, platform: "windows", deviceFamily: "Windows" }, "windows"],
  ["v4 prototype name", { protocol: 4, platform: "constructor", deviceFamily: "x" }, "unknown"],
  ["v3 linux", { protocol: 3, platform: "linux", deviceFamily: undefined }, "linux"],
  ["v3 darwin", { protocol: 3, platform: "darwin", deviceFamily: undefined }, "macos"],
  ["v3 win32", { protocol: 3, platform: "win32", deviceFamily: undefined }, "windows"],
  ["v3 by family word", { protocol: 3, platform: "x", deviceFamily: "iPhone 12" }, "ios"],
  ["v3 unknown", { protocol: 3, platform: "haiku", deviceFamily: undefined }, "unknown"],
];
for (const [name, facts, wanted] of PLATFORMS) {
  Deno.test(`nodePlatform(): ${name}`, () => {
    assertEquals(nodePlatform(facts), wanted);
  });
}

Deno.test("defaultNodeCommands(): an unknown platform never gets system.run", () => {
  for (const protocol of [3, 4] as const) {
    assert(!defaultNodeCommands("unknown", protocol).includes("system.run"));
    assert(defaultNodeCommands("linux", protocol).includes("system.run"));
  }
});

Deno.test("requiredApproveScopes(): exec commands need an admin", () => {
  assertEquals(requiredApproveScopes([]), ["operator.pairing"]);
  assertEquals(requiredApproveScopes(["camera.list"]), ["operator.pairing", "operator.write"]);
  assertEquals(requiredApproveScopes(["camera.list", "system.execApprovals.get"]), [
    "operator.pairing",
    "operator.admin",
  ]);
});
