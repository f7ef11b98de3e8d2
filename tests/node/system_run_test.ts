import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { sha256Hex } from "../../src/lib/bytes.ts";
import type { ConnectAnswer, NodeLeg } from "./support/gateway.ts";
import { withNode } from "./support/node.ts";
import { alive, until } from "./support/runner.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const sh = (script: string) => ({ command: ["/bin/sh", "-c", script] });
const quiet = { live: false };
const ECHO = "/bin/echo";

function policy(...allow: string[]) {
  const allowlist = allow.map((pattern, i) => ({ id: `e${i}`, pattern }));
  return {
    version: 1,
    defaults: { security: "allowlist", ask: "off" },
    agents: { "*": { allowlist } },
  };
}

/** A gateway of the seed era: refuses protocol 4, then speaks 3. */
function onlyProtocol3(connect: Record<string, unknown>): ConnectAnswer {
  if (connect["maxProtocol"] === 3) return { hello: { protocol: 3 } };
  const details = { expectedProtocol: 3 };
  const error = { code: "INVALID_REQUEST", message: "protocol mismatch", details };
  return { error, close: [1002, "protocol mismatch"] };
}

async function run(leg: NodeLeg, params: unknown, more: Record<string, unknown> = quiet) {
  const { payload, error } = await leg.invoke("system.run", params, more);
  return { ...payload, code: error?.code, message: error?.message ?? "" } as
    & Record<string, unknown>
    & {
      message: string;
    };
}

Deno.test(
  "system.run answers with exit code and both outputs; a gateway of ours needs no event beside them",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const command = ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"];
      const { payload } = await leg.invoke("system.run", { command, runId: "r1" }, quiet);
      const { durationMs, ...rest } = payload;
      assert(Number(durationMs) >= 0);
      assertEquals(rest, {
        exitCode: 3,
        timedOut: false,
        success: false,
        stdout: "out\n",
        stderr: "err\n",
        error: null,
        rule: "security=full",
      });
      assertEquals(leg.seen.map((seen) => seen.method), ["node.invoke.result"]);
    }),
);

Deno.test(
  "towards a gateway that is not ours the result has the members of the contract only, after the event",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const params = { command: [ECHO, "hi"], runId: "r1" };
      const { payload } = await leg.invoke("system.run", params);
      assertEquals(payload, {
        exitCode: 0,
        timedOut: false,
        success: true,
        stdout: "hi\n",
        stderr: "",
        error: null,
      });
      const order = leg.seen.map((seen) => seen.method);
      assertEquals(order, ["node.event", "node.invoke.result"], "it is told before the result");
      const event = leg.seen[0]!;
      const told = JSON.parse(String(event.params["payloadJSON"]));
      assertEquals([event.params["event"], told.runId, told.exitCode, told.output, told.host], [
        "exec.finished",
        "r1",
        0,
        "hi",
        "node",
      ]);
    }, { gateway: { live: false } }),
);

Deno.test(
  "time-outs, missing programs and missing folders have the results of the contract",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const late = await run(leg, { ...sh("echo early; sleep 60"), timeoutMs: 200 });
      assertEquals([late["exitCode"], late["timedOut"], late["stdout"], late["success"]], [
        124,
        true,
        "early\n",
        false,
      ]);
      const cap = await run(leg, sh("sleep 60"), { live: false, timeoutMs: 200 });
      assertEquals([cap["exitCode"], cap["timedOut"]], [124, true]);
      const lost = await run(leg, { command: ["no-such-program"] });
      assertMatch(String(lost["error"]), /no-such-program.*ENOENT/);
      assertEquals([lost["exitCode"], lost["success"]], [undefined, false]);
      const folder = await run(leg, { command: ["pwd"], cwd: "/no/such/folder" });
      assertStringIncludes(String(folder["error"]), "/no/such/folder");
      const killed = await run(leg, sh("kill -9 $$"));
      assertEquals([killed["exitCode"], killed["success"], killed["timedOut"]], [
        undefined,
        false,
        false,
      ]);
    }),
);

