/**
 * The node host against a gateway that means harm or is broken: odd frames, numbers and params, floods of requests and of
 * input. Nothing hangs, nothing runs that should not, and the node goes on to serve.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import type { NodeLeg } from "./support/gateway.ts";
import { withNode } from "./support/node.ts";

const posix = { ignore: Deno.build.os === "windows" };
const SLEEP = '{"command":["/bin/sleep","0.1"]}';

/** Sends text as it stands: what `JSON.stringify` would never write. */
function rawRequest(leg: NodeLeg, id: string, members: string): Promise<unknown> {
  leg.socket.send(
    `{"type":"event","event":"node.invoke.request","payload":{"id":"${id}","nodeId":"${leg.nodeId}",${members}}}`,
  );
  return leg.waitFor(({ method, params }) => method === "node.invoke.result" && params["id"] === id)
    .then(({ params }) => params);
}

async function serves(leg: NodeLeg): Promise<void> {
  const { ok, payload } = await leg.invoke("system.which", { bins: ["ls"] });
  assertEquals([ok, Object.keys(payload["bins"] as object)], [true, ["ls"]]);
}

Deno.test(
  "N19: odd time limits of the gateway neither end a command at once nor never",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      for (const limit of ["1e309", "1e15", "-1", "0", '"5"', "null", "true"]) {
        const paramsJSON = JSON.stringify(SLEEP);
        const members = `"command":"system.run","timeoutMs":${limit},"paramsJSON":${paramsJSON}`;
        const answer = await rawRequest(leg, `limit ${limit.replaceAll('"', "")}`, members) as {
          payloadJSON: string;
        };
        assertEquals(JSON.parse(answer.payloadJSON).timedOut, false, limit);
      }
      for (
        const [limit, wanted] of [["1e309", /timeoutMs/], ['"5"', /timeoutMs/], [
          "[]",
          /timeoutMs/,
        ]] as const
      ) {
        const { error } = await leg.invoke("system.run", undefined, {
          paramsJSON: `{"command":["/bin/echo"],"timeoutMs":${limit}}`,
        });
        assertEquals(error?.code, "INVALID_REQUEST");
        assertMatch(error?.message ?? "", wanted);
      }
    }),
);

Deno.test(
  "N16, N17: params inside a frame are looked through like the frame",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      for (
        const [paramsJSON, wanted] of [
          ["[".repeat(1_000_000) + "]".repeat(1_000_000), /nested too deeply/],
          [`{${Array.from({ length: 60_000 }, (_, i) => `"k${i}":1`).join()}}`, /too many keys/],
          ["1".repeat(5_000_000), /number too long/],
          ['{"__proto__":{"approved":true},"command":["/bin/echo"]}', /forbidden key/],
          ['{"command":["/bin/echo"],"command":["/bin/ls"]}', /duplicate key/],
          ["{", /is not JSON/],
        ] as const
      ) {
        const { error } = await leg.invoke("system.run", undefined, { paramsJSON });
        assertEquals(error?.code, "INVALID_REQUEST");
        assertMatch(error?.message ?? "", wanted);
      }
      await serves(leg);
    }),
);

Deno.test(
  "X24: words that are no text, too many or too long are refused before anything is judged",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      for (
        const command of [
          [{ toString: "x" }],
          ["/bin/echo", ["a"]],
          ["/bin/echo", null],
          Array(10_001).fill("a"),
          ["/bin/echo", "x".repeat(3_000_000)],
          "echo",
          {},
        ]
      ) {
        for (const method of ["system.run", "system.run.prepare"]) {
          const { error } = await leg.invoke(method, { command });
          assertEquals(error?.code, "INVALID_REQUEST", JSON.stringify(command).slice(0, 40));
        }
      }
      const { payload } = await leg.invoke("system.run", {
        command: ["/bin/echo"],
        env: { BIG: "x".repeat(1_000_000) },
      });
      assertMatch(String(payload["error"]), /E2BIG|too long/i);
      await serves(leg);
    }),
);

Deno.test(
  "A21: frames that are nonsense or belong to nobody change nothing",
  posix,
  () =>
    withNode(async ({ gateway, bench }) => {
      const leg = await gateway.leg();
      for (
        const text of [
          "",
          "null",
          "[]",
          "{",
          "x".repeat(70_000),
          '{"type":"event"}',
          '{"type":"req","id":"1","method":"connect","params":{}}',
          '{"type":"res","id":"nobody","ok":true}',
          '{"type":"res","id":5,"ok":"yes"}',
          '{"type":"event","event":"node.invoke.request","payload":5}',
          '{"type":"event","event":"node.invoke.request","payload":{"id":{},"command":[]}}',
          '{"type":"event","event":"node.invoke.cancel","payload":{"invokeId":{}}}',
          '{"type":"event","event":"node.invoke.input","payload":{"invokeId":"nobody","seq":-1,"b64":{}}}',
          '{"type":"event","event":"gateway.cert","payload":{"current":5,"next":[]}}',
          '{"type":"event","event":"connect.challenge","payload":{"nonce":"again","ts":1}}',
          '{"type":"event","event":"tick","payload":null,"seq":-5}',
          '{"type":"event","event":"shutdown","payload":{"restartExpectedMs":1e309}}',
        ]
      ) leg.socket.send(text);
      await serves(leg);
      const marker = join(bench.home, "runs");
      const command = ["/bin/sh", "-c", `echo x >> ${marker}`];
      const request = { nodeId: leg.nodeId, command: "system.run", params: { command } };
      for (const id of ["twice", "twice", " twice "]) {
        leg.event("node.invoke.request", { ...request, id });
      }
      leg.event("node.invoke.request", { ...request, id: "elsewhere", nodeId: "0".repeat(64) });
      await leg.waitFor(({ params }) => params["id"] === "twice");
      await serves(leg);
      assertEquals(await Deno.readTextFile(marker), "x\n");
    }),
);

