/**
 * Every command line that asks a gateway, against one that answers with harm: control sequences, forged lines and huge
 * numbers in each text, wrong shapes, refusals with harm in every member. What is shown is text on its own lines, nothing
 * crashes, nothing waits for ever, and the exit code is one a system can carry (A17, N32).
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RunStream } from "../../src/cli/actions/nodes/stream.ts";
import type { Gateway } from "../../src/cli/connect/connect.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { listen } from "../../src/net/listen/ws_server.ts";
import { cli } from "../cli/support.ts";

type Json = Record<string, unknown>;

const HARM =
  "\x1b[2K\x1b[1A\x1b]52;c;aGk=\x07\x1b]8;;http://x\x07\u009b31m\u202e\u2066\u200b\u3164\u{e0041}\r\nforged: approved\n$ openclaw";
const ID = "a".repeat(64);
const METHODS = ["device.pair.admit", "gateway.cert.show", "node.list", "exec.approval.list"];

const LINES = [
  "gateway call health",
  "gateway health",
  "gateway status",
  "gateway cert show",
  "gateway probe",
  "devices list",
  "devices approve req-1",
  "devices reject req-1",
  `devices remove ${ID}`,
  `devices rotate --device ${ID} --role node`,
  `devices rename --device ${ID} --name x`,
  "nodes status",
  "nodes list",
  `nodes describe --node ${ID}`,
  "nodes pending",
  "nodes approve req-2",
  `nodes rename --node ${ID} --name x`,
  `nodes invoke --node ${ID} --command system.which`,
  "approvals get --gateway",
  `approvals get --node ${ID}`,
  "approvals pending",
  "approvals resolve a deny",
  `approvals grants list --node ${ID}`,
  `approvals explain --node ${ID} -- ls`,
  "health",
  "status --deep",
  "logs --limit 5",
];

/** An answer of the right shape to each method, with `text` and `number` wherever one may stand. */
function shaped(text: string, number: number): Json {
  const texts = [text];
  const common = {
    displayName: text,
    platform: text,
    remoteIp: text,
    clientId: text,
    clientMode: text,
    caps: texts,
    commands: texts,
    ts: number,
  };
  const device = {
    ...common,
    requestId: "req-1",
    deviceId: ID,
    publicKey: text,
    role: text,
    roles: texts,
    scopes: texts,
    surfaceHash: text,
    operatorLabel: text,
    tokens: [{ role: text, token: text, revokedAtMs: number }],
  };
  const node = {
    ...common,
    requestId: "req-2",
    nodeId: ID,
    version: text,
    deviceFamily: text,
    modelIdentifier: text,
    pathEnv: text,
    permissions: { [text]: true },
    instanceId: text,
    connectedAtMs: number,
    lastSeenAtMs: number,
    approvalState: text,
    pendingRequestId: text,
    paired: true,
    connected: true,
  };
  const request = {
    command: text,
    commandArgv: texts,
    cwd: text,
    nodeId: ID,
    host: text,
    agentId: text,
    systemRunPlan: { argv: texts, cwd: text, commandText: text, commandPreview: text },
  };
  const requester = { name: text, deviceId: text };
  const entry = {
    id: text,
    pattern: text,
    argPattern: text,
    lastUsedCommand: text,
    lastUsedAt: number,
  };
  const grant = {
    id: text,
    pattern: text,
    args: texts,
    createdAtMs: number,
    expiresAtMs: number,
    runsLeft: number,
  };
  const policy = {
    path: text,
    exists: true,
    hash: text,
    file: {
      version: 1,
      socket: { path: text },
      defaults: { security: text, ask: text },
      agents: { [text]: { security: text, allowlist: [entry] } },
    },
    raw: text,
    error: text,
    grants: [grant],
  };
  return {
    "device.pair.list": { pending: [device], paired: [device] },
    "node.pair.list": { pending: [node], paired: [node] },
    "node.list": { ts: number, nodes: [node] },
    "node.describe": node,
    "exec.approval.list": [{
      id: text,
      request,
      createdAtMs: number,
      expiresAtMs: number,
      requester,
    }],
    "exec.approvals.get": policy,
    "exec.approvals.node.get": policy,
    health: { ok: true, ts: number, durationMs: number, version: text, [text]: text },
    "logs.tail": { file: text, cursor: number, size: number, lines: texts, truncated: true },
    "node.invoke": {
      ok: true,
      nodeId: text,
      payload: { decision: text, text, bins: { [text]: text } },
    },
    "gateway.cert.show": {
      current: text,
      next: text,
      nodes: [{ nodeId: text, displayName: text }],
    },
  };
}

type Answer = (method: string) => Json;