Deno.test(
  "output beyond 200,000 bytes is cut and marked",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const big = await run(leg, sh("head -c 300000 /dev/zero | tr '\\0' x"));
      const stdout = String(big["stdout"]);
      assertEquals(stdout.length, 200_000 + "\n... (truncated)".length);
      assert(stdout.endsWith("x\n... (truncated)"));
      const both = await run(leg, sh("echo note >&2; head -c 300000 /dev/zero"));
      assertEquals(both["stderr"], "note\n\n... (truncated)");
      assertEquals((await run(leg, sh("head -c 200000 /dev/zero")))["stderr"], "");
    }),
);

Deno.test(
  "decision 12: output streams live, in order, complete and with its digest",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const chunks: { seq: number; s: string; bytes: string }[] = [];
      leg.onProgress = (params) => {
        const { s, b64 } = JSON.parse(String(params["chunk"]));
        assert(b64.length <= 16_000);
        chunks.push({ seq: Number(params["seq"]), s, bytes: atob(b64) });
        return Promise.resolve({ ok: true });
      };
      const result = await run(leg, sh("echo one; seq 1 20000; echo two >&2"), {});
      assertEquals(chunks.map((chunk) => chunk.seq), chunks.map((_, i) => i + 1));
      const out = chunks.filter((chunk) => chunk.s === "out").map((chunk) => chunk.bytes).join("");
      assert(out.startsWith("one\n1\n2\n") && out.endsWith("20000\n"));
      const all = chunks.map((chunk) => chunk.bytes).join("");
      assertEquals(result["outputBytes"], all.length);
      assertEquals(
        result["outputSha256"],
        await sha256Hex(Uint8Array.from(all, (c) => c.charCodeAt(0))),
      );
      assertEquals([result["outSeq"], result["gap"]], [chunks.length, undefined]);
    }),
);

Deno.test(
  "decision 13: a reader that does not answer slows the command and loses nothing",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const held: (() => void)[] = [];
      let received = 0;
      let open = false;
      leg.onProgress = (params) => {
        received += atob(JSON.parse(String(params["chunk"])).b64).length;
        return open
          ? Promise.resolve({ ok: true })
          : new Promise((resolve) => held.push(() => resolve({ ok: true })));
      };
      const running = run(leg, sh("head -c 2000000 /dev/zero"), {});
      await until(() => held.length === 16, "window full");
      assert(received <= 16 * 12_000, `${received} bytes ahead`);
      open = true;
      held.forEach((release) => release());
      const result = await running;
      assertEquals([received, result["outputBytes"], result["exitCode"]], [
        2_000_000,
        2_000_000,
        0,
      ]);
    }),
);

Deno.test(
  "decision 12: a gateway that stops listening leaves a declared gap, the run goes on",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      leg.onProgress = () => Promise.resolve({ ok: true, ignored: true });
      const result = await run(leg, sh("head -c 2000000 /dev/zero; exit 5"), {});
      assertEquals([result["gap"], result["exitCode"]], [true, 5]);
    }),
);

Deno.test(
  "decision 14: input reaches the command, is acknowledged, and ends it",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const taken: number[] = [];
      leg.onProgress = (params) => {
        const chunk = JSON.parse(String(params["chunk"]));
        if (chunk.s === "in") taken.push(chunk.seq);
        return Promise.resolve({ ok: true });
      };
      const running = run(leg, { command: ["sort"], stdin: true }, { id: "in-1" });
      const send = (seq: number, text: string, eof: boolean) =>
        leg.event("node.invoke.input", {
          invokeId: "in-1",
          nodeId: leg.nodeId,
          seq,
          b64: btoa(text),
          eof,
        });
      send(1, "b\n", false);
      send(2, "a\n", false);
      send(2, "twice\n", false);
      send(3, "", true);
      const result = await running;
      assertEquals(result["stdout"], "a\nb\n");
      assertEquals(taken, [1, 2]);
    }),
);

