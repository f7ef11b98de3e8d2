import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { makeCertificate } from "../../src/identity/certificate.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { startNode } from "../../src/node/host.ts";
import { readRuntime } from "../../src/node/files/runtime_file.ts";
import { TestGateway } from "./support/gateway.ts";
import { FULL, withBench, withNode } from "./support/node.ts";
import { alive, until } from "./support/runner.ts";

const posix = { ignore: Deno.build.os === "windows" };
const sh = (script: string) => ({ command: ["/bin/sh", "-c", script] });

Deno.test(
  "a node connects, declares itself and finds programs",
  posix,
  () =>
    withNode(async ({ gateway, bench, node }) => {
      const leg = await gateway.leg();
      assertEquals(leg.connect["commands"], [
        "system.run.prepare",
        "system.run",
        "system.which",
        "system.execApprovals.get",
        "system.execApprovals.set",
        "fs.listDir",
      ]);
      assertEquals(leg.connect["caps"], ["system", "file", "invoke-output"]);
      assertEquals([leg.connect["minProtocol"], leg.connect["role"]], [4, "node"]);
      assertEquals(leg.nodeId, node.deviceId);
      const answer = await leg.invoke("system.which", {
        bins: [" sh ", "", "no-such", "/bin/sh", 7],
      });
      assertEquals(Object.keys(answer.payload["bins"] as object), ["sh"]);
      assertMatch(String((answer.payload["bins"] as Record<string, string>)["sh"]), /^\/.*\/sh$/);
      const text = bench.lines.join("\n");
      assertStringIncludes(
        text,
        "[node-host] advertised commands: system.run.prepare, system.run, ",
      );
      assertStringIncludes(text, `Connected to gateway ws://127.0.0.1:${gateway.port}`);
    }),
);

Deno.test(
  "node.json is written with the effective values and node-runtime.json while running",
  posix,
  () =>
    withNode(async ({ gateway, bench, node }) => {
      await gateway.leg();
      const file = JSON.parse(await Deno.readTextFile(bench.paths.nodeFile));
      assertEquals(file.gateway, { host: "127.0.0.1", port: gateway.port, tls: false });
      await until(() => {
        try {
          return Deno.readTextFileSync(bench.paths.runtimeFile).includes('"connected"');
        } catch {
          return false;
        }
      }, "runtime file");
      const runtime = await readRuntime(bench.paths.runtimeFile);
      assertEquals([runtime?.pid, runtime?.deviceId, runtime?.protocol], [
        Deno.pid,
        node.deviceId,
        4,
      ]);
      assertEquals((await Deno.stat(bench.paths.runtimeFile)).mode! & 0o777, 0o600);
      await node.stop();
      assertEquals(await node.done, 0);
      assertEquals(await readRuntime(bench.paths.runtimeFile), undefined);
      assertEquals((await (await gateway.leg()).closed.promise).code, 1000);
    }),
);

Deno.test(
  "a second delivery of an invoke is dropped, blank and foreign ones are ignored",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const first = leg.invoke("system.which", { bins: ["sh"] }, { id: "same" });
      const again = { nodeId: leg.nodeId, command: "system.which", paramsJSON: '{"bins":[]}' };
      leg.event("node.invoke.request", { ...again, id: "same" });
      leg.event("node.invoke.request", { ...again, id: " " });
      leg.event("node.invoke.request", { ...again, id: "other", nodeId: "somebody else" });
      assert((await first).ok);
      await leg.invoke("system.which", { bins: ["sh"] }, { id: "last" });
      const results = leg.seen.filter((seen) => seen.method === "node.invoke.result");
      assertEquals(results.map((seen) => seen.params["id"]), ["same", "last"]);
    }),
);

