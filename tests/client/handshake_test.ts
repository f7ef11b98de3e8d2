import { assert, assertEquals } from "@std/assert";
import {
  chooseAuth,
  type ClientHello,
  connectFrame,
  type ConnectPlan,
  offerFor,
  textToSign,
} from "../../src/client/connect_plan.ts";
import {
  FIRST_STATE,
  type HandshakeInput,
  type HandshakeState,
  step,
} from "../../src/client/handshake.ts";
import { Secret } from "../../src/lib/secret.ts";
import { check } from "../../src/lib/schema.ts";
import { connectSchema } from "../../src/protocol/connect.ts";

const hello: ClientHello = {
  client: {
    id: "cli",
    mode: "cli",
    version: "2026.9.6",
    platform: "linux",
    deviceFamily: "Linux",
    instanceId: "i",
  },
  role: "operator",
  scopes: ["operator.read"],
};
const plan: ConnectPlan = { hello, minProtocol: 3, maxProtocol: 4, auth: { token: "tok" } };
const withDevice: ConnectPlan = { ...plan, device: { deviceId: "d".repeat(64), publicKey: "k" } };

const text = (frame: unknown): HandshakeInput => ({
  kind: "text",
  text: JSON.stringify(frame),
  requestId: "r1",
  nowMs: 777,
});
const challenge = (payload: unknown) =>
  text({ type: "event", event: "connect.challenge", payload });
const CHALLENGE = challenge({ nonce: "n-1", ts: 5_000 });
const answer = (id: string, payload: unknown) => text({ type: "res", id, ok: true, payload });

function run(p: ConnectPlan, ...inputs: HandshakeInput[]) {
  let state: HandshakeState = FIRST_STATE;
  const effects = [];
  for (const input of inputs) {
    const out = step(state, input, p);
    state = out.state;
    effects.push(...out.effects);
  }
  return { state, effects };
}

const codeOf = (state: HandshakeState) => state.at === "failed" ? state.error.code : state.at;

Deno.test("without a device the challenge is answered with connect at once, and hello ends the handshake", () => {
  const { state, effects } = run(plan, CHALLENGE, answer("r1", { type: "hello-ok", protocol: 4 }));
  assertEquals(state.at, "done");
  assertEquals(effects.map((e) => e.do), ["send"]);
});

Deno.test("with a device the nonce and the challenge's time are signed, not our clock (decision 10, F19)", () => {
  const { state, effects } = run(withDevice, CHALLENGE);
  assertEquals(state.at, "signing");
  const [effect] = effects;
  assert(effect?.do === "sign");
  assertEquals(
    effect.text,
    `v3|${"d".repeat(64)}|cli|cli|operator|operator.read|5000|tok|n-1|linux|linux`,
  );
  const signed = run(withDevice, CHALLENGE, { kind: "signed", signature: "SIG", requestId: "r2" });
  const sent = signed.effects[1];
  assert(sent?.do === "send");
  assertEquals(JSON.parse(sent.text).params.device, {
    id: "d".repeat(64),
    publicKey: "k",
    signature: "SIG",
    signedAt: 5_000,
    nonce: "n-1",
  });
});

Deno.test("a challenge without a usable time is signed with our clock", () => {
  const { effects } = run(withDevice, challenge({ nonce: "n-1", ts: "soon" }));
  assert(effects[0]?.do === "sign" && effects[0].text.includes("|777|"));
});

const BAD_NONCES: readonly [string, unknown][] = [
  ["no payload", undefined],
  ["no nonce", { ts: 1 }],
  ["blank", { nonce: "", ts: 1 }],
  ["a number", { nonce: 7, ts: 1 }],
  ["I20: the separator of the signed text", { nonce: "a|linux|linux", ts: 1 }],
  ["a line break", { nonce: "a\nb", ts: 1 }],
  ["endless", { nonce: "a".repeat(300), ts: 1 }],
];
for (const [name, payload] of BAD_NONCES) {
  Deno.test(`a nonce is refused: ${name}`, () => {
    const { state, effects } = run(withDevice, challenge(payload));
    assertEquals(codeOf(state), "HANDSHAKE_FAILED");
    assertEquals(effects, [{ do: "close", code: 1008, reason: "connect challenge missing nonce" }]);
  });
}