Deno.test(
  "F18: a cancelled run ends although nobody takes its output",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      let held = 0;
      leg.onProgress = () => {
        held++;
        return new Promise(() => {});
      };
      const running = run(leg, { command: ["yes"] }, { id: "y-1" });
      await until(() => held === 16, "window full");
      leg.event("node.invoke.cancel", { invokeId: "y-1", nodeId: leg.nodeId });
      const result = await running;
      assertEquals([result["success"], result["gap"]], [false, true]);
    }),
);

Deno.test(
  "a cancelled run is stopped and still reported",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      let pid = 0;
      leg.onProgress = (params) => {
        pid ||= Number(atob(JSON.parse(String(params["chunk"])).b64));
        return Promise.resolve({ ok: true });
      };
      const running = run(leg, sh("echo $$; exec sleep 99"), { id: "c-1" });
      await until(() => pid > 0, "started");
      leg.event("node.invoke.cancel", { invokeId: "c-1", nodeId: leg.nodeId });
      const result = await running;
      assertEquals([result["success"], result["timedOut"]], [false, false]);
      assert(!alive(pid));
    }),
);

Deno.test(
  "E11: commands see no secret of the node and the marker of the product",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const env = String((await run(leg, { command: ["env"] }))["stdout"]);
      assertStringIncludes(env, "OPENCLAW_CLI=1\n");
      assertStringIncludes(env, "KEPT=yes\n");
      const own = await run(leg, { command: ["cat", "/proc/self/environ"] });
      const parents = await run(leg, sh("tr '\\0' '\\n' < /proc/$PPID/environ"));
      for (const text of [env, String(own["stdout"]), String(parents["stdout"])]) {
        assert(!/hush/.test(text), text);
      }
    }, {
      node: {
        env: {
          KEPT: "yes",
          OPENCLAW_GATEWAY_TOKEN: "hush-token",
          OPENCLAW_GATEWAY_PASSWORD: "hush-password",
          LD_PRELOAD: "hush.so",
          AWS_SECRET_ACCESS_KEY: "hush-key",
        },
      },
    }),
);

Deno.test(
  "E11: a variable a secret reference names is not inherited",
  linux,
  () =>
    withNode(async ({ gateway, bench }) => {
      await Deno.writeTextFile(
        bench.paths.configFile,
        '{ gateway: { auth: { token: { source: "env", id: "MY_REF" } } } }',
        { mode: 0o600 },
      );
      const leg = await gateway.leg();
      assert(!String((await run(leg, { command: ["env"] }))["stdout"]).includes("hush"));
    }, { node: { env: { MY_REF: "hush-ref" } } }),
);

const overrides: [string, string, Record<string, string>][] = [
  ["E01", "loader", { LD_PRELOAD: "/x.so" }],
  ["E01", "audit", { LD_AUDIT: "/x.so" }],
  ["E01", "library path", { LD_LIBRARY_PATH: "/x" }],
  ["E01", "macOS loader", { DYLD_INSERT_LIBRARIES: "/x" }],
  ["E01", "gconv", { GCONV_PATH: "/x" }],
  ["E02", "bash start file", { BASH_ENV: "/x" }],
  ["E02", "function", { "BASH_FUNC_echo%%": "() { id; }" }],
  ["E02", "tracing", { SHELLOPTS: "xtrace", PS4: "$(id)" }],
  ["E02", "prompt", { PROMPT_COMMAND: "id" }],
  ["E02", "home", { HOME: "/x" }],
  ["E02", "zsh", { ZDOTDIR: "/x" }],
  ["E03", "node", { NODE_OPTIONS: "--require /x" }],
  ["E03", "python", { PYTHONSTARTUP: "/x", PYTHONPATH: "/x" }],
  ["E03", "perl", { PERL5OPT: "-Mx" }],
  ["E03", "ruby", { RUBYOPT: "-rx" }],
  ["E03", "java", { JAVA_TOOL_OPTIONS: "-javaagent:x" }],
  ["E03", "dotnet", { DOTNET_STARTUP_HOOKS: "/x" }],
  ["E03", "dotnet tuning", { COMPlus_X: "1" }],
  ["E05", "git", { GIT_EXTERNAL_DIFF: "/x" }],
  ["E05", "git ssh", { GIT_SSH_COMMAND: "/x" }],
  ["E05", "git config", {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "core.pager",
    GIT_CONFIG_VALUE_0: "/x",
  }],
  ["E05", "git askpass", { GIT_ASKPASS: "/x" }],
  ["E06", "proxy", { HTTPS_PROXY: "http://x" }],
  ["E06", "certificates", { SSL_CERT_FILE: "/x" }],
  ["E06", "node tls", { NODE_TLS_REJECT_UNAUTHORIZED: "0" }],
  ["E06", "docker", { DOCKER_HOST: "tcp://x" }],
  ["E06", "key log", { SSLKEYLOGFILE: "/x" }],
  ["E08", "PATH", { PATH: "/x:/usr/bin" }],
  ["E08", "Windows spelling of PATH", { Path: "/x" }],
];