Deno.test(
  "bad commands and params get the errors of the contract",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const code = async (command: string, params: unknown) => {
        const { error } = await leg.invoke(command, params);
        return `${error?.code}: ${error?.message}`;
      };
      assertEquals(await code("no.such", {}), "UNAVAILABLE: command not supported");
      assertEquals(
        await code("system.which", {}),
        "INVALID_REQUEST: Error: INVALID_REQUEST: bins required",
      );
      assertEquals(
        await code("system.which", undefined),
        "INVALID_REQUEST: Error: INVALID_REQUEST: paramsJSON required",
      );
      for (const command of [undefined, [], "ls"]) {
        assertEquals(await code("system.run", { command }), "INVALID_REQUEST: command required");
      }
      assertEquals(
        await code("system.run", { command: ["ls"], systemRunPlan: { argv: 1 } }),
        "INVALID_REQUEST: systemRunPlan invalid",
      );
      assertStringIncludes(
        await code("system.run", { command: ["ls"], rawCommand: "rm" }),
        "INVALID_REQUEST: rawCommand does not match command",
      );
    }),
);

Deno.test(
  "invokes are served at the same time",
  posix,
  () =>
    withNode(async ({ gateway, bench }) => {
      const leg = await gateway.leg();
      const fifo = join(bench.home, "fifo");
      await leg.invoke("system.run", { command: ["mkfifo", fifo] });
      const reader = leg.invoke("system.run", { command: ["cat", fifo] });
      const writer = leg.invoke("system.run", sh(`echo both > ${fifo}`));
      assertEquals((await reader).payload["stdout"], "both\n");
      assertEquals((await writer).payload["exitCode"], 0);
    }),
);

Deno.test(
  "decision 16: more than the limit of commands is a typed busy",
  posix,
  () =>
    withNode(async ({ gateway, bench }) => {
      await Deno.writeTextFile(bench.paths.configFile, "{ nodeHost: { maxConcurrentRuns: 2 } }", {
        mode: 0o600,
      });
      const leg = await gateway.leg();
      const running = [1, 2].map((n) =>
        leg.invoke("system.run", sh("sleep 30"), { id: `long${n}` })
      );
      const third = await leg.invoke("system.run", { command: ["true"] });
      assertEquals(third.error?.code, "NODE_BUSY");
      assertStringIncludes(third.error?.message ?? "", "2 commands are running");
      assert((await leg.invoke("system.which", { bins: ["sh"] })).ok, "other commands still work");
      for (const n of [1, 2]) {
        leg.event("node.invoke.cancel", { invokeId: `long${n}`, nodeId: leg.nodeId });
      }
      await Promise.all(running);
      assertEquals((await leg.invoke("system.run", { command: ["true"] })).payload["exitCode"], 0);
    }),
);

Deno.test(
  "F28: a stop request lets running commands finish, refuses new ones and exits 0",
  posix,
  () =>
    withNode(async ({ gateway, node, bench }) => {
      const leg = await gateway.leg();
      const gate = join(bench.home, "gate");
      const running = Array.from(
        { length: 3 },
        () =>
          leg.invoke("system.run", sh(`while [ ! -e ${gate} ]; do sleep 0.05; done; echo done`)),
      );
      await leg.invoke("system.which", { bins: [] });
      const stopped = node.stop();
      const late = await leg.invoke("system.run", { command: ["true"] });
      assertEquals(late.error?.code, "NODE_STOPPING");
      await Deno.writeTextFile(gate, "");
      for (const one of running) assertEquals((await one).payload["stdout"], "done\n");
      await stopped;
      assertEquals(await node.done, 0);
    }),
);

Deno.test(
  "F29: a second stop request kills the groups and ends within 2 s without survivors",
  posix,
  () =>
    withNode(async ({ gateway, node }) => {
      const leg = await gateway.leg();
      let text = "";
      leg.onProgress = (params) => {
        text += atob(JSON.parse(String(params["chunk"])).b64 ?? "");
        return Promise.resolve({ ok: true });
      };
      const script =
        "trap '' TERM; echo pid $$; sh -c 'echo pid $$; exec sleep 99' & wait; sleep 98";
      const running = leg.invoke("system.run", sh(script));
      await until(() => text.split("pid").length === 3, "both started");
      const pids = [...text.matchAll(/pid (\d+)/g)].map((match) => Number(match[1]));
      const startMs = performance.now();
      const soft = node.stop();
      await node.stop({ force: true });
      await soft;
      assert(performance.now() - startMs < 2000);
      await until(() => !pids.some(alive), "no survivors", 500);
      assert((await running).ok);
      assertEquals(await node.done, 0);
    }),
);

