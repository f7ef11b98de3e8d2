import { assertEquals } from "@std/assert";
import { createLogger, silentLogger } from "../../src/lib/log.ts";
import { any } from "../../src/lib/schema.ts";
import {
  type InvokeContext,
  nodeCommand,
  type NodeServices,
} from "../../src/node/commands/define.ts";
import { Invokes, type InvokeSession } from "../../src/node/invokes.ts";
import { FakeClock } from "../support/fake_clock.ts";

/** A command that waits to be let go and tells what happened to it. */
function bench(log = silentLogger) {
  const contexts: InvokeContext[] = [];
  const waiting: (() => void)[] = [];
  const command = nodeCommand("test.wait", { params: any() }, async (_params, context) => {
    contexts.push(context);
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      context.signal.addEventListener("abort", () => resolve());
    });
    return { aborted: context.signal.aborted };
  });
  const clock = new FakeClock();
  const services = { log, clock } as unknown as NodeServices;
  const invokes = new Invokes({ services, commands: [command], deviceId: "me" });
  const session = () => {
    const results: Record<string, unknown>[] = [];
    const one: InvokeSession = {
      protocol: 4,
      liveOutput: false,
      request: (_method, params) => {
        results.push(params as Record<string, unknown>);
        return Promise.resolve({ ok: true });
      },
    };
    return { one, results };
  };
  const ask = (to: InvokeSession, id: string) =>
    invokes.take(to, "node.invoke.request", { id, nodeId: "me", command: "test.wait" });
  return { invokes, contexts, waiting, clock, session, ask };
}

const settle = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("A21: a session can neither cancel nor feed the invoke of another one", async () => {
  const { invokes, contexts, waiting, session, ask } = bench();
  const [old, fresh] = [session(), session()];
  ask(old.one, "a");
  await settle();
  invokes.take(fresh.one, "node.invoke.cancel", { invokeId: "a", nodeId: "me" });
  assertEquals(contexts[0]?.signal.aborted, false);
  invokes.take(old.one, "node.invoke.cancel", { invokeId: "a", nodeId: "me" });
  assertEquals(contexts[0]?.signal.aborted, true);
  await settle();
  assertEquals([old.results.length, fresh.results.length, waiting.length], [1, 0, 1]);
});

Deno.test("F33: the late close of an old session leaves the runs of the new one alone", async () => {
  const { invokes, contexts, waiting, session, ask } = bench();
  const [old, fresh] = [session(), session()];
  ask(old.one, "a");
  ask(fresh.one, "b");
  await settle();
  invokes.sessionClosed(old.one);
  assertEquals(contexts.map((context) => context.signal.aborted), [true, false]);
  waiting[1]?.();
  await settle();
  assertEquals(fresh.results.map((result) => result["ok"]), [true]);
});

Deno.test("F28: draining waits for what runs, refuses what comes, and stops it at the deadline", async () => {
  const { invokes, contexts, clock, session, ask } = bench();
  const { one, results } = session();
  ask(one, "a");
  await settle();
  const drained = invokes.drain(5000);
  ask(one, "late");
  await settle();
  assertEquals((results[0]?.["error"] as Record<string, unknown>)["code"], "NODE_STOPPING");
  assertEquals(contexts[0]?.signal.aborted, false);
  clock.advance(5000);
  assertEquals(await drained, false);
  assertEquals([contexts[0]?.signal.aborted, invokes.running], [true, 0]);
});

Deno.test("A20: no event is sent for a run that was refused before it existed", async () => {
  const { invokes, session } = bench();
  const { one, results } = session();
  invokes.take(one, "node.invoke.request", { id: "x", nodeId: "me", command: "system.run" });
  invokes.take(one, "node.invoke.input", { invokeId: "never", seq: 1, b64: "", eof: true });
  await settle();
  assertEquals(results.map((result) => result["event"]), [undefined]);
});

Deno.test("F32: word of a second machine with this key is logged once a minute", () => {
  const lines: string[] = [];
  const { invokes, clock, session } = bench(createLogger({
    subsystem: "node",
    sink: (record) => lines.push(record.message),
  }));
  const { one } = session();
  for (let i = 0; i < 3; i++) {
    invokes.take(one, "node.identity.duplicate", { nodeId: "me", addresses: [`10.0.0.${i}`] });
  }
  assertEquals(lines.length, 1);
  clock.advance(60_000);
  invokes.take(one, "node.identity.duplicate", { nodeId: "me", addresses: ["10.0.0.1"] });
  assertEquals(lines.length, 2);
});

Deno.test("a flood of requests of any kind is answered busy beyond 512 under way", async () => {
  const { invokes, waiting, session, ask } = bench();
  const { one, results } = session();
  for (let i = 0; i < 600; i++) ask(one, `flood-${i}`);
  await settle();
  const codes = results.map((result) => (result["error"] as Record<string, unknown>)["code"]);
  assertEquals([waiting.length, codes.length, new Set(codes)], [512, 88, new Set(["NODE_BUSY"])]);
  waiting.forEach((end) => end());
  await settle();
  assertEquals([results.length, invokes.running], [600, 0]);
});

Deno.test("decision 16: a command whose answer is on the way takes no place", async () => {
  const command = nodeCommand("system.run", { params: any() }, () => Promise.resolve({}));
  const services = {
    log: silentLogger,
    clock: new FakeClock(),
    policyConfig: () => Promise.resolve({ maxRuns: 1 }),
  } as unknown as NodeServices;
  const invokes = new Invokes({ services, commands: [command], deviceId: "me" });
  const answers: unknown[] = [];
  const session: InvokeSession = {
    protocol: 4,
    liveOutput: false,
    request: (_method, params) => {
      answers.push((params as { ok: boolean }).ok);
      return new Promise(() => {}); // the gateway has not taken it yet
    },
  };
  for (const id of ["a", "b"]) {
    const request = { id, nodeId: "me", command: "system.run", paramsJSON: "{}" };
    invokes.take(session, "node.invoke.request", request);
    await settle();
  }
  assertEquals(answers, [true, true]);
});