Deno.test(
  "E01 E02 E03 E05 E06 E08: dangerous overrides are refused by name and nothing runs",
  linux,
  () =>
    withNode(async ({ gateway, bench }) => {
      const leg = await gateway.leg();
      const canary = join(bench.home, "canary");
      for (const [row, name, env] of overrides) {
        const result = await run(leg, { command: ["touch", canary], env });
        assertEquals(result["code"], "INVALID_REQUEST", `${row} ${name}`);
        assertStringIncludes(result.message, "SYSTEM_RUN_DENIED: environment override rejected");
      }
      const harmless = await run(leg, { command: ["env"], env: { MY_FLAG: "on", N: 7 } });
      assertStringIncludes(String(harmless["stdout"]), "MY_FLAG=on\n");
      const prefixed = await run(leg, { command: ["env", "LD_PRELOAD=/x.so", "touch", canary] });
      assertStringIncludes(prefixed.message, "command env assignment rejected");
      const exists = await Deno.stat(canary).then(() => true, () => false);
      assertEquals(exists, false);
    }),
);

Deno.test(
  "the allowlist lets through what it names, refuses the rest with an explanation, and tells it",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      assertEquals((await run(leg, { command: ["uname"] }))["exitCode"], 0);
      const miss = await run(leg, { command: ["id"] });
      assertEquals(miss["code"], "SYSTEM_RUN_DENIED");
      assertMatch(miss.message, /^SYSTEM_RUN_DENIED: allowlist miss\n/);
      const event = await leg.waitFor((seen) =>
        seen.method === "node.event" && seen.params["event"] === "exec.denied"
      );
      assertEquals(JSON.parse(String(event.params["payloadJSON"])).reason, "allowlist-miss");
      const list = await run(leg, sh("uname && uname | wc -l"));
      assertMatch(String(list["stdout"]), /^Linux\n\s*1\n$/);
      const smuggled = await run(leg, sh("uname && id"));
      assertEquals(smuggled["code"], "SYSTEM_RUN_DENIED");
    }, { approvals: policy("/usr/bin/uname", "/bin/uname") }),
);

Deno.test(
  "towards a protocol 3 gateway a refusal is UNAVAILABLE, and a fresh node asks",
  linux,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const result = await run(leg, { command: ["uname"] });
      assertEquals(result["code"], "UNAVAILABLE");
      assertMatch(result.message, /^SYSTEM_RUN_DENIED: approval required/);
    }, {
      approvals: { version: 1, defaults: {}, agents: {} },
      gateway: { answer: onlyProtocol3 },
    }),
);

Deno.test(
  "X32: a safe program planted before /usr/bin on PATH is not run",
  linux,
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "openclaw-planted-" });
    const canary = join(folder, "canary");
    await Deno.writeTextFile(join(folder, "head"), `#!/bin/sh\ntouch ${canary}\n`, { mode: 0o755 });
    await withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      assertEquals((await run(leg, { command: ["head", "-n1"] }))["code"], "SYSTEM_RUN_DENIED");
      assertEquals(await Deno.stat(canary).then(() => true, () => false), false);
    }, { approvals: policy(), node: { env: { PATH: `${folder}:/usr/bin:/bin` } } });
    await Deno.remove(folder, { recursive: true });
  },
);