Deno.test("I19: a second challenge, a second hello and foreign answers change nothing", () => {
  const second = challenge({ nonce: "other", ts: 6_000 });
  assertEquals(run(withDevice, CHALLENGE, second).effects.length, 1);
  const waiting = run(
    plan,
    CHALLENGE,
    second,
    answer("foreign", { type: "hello-ok", protocol: 4 }),
  );
  assertEquals(waiting.state.at, "waiting-hello");
  const done = run(plan, CHALLENGE, answer("r1", { type: "hello-ok", protocol: 4 }));
  const after = step(done.state, CHALLENGE, plan);
  assertEquals([after.state, after.effects.length], [done.state, 0]);
});

Deno.test("nothing is sent before the challenge, whatever arrives", () => {
  for (
    const frame of [
      { type: "event", event: "tick" },
      { type: "res", id: "r1", ok: true, payload: { type: "hello-ok", protocol: 4 } },
      [],
      null,
      7,
    ]
  ) {
    assertEquals(run(plan, text(frame)), { state: FIRST_STATE, effects: [] });
  }
  assertEquals(run(plan, { kind: "text", text: "not json", requestId: "x", nowMs: 0 }).effects, []);
});

const OUTCOMES: readonly [string, HandshakeInput[], string][] = [
  ["no challenge in time", [{ kind: "timeout", timeoutMs: 9 }], "HANDSHAKE_TIMEOUT"],
  ["no answer in time", [CHALLENGE, { kind: "timeout", timeoutMs: 9 }], "HANDSHAKE_TIMEOUT"],
  ["hello of another shape", [CHALLENGE, answer("r1", { hello: "ok" })], "HANDSHAKE_FAILED"],
  [
    "hello of protocol 2",
    [CHALLENGE, answer("r1", { type: "hello-ok", protocol: 2 })],
    "PROTOCOL_MISMATCH",
  ],
  [
    "hello of protocol 5",
    [CHALLENGE, answer("r1", { type: "hello-ok", protocol: 5 })],
    "PROTOCOL_UPGRADED",
  ],
  [
    "closed with 1002",
    [{ kind: "closed", info: { code: 1002, reason: "protocol mismatch" } }],
    "PROTOCOL_MISMATCH",
  ],
  ["closed with 1013", [CHALLENGE, {
    kind: "closed",
    info: { code: 1013, reason: "gateway starting" },
  }], "GATEWAY_STARTING"],
  [
    "closed without a word",
    [CHALLENGE, { kind: "closed", info: { code: 1000, reason: "" } }],
    "CONNECTION_LOST",
  ],
  ["closed for pairing", [CHALLENGE, {
    kind: "closed",
    info: { code: 1008, reason: "pairing required: x (requestId: ab-1)" },
  }], "PAIRING_REQUIRED"],
];
for (const [name, inputs, code] of OUTCOMES) {
  Deno.test(`outcome: ${name} is ${code}`, () =>
    assertEquals(codeOf(run(plan, ...inputs).state), code));
}

