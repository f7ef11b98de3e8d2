/** The decisions of `nodes run`: exit codes, and what a person is shown before they decide. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { type ApprovalQuestion, askApproval } from "../../src/cli/actions/nodes/approval.ts";
import { agentOf, decidedLine, tightened } from "../../src/cli/actions/nodes/request.ts";
import {
  exitCodeOf,
  isNotFound,
  needsApproval,
  programNotFound,
  runFailure,
  troubleOf,
} from "../../src/cli/actions/nodes/result.ts";
import type { Gateway } from "../../src/cli/connect/connect.ts";
import { Output } from "../../src/cli/terminal/output.ts";
import type { NodeEntry } from "../../src/cli/shapes.ts";
import { noPrompt, type Prompt } from "../../src/cli/terminal/prompt.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { sha256Hex } from "../../src/lib/bytes.ts";

const codes: [name: string, result: Parameters<typeof exitCodeOf>[0], code: number][] = [
  ["its own", { exitCode: 3 }, 3],
  ["time limit, also with a code", { exitCode: 124, timedOut: true }, 124],
  ["not found", { error: 'spawn "x" ENOENT' }, 127],
  ["not executable", { error: 'spawn "x" EACCES' }, 126],
  ["killed by TERM", { signal: "SIGTERM", success: false }, 143],
  ["no code at all", { success: false }, 1],
  ["success without a code", { success: true }, 0],
  ["a code of Windows that ends in a zero byte", { exitCode: 0xc000_0100 }, 1],
  ["a code of Windows", { exitCode: 0xc000_0005 }, 5],
  ["256, which a system would cut to success", { exitCode: 256 }, 1],
  ["a negative one", { exitCode: -1 }, 255],
  ["a fraction", { exitCode: 0.5 }, 1],
  ["beyond every integer", { exitCode: 1e300 }, 1],
  ["zero of a run that failed", { exitCode: 0, success: false }, 1],
  ["a signal nobody knows", { signal: "__proto__" }, 128],
];
for (const [name, result, code] of codes) {
  Deno.test(`exitCodeOf(): ${name} is ${code}`, () => assertEquals(exitCodeOf(result), code));
}

const failures: [name: string, code: string, message: string, exit: number][] = [
  ["denied by policy", "SYSTEM_RUN_DENIED", "SYSTEM_RUN_DENIED: allowlist miss", 126],
  ["approval of somebody else", "APPROVAL_DEVICE_MISMATCH", "approval is for another device", 126],
  ["call timed out", "UNAVAILABLE", "TIMEOUT: node invoke timed out", 124],
  [
    "plan without a program",
    "X",
    "SYSTEM_RUN_DENIED: approval requires a stable executable path",
    127,
  ],
  ["node gone", "NOT_CONNECTED", "node not connected", 255],
];
for (const [name, code, message, exit] of failures) {
  Deno.test(`runFailure(): ${name} exits ${exit}`, () => {
    const error = runFailure(new OpenclawError(code, message)) as OpenclawError;
    assertEquals([error.exitCode, error.code, error.message], [exit, code, message]);
  });
}

const troubles: [code: string, message: string, said: string, hint: RegExp, exit?: number][] = [
  [
    "UNAVAILABLE",
    "INVALID_REQUEST: SYSTEM_RUN_DENIED: approval requires an existing canonical cwd",
    "Node build-1 has no such directory to run the command in",
    /^--cwd /,
    126,
  ],
  [
    "NOT_CONNECTED",
    "node not connected",
    "Node build-1 is not connected to the gateway",
    /^openclaw nodes status$/,
  ],
  [
    "UNAVAILABLE",
    "DISCONNECTED: node disconnected (system.run)",
    "Node build-1 went away before the command ended",
    /^openclaw nodes status$/,
  ],
  [
    "UNAVAILABLE",
    "NODE_BUSY: node is busy: 16 commands are running, its limit",
    "Node build-1 is busy: 16 commands are running, its limit",
    /openclaw config set nodeHost\.maxConcurrentRuns 32$/,
  ],
];
for (const [code, message, said, hint, exit = 255] of troubles) {
  Deno.test(`runFailure() names the node of "${message}"`, () => {
    const error = runFailure(new OpenclawError(code, message), "build-1") as OpenclawError;
    assertEquals([error.exitCode, error.message], [exit, said]);
    assertMatch(error.hint ?? "", hint);
  });
}

Deno.test("runFailure() says a node's code once", () => {
  const twice = new OpenclawError(
    "UNAVAILABLE",
    "SYSTEM_RUN_DENIED: SYSTEM_RUN_DENIED: allowlist miss",
  );
  assertEquals((runFailure(twice) as OpenclawError).message, "SYSTEM_RUN_DENIED: allowlist miss");
});

Deno.test("agentOf(): nodes of the reference always hear an agent, ours only a given one", () => {
  const ours = { nodeId: "n", caps: ["system", "invoke-output"] };
  const real = { nodeId: "n", caps: ["system"] };
  assertEquals(
    [agentOf(undefined, ours), agentOf(undefined, real), agentOf("a", ours), agentOf("a", real)],
    [undefined, "main", "a", "a"],
  );
});

const rows: [name: string, flags: [string?, string?], exec: [string?, string?], both: string][] = [
  ["nothing is said", [], [], "undefined undefined"],
  ["only flags", ["allowlist", "always"], [], "allowlist always"],
  ["only the configuration", [], ["allowlist", "on-miss"], "allowlist on-miss"],
  ["flags cannot loosen", ["full", "off"], ["allowlist", "always"], "allowlist always"],
  ["flags can tighten", ["allowlist", "always"], ["full", "off"], "allowlist always"],
];
for (const [name, flags, exec, both] of rows) {
  Deno.test(`tightened(): ${name}`, () => {
    const wish = ([security, ask]: [string?, string?]) => ({ security, ask });
    const { security, ask } = tightened(wish(flags), wish(exec));
    assertEquals(`${security} ${ask}`, both);
  });
}

Deno.test("tightened(): deny, from either side, ends with 126 and says from which", () => {
  for (
    const [flag, exec, who] of [
      ["deny", undefined, "--security deny"],
      ["full", "deny", "tools.exec.security of this machine"],
    ]
  ) {
    const error = assertThrows(
      () => tightened({ security: flag }, { security: exec }),
      OpenclawError,
    );
    assertEquals([error.exitCode, error.message], [126, `${who} lets nothing run`]);
  }
});

Deno.test("troubleOf() says what the exit code alone does not", () => {
  assertEquals(troubleOf({ exitCode: 3 }), undefined);
  assertEquals(troubleOf({ signal: "SIGSEGV" }), "the command was ended by SIGSEGV");
  assertEquals(troubleOf({ timedOut: true }), "the command ran into its time limit");
  assertEquals(troubleOf({ error: "x", signal: "SIGKILL" }), "x");
});

Deno.test("runFailure() leaves usage errors and unexpected ones alone", () => {
  const usage = new OpenclawError("USAGE", "x", { exitCode: 2 });
  const bug = new TypeError("bug");
  assertEquals([runFailure(usage), runFailure(bug)], [usage, bug]);
  assert(!needsApproval(bug));
});

Deno.test("a program the node does not have ends with 127 and the node's own details", () => {
  const refused = new OpenclawError("X", failures[3]![2]);
  assert(isNotFound(refused));
  const error = programNotFound("unmae", "approval required\n  command: unmae");
  assertEquals(error.message, 'The node has no program "unmae"\n  command: unmae');
  assertEquals(error.exitCode, 127);
});

Deno.test("decidedLine() can be pasted as it is, and shows no value of --env", () => {
  const node = { nodeId: "n1", displayName: "build-1" } as NodeEntry;
  const none = { argv: [], raw: undefined, cwd: undefined, env: [], agent: undefined };
  assertEquals(
    decidedLine("id", node, { ...none, argv: ["printf", "%s", "$(x)", "it's"], cwd: "/a b" }),
    `openclaw nodes run --node build-1 --approval id --cwd '/a b' -- printf %s '$(x)' 'it'\\''s'`,
  );
  assertEquals(
    decidedLine("id", { ...node, displayName: "--url x" }, { ...none, raw: "a b", env: ["K=s3"] }),
    "openclaw nodes run --node n1 --approval id --env 'K=…' --raw 'a b'",
  );
});

function question(facts: Partial<ApprovalQuestion>): ApprovalQuestion {
  return {
    nodeId: "n".repeat(64),
    nodeName: "build-1",
    argv: [],
    commandText: "uname",
    cwd: undefined,
    env: {},
    stdin: false,
    plan: {},
    agentId: undefined,
    security: "allowlist",
    ask: "on-miss",
    reason: "approval required",
    wait: false,
    runLine: (id) => `run ${id}`,
    ...facts,
  };
}

/** A gateway that accepts one request and answers it when it is resolved. */
function scriptedGateway() {
  const calls: { method: string; params: Record<string, unknown> }[] = [];
  const decided = Promise.withResolvers<unknown>();
  const call = (
    method: string,
    params: unknown,
    options?: { onAccepted?: (p: unknown) => void },
  ) => {
    calls.push({ method, params: params as Record<string, unknown> });
    if (method === "exec.approval.resolve") {
      decided.resolve({ id: "a1", decision: (params as { decision: string }).decision });
      return Promise.resolve({ ok: true });
    }
    options?.onAccepted?.({ status: "accepted", id: "a1" });
    return decided.promise;
  };
  const gateway = { call, offers: () => true, session: { protocol: 4 } } as unknown as Gateway;
  return { gateway, calls, decided };
}