Deno.test(
  "a run whose connection is lost is stopped, and the node comes back",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      let pid = 0;
      leg.onProgress = (params) => {
        pid = Number(atob(JSON.parse(String(params["chunk"])).b64));
        return Promise.resolve({ ok: true });
      };
      void leg.invoke("system.run", sh("echo $$; exec sleep 99"));
      await until(() => pid > 0, "started");
      leg.socket.terminate();
      const second = await gateway.leg(1);
      await until(() => !alive(pid), "child gone");
      assertEquals(
        (await second.invoke("system.run", { command: ["true"] })).payload["exitCode"],
        0,
      );
    }),
);

Deno.test(
  "a cancel with another id changes nothing",
  posix,
  () =>
    withNode(async ({ gateway, bench }) => {
      const first = await gateway.leg();
      const gate = join(bench.home, "gate");
      const running = first.invoke(
        "system.run",
        sh(`while [ ! -e ${gate} ]; do sleep 0.05; done`),
        {
          id: "mine",
        },
      );
      await first.invoke("system.which", { bins: [] });
      first.event("node.invoke.cancel", { invokeId: "not-mine", nodeId: first.nodeId });
      await Deno.writeTextFile(gate, "");
      assertEquals((await running).payload["exitCode"], 0);
    }),
);

Deno.test(
  "decision 6: a waiting node asks at the gateway's pace and is live soon after approval",
  posix,
  () =>
    withBench(async (bench) => {
      let approved = false;
      const gateway = await TestGateway.start({
        answer: () =>
          approved ? { hello: {} } : {
            error: {
              code: "NOT_PAIRED",
              message: "pairing required: device is not approved yet",
              retryable: true,
              retryAfterMs: 500,
              details: {
                code: "PAIRING_REQUIRED",
                requestId: "req-7",
                recommendedNextStep: "wait_then_retry",
                pauseReconnect: false,
              },
            },
            close: [1008, "pairing required"],
          },
      });
      const node = await startNode(
        bench.options({ flags: { host: "127.0.0.1", port: gateway.port } }),
      );
      try {
        await gateway.until(() => gateway.attempts >= 2, "asked again");
        await until(() => {
          try {
            return Deno.readTextFileSync(bench.paths.runtimeFile).includes("req-7");
          } catch {
            return false;
          }
        }, "published");
        assertEquals((await readRuntime(bench.paths.runtimeFile))?.state, "pairing");
        const lines = bench.lines.filter((line) => line.includes("pairing required"));
        assertEquals(lines.length, 1, "logged once a minute");
        assertStringIncludes(lines[0] ?? "", "openclaw devices approve req-7");
        approved = true;
        const startMs = performance.now();
        await gateway.leg();
        assert(performance.now() - startMs < 2000);
      } finally {
        await node.stop({ force: true });
        await gateway.close();
      }
    }),
);

function refuseWith(code: string, message: string) {
  return () => ({
    error: { code: "INVALID_REQUEST", message, details: { code } },
    close: [1008, message] as [number, string],
  });
}

Deno.test(
  "decision 31: a terminal refusal ends the node with 1 in the foreground",
  posix,
  () =>
    withBench(async (bench) => {
      const gateway = await TestGateway.start({
        answer: refuseWith("AUTH_TOKEN_MISMATCH", "unauthorized: gateway token mismatch"),
      });
      try {
        const node = await startNode(bench.options({
          flags: { host: "127.0.0.1", port: gateway.port },
          env: { OPENCLAW_GATEWAY_TOKEN: "wrong-token" },
        }));
        assertEquals(await node.done, 1);
        const text = bench.lines.join("\n");
        for (
          const phrase of ["authentication failed", "unauthorized", "detail=AUTH_TOKEN_MISMATCH"]
        ) {
          assertStringIncludes(text, phrase);
        }
        assert(!text.includes("wrong-token"), "no secret in the log");
        await node.stop();
      } finally {
        await gateway.close();
      }
    }),
);

