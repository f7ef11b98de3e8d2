import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withNode } from "./support/node.ts";

const posix = { ignore: Deno.build.os === "windows" };

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
  "system.run answers with exit code and both outputs, and tells what finished",
  posix,
  () =>
    withNode(async ({ gateway }) => {
      const leg = await gateway.leg();
      const command = ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"];
      const { payload } = await leg.invoke("system.run", { command, runId: "r1" }, { live: false });
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
      const event = await leg.waitFor((seen) => seen.method === "node.event");
      assertEquals(event.params["event"], "exec.finished");
      const told = JSON.parse(String(event.params["payloadJSON"]));
      assertEquals([told.runId, told.exitCode, told.output, told.host, told.sessionKey], [
        "r1",
        3,
        "out\n\nerr",
        "node",
        "node",
      ]);
      const order = leg.seen.map((seen) => seen.method);
      assert(order.indexOf("node.event") < order.indexOf("node.invoke.result"));
    }),
);