function ioWith(prompt: Prompt) {
  const written = { err: "" };
  const out = new Output({
    out: () => {},
    err: (bytes) => written.err += new TextDecoder().decode(bytes),
    outIsTerminal: false,
    errIsTerminal: false,
    columns: 100,
  }, { json: false, colour: false });
  return { io: { out, prompt, env: {}, words: [] }, written };
}

function answering(key: string) {
  const shown: string[] = [];
  const prompt: Prompt = {
    available: true,
    confirm: () => Promise.resolve(false),
    choose: (lines, choices) => {
      shown.push(...lines, ...choices.map((c) => `choice ${c.label}`));
      return Promise.resolve(key);
    },
  };
  return { prompt, shown };
}

Deno.test("A15: a tail behind 8 KB of blanks is shown whole, with length and hash", async () => {
  const text = `echo fine${" ".repeat(8_192)}; rm -rf / ${"x".repeat(100_000)}END`;
  const { prompt, shown } = answering("o");
  const { gateway } = scriptedGateway();
  await askApproval(gateway, gateway, question({ commandText: text }), ioWith(prompt).io);
  const all = shown.join("\n");
  assert(all.includes(text), "the text was cut");
  assert(all.includes(`${text.length} characters, sha256 ${await sha256Hex(text)}`));
});