Deno.test(
  "decision 31: under a service manager it stays up",
  posix,
  () =>
    withBench(async (bench) => {
      const gateway = await TestGateway.start({
        answer: refuseWith("AUTH_TOKEN_MISSING", "unauthorized: gateway token missing"),
      });
      const node = await startNode(bench.options({
        flags: { host: "127.0.0.1", port: gateway.port },
        env: { OPENCLAW_SERVICE_KIND: "node" },
      }));
      try {
        await gateway.until(() => gateway.attempts > 0, "tried");
        await until(
          () => bench.lines.some((line) => line.includes("AUTH_TOKEN_MISSING")),
          "logged",
        );
        const ended = await Promise.race([node.done, Promise.resolve("still up")]);
        assertEquals(ended, "still up");
      } finally {
        await node.stop({ force: true });
        await gateway.close();
      }
    }),
);

Deno.test(
  "N26: with a wrong pin nothing is sent, with the right one the node connects over TLS",
  posix,
  () =>
    withBench(async (bench) => {
      await bench.approvals(FULL);
      const nowMs = Date.now();
      const tls = await makeCertificate({
        commonName: "openclaw-gateway",
        sans: ["127.0.0.1"],
        notBeforeMs: nowMs - 60_000,
        notAfterMs: nowMs + 3_600_000,
      });
      const gateway = await TestGateway.start({ tls });
      const flags = { host: "127.0.0.1", port: gateway.port, tls: true };
      try {
        const wrong = await startNode(
          bench.options({ flags: { ...flags, tlsFingerprint: "00".repeat(32) } }),
        );
        await until(() => bench.lines.some((line) => line.includes("mismatch")), "told");
        await wrong.stop({ force: true });
        assertEquals(gateway.attempts, 0);
        const line = bench.lines.find((text) => text.includes("tls fingerprint mismatch")) ?? "";
        assertStringIncludes(line, tls.fingerprint);
        const pin = tls.fingerprint.toUpperCase().match(/../g)!.join(":");
        const right = await startNode(bench.options({ flags: { ...flags, tlsFingerprint: pin } }));
        const leg = await gateway.leg();
        assertEquals((await leg.invoke("system.run", sh("echo tls"))).payload["stdout"], "tls\n");
        await right.stop();
      } finally {
        await gateway.close();
      }
    }),
);

Deno.test("what waiting cannot mend is refused at once", posix, () =>
  withBench(async (bench) => {
    const code = async (flags: Record<string, unknown>) =>
      (await assertRejects(() => startNode(bench.options({ flags })), OpenclawError)).code;
    assertEquals(await code({ tlsFingerprint: "abc" }), "PIN_MALFORMED");
    await Deno.writeTextFile(bench.paths.nodeFile, "{", { mode: 0o600 });
    assertEquals(await code({}), "NODE_FILE_UNREADABLE");
    assertEquals(await Deno.readTextFile(bench.paths.nodeFile), "{");
  }));

Deno.test(
  "plaintext to a public address ends the node with 1 before a byte is sent",
  posix,
  () =>
    withBench(async (bench) => {
      const node = await startNode(bench.options({ flags: { host: "203.0.113.9", port: 1 } }));
      assertEquals(await node.done, 1);
      assertStringIncludes(bench.lines.join("\n"), "SECURITY ERROR");
      await node.stop();
    }),
);

Deno.test(
  "N32: a hostile close reason stays on one short line",
  posix,
  () =>
    withNode(async ({ gateway, bench }) => {
      const leg = await gateway.leg();
      leg.socket.close(4001, "bye\r\nERROR forged \x1b[31mline");
      await until(() => bench.lines.some((line) => line.includes("gateway closed")), "logged");
      const line = bench.lines.find((text) => text.includes("gateway closed")) ?? "";
      assertStringIncludes(
        line,
        "node host gateway closed (4001): bye\\r\\nERROR forged \\x1b[31mline",
      );
      await gateway.leg(1);
    }),
);

Deno.test(
  "a refused connection is told with the words scripts look for",
  posix,
  () =>
    withBench(async (bench) => {
      const gateway = await TestGateway.start();
      const { port } = gateway;
      await gateway.close();
      const node = await startNode(bench.options({ flags: { host: "127.0.0.1", port } }));
      try {
        await until(() => bench.lines.some((line) => line.includes("ECONNREFUSED")), "told");
        assertStringIncludes(bench.lines.join("\n"), "connection refused");
      } finally {
        await node.stop({ force: true });
      }
    }),
);