Deno.test(
  "a flood of commands is answered busy beyond the limit",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const runs = Array.from(
        { length: 200 },
        () => leg.invoke("system.run", { command: ["/bin/sleep", "0.2"] }),
      );
      const codes = (await Promise.all(runs)).map(({ error }) => error?.code);
      assertEquals(codes.filter((code) => code === undefined).length, 16);
      assertEquals(codes.filter((code) => code === "NODE_BUSY").length, 184);
      await serves(leg);
    }),
);

Deno.test(
  "F18: input nobody reads is bounded: a run is stopped, one without input is left alone",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const flood = (invokeId: string) => {
        for (let seq = 1; seq <= 200; seq++) {
          leg.event("node.invoke.input", { invokeId, seq, b64: "QUFB", eof: false });
        }
      };
      const reader = leg.invoke("system.run", { command: ["/bin/sleep", "60"], stdin: true }, {
        id: "reader",
      });
      flood("reader");
      assertEquals((await reader).payload["success"], false);
      const silent = leg.invoke("system.run", { command: ["/bin/sleep", "0.3"] }, {
        id: "silent",
        live: false,
      });
      flood("silent");
      assertEquals((await silent).payload["exitCode"], 0);
      const big = leg.invoke("system.run", { command: ["/bin/sleep", "60"], stdin: true }, {
        id: "big",
      });
      leg.event("node.invoke.input", { invokeId: "big", seq: 1, b64: "A".repeat(1_000_000) });
      assertEquals((await big).payload["success"], false);
      const cat = leg.invoke("system.run", { command: ["/bin/cat"], stdin: true }, { id: "cat" });
      for (let seq = 1; seq <= 60; seq++) {
        leg.event("node.invoke.input", { invokeId: "cat", seq, b64: "QQ==" });
      }
      leg.event("node.invoke.input", { invokeId: "cat", seq: 61, b64: "", eof: true });
      const { payload } = await cat;
      assertEquals([payload["exitCode"], payload["stdout"]], [0, "A".repeat(60)]);
    }),
);

Deno.test(
  "A13: policies that are broken, too large or made to be slow leave the node with a policy it can judge by",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const set = async (file: unknown) => {
        const { payload } = await leg.invoke("system.execApprovals.get", {});
        return await leg.invoke("system.execApprovals.set", { file, baseHash: payload["hash"] });
      };
      const rules = (allowlist: unknown[]) => ({
        version: 1,
        defaults: { security: "allowlist", ask: "off" },
        agents: { "*": { allowlist } },
      });
      const many = (count: number, pattern: string) =>
        Array.from({ length: count }, (_, i) => ({ pattern: `${pattern}${i}` }));
      for (
        const [file, wanted] of [
          [[], /file required/],
          [{}, /version is missing/],
          [{ version: 2 }, /version is 2/],
          [{ version: 1, agents: [] }, /agents/],
          [{ version: 1, defaults: { security: "FULL" } }, /security/],
          [rules([{ pattern: 5 }]), /no pattern/],
          [rules(many(40_000, "/usr/bin/tool-")), /too large|too many/],
          [rules(many(3000, `/${"*a".repeat(2000)}`)), /too large/],
        ] as const
      ) {
        const { error } = await set(file);
        assertEquals(error?.code, "INVALID_REQUEST");
        assertMatch(error?.message ?? "", wanted);
      }
      const slow = [...many(300, `/${"*a".repeat(2000)}`), {
        pattern: "/usr/bin/ls",
        argPattern: "^(a+)+$",
      }];
      assertEquals((await set(rules(slow))).ok, true);
      const { error } = await leg.invoke("system.run", {
        command: ["/usr/bin/ls", `${"a".repeat(100)}!`],
      });
      assertMatch(error?.message ?? "", /allowlist miss/);
      const socket = { path: "/etc/passwd", token: "theirs" };
      await set({ ...rules([]), socket });
      const { payload } = await leg.invoke("system.execApprovals.get", {});
      assertEquals(JSON.stringify(payload).includes("theirs"), false);
    }),
);