Deno.test("everything the decision is about is shown: directory, environment, stdin", async () => {
  const { prompt, shown } = answering("o");
  const { gateway } = scriptedGateway();
  const asked = question({ cwd: "/srv/app", env: { TERM: "vt52" }, stdin: true });
  await askApproval(gateway, gateway, asked, ioWith(prompt).io);
  const all = shown.join("\n");
  for (const part of ["/srv/app", "TERM=vt52", "Stdin", "build-1"]) {
    assert(all.includes(part), part);
  }
});

Deno.test("with ask=always nothing can be allowed for good", async () => {
  const { prompt, shown } = answering("d");
  const { gateway, calls } = scriptedGateway();
  const error = await assertRejects(
    () => askApproval(gateway, gateway, question({ ask: "always" }), ioWith(prompt).io),
    OpenclawError,
  );
  assertEquals([error.code, error.exitCode], ["APPROVAL_DENIED", 126]);
  assert(!shown.includes("choice always"));
  assertEquals(calls.at(-1)?.params.decision, "deny");
});

Deno.test("somebody else's decision ends the question here", async () => {
  const { gateway, decided } = scriptedGateway();
  const aborted = Promise.withResolvers<void>();
  const prompt: Prompt = {
    available: true,
    confirm: () => Promise.resolve(false),
    choose: (_lines, _choices, signal) => {
      signal?.addEventListener("abort", () => aborted.resolve());
      decided.resolve({ id: "a1", decision: "allow-once" });
      return aborted.promise.then(() => undefined);
    },
  };
  const granted = await askApproval(gateway, gateway, question({}), ioWith(prompt).io);
  assertEquals(granted, { id: "a1", decision: "allow-once" });
  await aborted.promise;
});

Deno.test("nobody to ask: 126 with the command that decides; --wait waits for it", async () => {
  const refused = scriptedGateway();
  const error = await assertRejects(
    () => askApproval(refused.gateway, refused.gateway, question({}), ioWith(noPrompt).io),
    OpenclawError,
  );
  assertEquals([error.code, error.exitCode], ["APPROVAL_NEEDED", 126]);
  assert(error.hint?.includes("openclaw approvals resolve a1 allow-once"));
  const waiting = scriptedGateway();
  const { io, written } = ioWith(noPrompt);
  const granted = askApproval(waiting.gateway, waiting.gateway, question({ wait: true }), io);
  waiting.decided.resolve({ id: "a1", decision: "allow-always" });
  assertEquals((await granted).decision, "allow-always");
  assert(written.err.includes("approval required"));
});