Deno.test("a refusal becomes an error with details.code, the top-level code beside it, and only a safe request id", () => {
  const refuse = (details: unknown) =>
    run(
      plan,
      CHALLENGE,
      text({
        type: "res",
        id: "r1",
        ok: false,
        error: {
          code: "NOT_PAIRED",
          message: "pairing required:\u001b[2J x",
          details,
          retryAfterMs: 1500,
          retryable: true,
        },
      }),
    ).state;
  const good = refuse({ code: "PAIRING_REQUIRED", requestId: "req-1", reason: "not-paired" });
  assert(good.at === "failed");
  assertEquals([good.error.code, good.error.retryAfterMs, good.error.retryable], [
    "PAIRING_REQUIRED",
    1500,
    true,
  ]);
  assertEquals(good.error.details, {
    code: "PAIRING_REQUIRED",
    requestId: "req-1",
    reason: "not-paired",
    wireCode: "NOT_PAIRED",
  });
  assert(!good.error.message.includes("\u001b"));
  const evil = refuse({ code: "PAIRING_REQUIRED", requestId: "x; rm -rf /" });
  assert(evil.at === "failed");
  assertEquals(evil.error.details?.requestId, undefined);
});

const T = (value: string) => new Secret(value);
const AUTHS: readonly [string, ReturnType<typeof chooseAuth>, ReturnType<typeof chooseAuth>][] = [
  ["shared token before stored", chooseAuth({ token: T("a") }, T("s")), {
    auth: { token: "a" },
    usesStored: false,
  }],
  ["token and password together", chooseAuth({ token: T("a"), password: T("p") }, undefined), {
    auth: { token: "a", password: "p" },
    usesStored: false,
  }],
  ["explicit device token before stored", chooseAuth({ deviceToken: T("d") }, T("s")), {
    auth: { deviceToken: "d" },
    usesStored: false,
  }],
  ["stored before bootstrap", chooseAuth({ bootstrapToken: T("b") }, T("s")), {
    auth: { deviceToken: "s" },
    usesStored: true,
  }],
  ["bootstrap last", chooseAuth({ bootstrapToken: T("b") }, undefined), {
    auth: { bootstrapToken: "b" },
    usesStored: false,
  }],
  ["nothing", chooseAuth({}, undefined), { auth: {}, usesStored: false }],
  ["retry sends both", chooseAuth({ token: T("a") }, T("s"), true), {
    auth: { token: "a", deviceToken: "s" },
    usesStored: true,
  }],
];
for (const [name, got, wanted] of AUTHS) {
  Deno.test(`chooseAuth(): ${name}`, () => assertEquals(got, wanted));
}

Deno.test("an operator offers 3..4; a node 4..4, and 3..3 with the old spelling and no family", () => {
  const node: ClientHello = {
    ...hello,
    role: "node",
    client: { ...hello.client, id: "node-host", mode: "node", platform: "macos" },
  };
  const range = (o: { minProtocol: number; maxProtocol: number }) => [o.minProtocol, o.maxProtocol];
  assertEquals(range(offerFor(hello, false)), [3, 4]);
  assertEquals(range(offerFor(hello, true)), [3, 4]);
  assertEquals(range(offerFor(node, false)), [4, 4]);
  const legacy = offerFor(node, true);
  assertEquals(range(legacy), [3, 3]);
  assertEquals([legacy.hello.client.platform, "deviceFamily" in legacy.hello.client], [
    "darwin",
    false,
  ]);
  const windows = offerFor({ ...node, client: { ...node.client, platform: "windows" } }, true);
  assertEquals(windows.hello.client.platform, "win32");
});

Deno.test("the connect frame has no key outside the closed schema", () => {
  const full: ConnectPlan = {
    ...withDevice,
    hello: {
      ...hello,
      caps: ["x"],
      commands: ["system.run"],
      permissions: { a: true },
      pathEnv: "/bin",
    },
  };
  for (const p of [plan, withDevice, full]) {
    const frame = JSON.parse(
      connectFrame(p, { nonce: "n", ts: 1 }, "id", p.device ? "sig" : undefined),
    );
    const checked = check(connectSchema, frame.params);
    assert(checked.ok, JSON.stringify(checked));
  }
});

Deno.test("the password is never part of what is signed", () => {
  const signed = textToSign({ ...withDevice, auth: { password: "hunter2" } }, {
    nonce: "n",
    ts: 1,
  });
  assert(!signed.includes("hunter2"));
  assert(signed.includes("|1||n|"));
});