Deno.test(
  "a file that does not parse denies, says why, and can be repaired by its hash",
  linux,
  () =>
    withNode(async ({ gateway, bench }) => {
      const leg = await gateway.leg();
      await Deno.writeTextFile(
        bench.paths.approvalsFile,
        '{"version": 1, "defaults": {"security": "fu',
      );
      const denied = await run(leg, { command: ["uname"] });
      assertMatch(denied.message, /^SYSTEM_RUN_DISABLED: security=deny/);
      const got = (await leg.invoke("system.execApprovals.get", {})).payload;
      assertStringIncludes(String(got["raw"]), '"fu');
      assert(String(got["error"]).length > 0);
      const file = { version: 1, defaults: { security: "full", ask: "off" }, agents: {} };
      const set = await leg.invoke("system.execApprovals.set", { file, baseHash: got["hash"] });
      assert(set.ok, set.error?.message);
      assertEquals((await run(leg, { command: ["uname"] }))["exitCode"], 0);
    }),
);

Deno.test(
  "N40: an approvals file that others can write denies everything",
  linux,
  () =>
    withNode(async ({ gateway, bench }) => {
      const leg = await gateway.leg();
      await Deno.chmod(bench.paths.approvalsFile, 0o666);
      assertMatch((await run(leg, { command: ["uname"] })).message, /security=deny/);
      const target = join(bench.home, "elsewhere.json");
      await Deno.rename(bench.paths.approvalsFile, target);
      await Deno.chmod(target, 0o600);
      await Deno.symlink(target, bench.paths.approvalsFile);
      assertMatch((await run(leg, { command: ["uname"] })).message, /security=deny/);
    }),
);

Deno.test(
  "system.execApprovals.set needs the current hash and keeps the socket token",
  linux,
  () =>
    withNode(async ({ gateway, bench }) => {
      const leg = await gateway.leg();
      const set = async (params: unknown) => {
        const { ok, payload, error } = await leg.invoke("system.execApprovals.set", params);
        return { ok, payload, text: error?.message };
      };
      const before = (await leg.invoke("system.execApprovals.get", {})).payload;
      assertEquals(before["path"], bench.paths.approvalsFile);
      assertEquals(
        before["hash"],
        await sha256Hex(await Deno.readTextFile(bench.paths.approvalsFile)),
      );
      const file = { version: 1, defaults: { security: "deny" }, agents: {} };
      const prefix = "Error: INVALID_REQUEST: ";
      assertEquals((await set({})).text, `${prefix}exec approvals file required`);
      assertEquals(
        (await set({ file })).text,
        `${prefix}exec approvals base hash required; reload and retry`,
      );
      assertEquals(
        (await set({ file, baseHash: "0".repeat(64) })).text,
        `${prefix}exec approvals changed; reload and retry`,
      );
      const done = await set({ file, baseHash: before["hash"] });
      assert(done.ok, done.text);
      const onDisk = JSON.parse(await Deno.readTextFile(bench.paths.approvalsFile));
      assertEquals(onDisk.defaults, { security: "deny" });
      assertEquals(typeof onDisk.socket.token, "string");
      assertEquals(JSON.stringify(done.payload).includes(onDisk.socket.token), false);
      const again = await set({ file: { ...file, defaults: {} }, baseHash: done.payload["hash"] });
      assert(again.ok);
      assertEquals(
        JSON.parse(await Deno.readTextFile(bench.paths.approvalsFile)).socket.token,
        onDisk.socket.token,
      );
    }),
);

Deno.test(
  "use of a rule is recorded on the rule, without holding the run",
  linux,
  () =>
    withNode(async ({ gateway, bench, node }) => {
      const leg = await gateway.leg();
      await run(leg, { command: ["uname", "-s"] });
      await node.stop();
      const file = JSON.parse(await Deno.readTextFile(bench.paths.approvalsFile));
      const used = file.agents["*"].allowlist.filter((entry: Record<string, unknown>) =>
        entry["lastUsedAt"]
      );
      assertEquals(used.length, 1);
      assertEquals(used[0].lastUsedCommand, "uname -s");
    }, { approvals: policy("/usr/bin/uname", "/bin/uname") }),
);
