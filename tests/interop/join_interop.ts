/** Joining across the two worlds: the newer gateway's setup codes and our node, our join lines and the newer node host. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Home } from "../support/reference.ts";
import { Matrix } from "./matrix.ts";
import { checkWhich, liveNode, PATIENT, stageGateway, TOKEN } from "./stage.ts";

const KIND = "v4";

Deno.test({
  name: `setup codes of gateway ${KIND} join our node and our people`,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    const matrix = new Matrix("setup code of gateway -> our node", KIND);
    const gateway = await stageGateway(KIND);
    const operator = await Home.make("ours", {
      gateway: { mode: "local", port: gateway.port, auth: { mode: "token", token: TOKEN } },
    });
    const codeOf = async (more: Record<string, unknown> = {}) => {
      const params = { bootstrapProfile: "node", publicUrl: gateway.url, ...more };
      const call = ["gateway", "call", "device.pair.setupCode", "--params", JSON.stringify(params)];
      return await operator.json([...call, "--json", ...PATIENT]) as {
        setupCode: string;
        joinUrl?: string;
      };
    };
    const joins = async (line: string) => {
      const home = await Home.make("ours");
      const node = await home.start(["connect", line]);
      try {
        await node.until(/verification code [A-Z2-7]{6}/);
        await node.until(/Connected to gateway/);
        const row = await liveNode(operator, []);
        await checkWhich(operator, row.nodeId);
      } finally {
        await node.stop();
        await home.remove();
      }
    };
    let code = "";
    try {
      await matrix.scenario(t, "oc-pair:// link: joins, commands live, no approval", async () => {
        ({ setupCode: code } = await codeOf());
        await joins(`oc-pair://${code}`);
      });
      await matrix.scenario(t, "our devices join-code makes a line that joins", async () => {
        const made = await operator.run([
          ...["devices", "join-code", "--public-url", gateway.url],
          ...PATIENT,
        ]);
        assertEquals(made.code, 0, made.stderr);
        await joins(made.stdout.trim());
      });
      await matrix.scenario(t, "bare setup code: joins", async () => {
        await joins((await codeOf()).setupCode);
      });
      await matrix.scenario(t, "join URL: fetched once, joins", async () => {
        const publicUrl = gateway.url.replace("ws:", "http:");
        const { joinUrl } = await codeOf({ joinUrl: true, publicUrl });
        await joins(joinUrl as string);
      });
      await matrix.scenario(t, "a code for a person: connect --operator", async () => {
        const home = await Home.make("ours");
        try {
          const { setupCode } = await codeOf({ bootstrapProfile: "limited" });
          const done = await home.run(["connect", "--operator", setupCode]);
          assertEquals(done.code, 0, done.stderr);
          await home.json(["nodes", "status", "--json"]);
        } finally {
          await home.remove();
        }
      });
      await matrix.scenario(t, "a used code is refused with the repair", async () => {
        const home = await Home.make("ours");
        try {
          const done = await home.run(["connect", `oc-pair://${code}`]);
          assertEquals(done.code, 1, done.stderr);
          assertStringIncludes(done.stderr, "the secret of the join line was refused");
        } finally {
          await home.remove();
        }
      });
    } finally {
      await operator.remove();
      await gateway.close();
      await matrix.write();
    }
  },
});

Deno.test({
  name: `node host ${KIND} joins our gateway with our line`,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    const matrix = new Matrix("our join line -> node host", KIND);
    const gateway = await stageGateway("ours", { tls: true });
    const operator = gateway.home;
    try {
      await matrix.scenario(
        t,
        "its connect reads our line: pinned TLS, commands live, no approval",
        async () => {
          const made = await operator.run(
            ["devices", "join-code", "--name", "theirs", "--public-url", gateway.url],
          );
          assertEquals(made.code, 0, made.stderr);
          const home = await Home.make(KIND);
          const node = await home.start(["connect", made.stdout.trim()]);
          try {
            const row = await liveNode(operator, []);
            await checkWhich(operator, row.nodeId);
            assert(!node.text.includes("pairing required"), node.text);
          } finally {
            await node.stop();
            await home.remove();
          }
        },
      );
    } finally {
      await gateway.close();
      await matrix.write();
    }
  },
});