/** Runs all command lines against a gateway that answers so. */
async function againstGateway(answer: Answer, flags: readonly string[] = []): Promise<void> {
  const text = answer("hello").ok === false ? HARM : "2026.9.6";
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    onRequest: (_request, response) => void response.writeHead(404).end(HARM),
    onSocket: (socket) => {
      const send = (frame: Json) => socket.send(JSON.stringify(frame));
      socket.attach({
        onText: (frameText) => {
          const { id, method } = JSON.parse(frameText);
          if (method !== "connect") return send({ type: "res", id, ...answer(method) });
          socket.markAuthenticated();
          send({ type: "res", id, ...hello(text) });
        },
        onClose: () => {},
      });
      send({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } });
    },
  });
  const home = await Deno.makeTempDir({ prefix: "openclaw-harm-" });
  try {
    const env = {
      HOME: home,
      OPENCLAW_STATE_DIR: `${home}/state`,
      OPENCLAW_GATEWAY_PORT: String(listener.port),
      OPENCLAW_GATEWAY_TOKEN: "tok-synthetic",
    };
    for (const line of LINES) {
      const [first = "", second = "", ...rest] = line.split(" ");
      const ran = await cli([first, second, ...flags, ...rest].filter((word) => word !== ""), {
        env,
        terminal: true,
      });
      isHarmless(line, ran.stdout + ran.stderr);
      assert([0, 1, 2, 78].includes(ran.code), `${line} ended with ${ran.code}`);
      if (flags.includes("--json")) JSON.parse(ran.stdout);
    }
  } finally {
    await Deno.remove(home, { recursive: true });
    await listener.close();
  }
}

function hello(text: string): Json {
  return {
    ok: true,
    payload: {
      type: "hello-ok",
      protocol: 4,
      server: { version: text, connId: text },
      features: { methods: METHODS, events: [text], capabilities: [] },
      snapshot: { health: { [text]: text }, configPath: text },
      auth: {
        role: "operator",
        scopes: ["admin", "read", "write", "approvals", "pairing"].map((one) => `operator.${one}`),
        method: text,
      },
      policy: { tickIntervalMs: 30_000 },
    },
  };
}

// deno-lint-ignore no-control-regex
const CONTROL =
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\u3164]|[\u{e0000}-\u{e007f}]/u;

function isHarmless(line: string, printed: string): void {
  const text = printed.replaceAll(/\x1b\[(?:1|2|22|31|32|33|39)m/g, "");
  const found = CONTROL.exec(text);
  assert(!found, `${line}: ${JSON.stringify(text.slice((found?.index ?? 0) - 40).slice(0, 80))}`);
  assert(!/^(?:forged|\$ )/m.test(text), `${line} shows a forged line:\n${text}`);
  assert(
    !/Unexpected failure|INTERNAL|is not (?:a function|iterable)|Cannot read prop/.test(text),
    `${line}:\n${text}`,
  );
}

for (
  const [name, number] of [["now", Date.now()], ["no number", Infinity], ["huge", 1e300]] as const
) {
  Deno.test(`A17: harm in every text of every answer is shown as text; times are ${name}`, async () => {
    const answers = shaped(HARM, number);
    const answer: Answer = (method) => ({ ok: true, payload: answers[method] ?? { [HARM]: HARM } });
    await againstGateway(answer);
  });
}

Deno.test("A17: the same with --json is one document without a control character", async () => {
  const answers = shaped(HARM, 1);
  await againstGateway((method) => ({ ok: true, payload: answers[method] ?? {} }), ["--json"]);
});

Deno.test("A17: refusals with harm in code, message, hint, request id and context", async () => {
  const details = {
    code: "PAIRING_REQUIRED",
    requestId: HARM,
    hint: HARM,
    context: [HARM],
    reason: HARM,
  };
  const error = { code: HARM, message: HARM, details, retryAfterMs: 1e300 };
  await againstGateway(() => ({ ok: false, error }));
});

Deno.test("answers of the wrong shape are called so and crash nothing", async () => {
  const payloads = [
    [[]],
    { pending: 5, paired: null, nodes: {} },
    { pending: [null], paired: [[]], nodes: [5], lines: [{}], file: [] },
  ];
  for (const payload of payloads) await againstGateway(() => ({ ok: true, payload }));
});

Deno.test("F17: a gateway that streams without end is cut off instead of kept in memory", async () => {
  const gateway = { call: () => Promise.resolve(null) } as unknown as Gateway;
  const written: number[] = [];
  const never = Promise.withResolvers<void>();
  const stream = new RunStream(gateway, "run-1", (_kind, bytes) => {
    written.push(bytes.length);
    return never.promise;
  });
  const chunk = { idempotencyKey: "run-1", nodeId: ID, stream: "out", b64: "QUFB" };
  for (let seq = 1; seq <= 10_000; seq++) stream.take("node.invoke.output", { ...chunk, seq });
  await assertRejects(() => stream.broken, OpenclawError, "more output than was asked for");
  assertEquals(stream.received, 256);
  never.resolve();
  await stream.finish();
  assertEquals(written.length, 256);
});
