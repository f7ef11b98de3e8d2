/**
 * Keys of config-and-credentials.md 2 that a running gateway takes: each is edited by hand in the file, its effect is seen
 * from outside, and its end when the key is gone. The others have tests of their own (auth, addresses, TLS, nodes).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "../../e2e/program.ts";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";
import { nodeParams, signed, testKey } from "../../support/wire.ts";

/** A section of `gateway`, and what is seen with it and without it. */
interface Effect {
  readonly section: Record<string, unknown>;
  readonly seen: (gateway: TestGateway, set: boolean) => Promise<void>;
}

const status = async ({ http }: TestGateway, path: string) => {
  const response = await fetch(http + path, { redirect: "manual" });
  await response.body?.cancel();
  return response;
};

let keys = 1;

/** A node that nobody knows, behind a proxy of ours: how its first connect ends. */
async function freshNode(gateway: TestGateway, from: string, scopes: string[]): Promise<string> {
  const wire = await gateway.open({ headers: { "x-forwarded-for": from } });
  const params = nodeParams({ auth: { token: TOKEN }, scopes });
  const key = await testKey(keys++);
  const answer = await wire.request("connect", await signed(key, await wire.challenge(), params));
  wire.terminate();
  return answer.ok ? "paired" : String(answer.error?.details?.code ?? answer.error?.code);
}

const EFFECTS: Readonly<Record<string, Effect>> = {
  "gateway.controlUi.enabled": {
    section: { controlUi: { enabled: false } },
    seen: async (gateway, set) =>
      assertEquals((await status(gateway, "/")).status, set ? 404 : 200),
  },
  "gateway.http.securityHeaders.strictTransportSecurity": {
    section: { http: { securityHeaders: { strictTransportSecurity: "max-age=7" } } },
    seen: async (gateway, set) => {
      const header = (await status(gateway, "/health")).headers.get("strict-transport-security");
      assertEquals(header, set ? "max-age=7" : null);
    },
  },
  "gateway.handshakeTimeoutMs": {
    section: { handshakeTimeoutMs: 200 },
    seen: async (gateway, set) => {
      // Without it 15 s: nobody waits for that here.
      if (!set) return;
      const silent = await gateway.open();
      await silent.challenge();
      assertMatch(`${(await silent.ended()).code}`, /^(?:1000|1008|4\d\d\d)$/);
    },
  },
  "gateway.nodes.pairing.autoApproveCidrs": {
    section: {
      trustedProxies: ["127.0.0.1", "::1"],
      nodes: { pairing: { autoApproveCidrs: ["10.1.0.0/16"] } },
    },
    seen: async (gateway, set) => {
      if (!set) return;
      assertEquals(await freshNode(gateway, "10.1.2.3", []), "paired");
      assertEquals(await freshNode(gateway, "10.2.2.3", []), "PAIRING_REQUIRED", "another network");
      assertEquals(
        await freshNode(gateway, "10.1.2.3", ["operator.read"]),
        "PAIRING_REQUIRED",
        "with scopes",
      );
    },
  },
  "gateway.auth.rateLimit": {
    section: { auth: { rateLimit: { maxAttempts: 1, lockoutMs: 60_000, exemptLoopback: false } } },
    seen: async (gateway, set) => {
      if (!set) return;
      const guess = async (token: string) => {
        const wire = await gateway.open();
        await wire.challenge();
        const params = nodeParams({ role: "operator", auth: { token } });
        const answer = await wire.request("connect", params);
        wire.terminate();
        return answer.error?.details?.code;
      };
      await guess("wrong");
      assertEquals(await guess(TOKEN), "AUTH_RATE_LIMITED");
    },
  },
};

for (const [name, { section, seen }] of Object.entries(EFFECTS)) {
  Deno.test(`section 2 effect of ${name}: set and unset while the gateway runs`, () =>
    withGateway(async (gateway) => {
      await seen(gateway, false);
      const edit = async (value: Record<string, unknown>) => {
        const reloads = () =>
          gateway.logs.filter((r) => r.message === "configuration reloaded").length;
        const before = reloads();
        await gateway.state.write(JSON.stringify({ gateway: value }));
        await eventually("the edit is in force", () => reloads() > before);
      };
      await edit(section);
      await seen(gateway, true);
      await edit({});
      await seen(gateway, false);
    }));
}

Deno.test("section 2: nodes.denyCommands and nodes.commands.deny both win over both allow names", () =>
  withGateway(async (gateway) => {
    const key = await testKey(200);
    const wire = await gateway.open();
    const declared = ["system.which", "system.run", "screen.record", "camera.clip"];
    const params = nodeParams({ auth: { token: TOKEN }, commands: declared });
    const answer = await wire.request("connect", await signed(key, await wire.challenge(), params));
    assertEquals(answer.error?.details?.code, "PAIRING_REQUIRED");
    const owner = await gateway.owner();
    const pending = (await owner.request("device.pair.list", {})).payload.pending[0];
    assert((await owner.request("device.pair.approve", { requestId: pending.requestId })).ok);
    const again = await gateway.open();
    const hello = await again.request(
      "connect",
      await signed(key, await again.challenge(), params),
    );
    assert(hello.ok, JSON.stringify(hello.error));
    const surfaces = (await owner.request("node.pair.list", {})).payload.pending;
    const asked = surfaces[0]?.commands ?? [];
    assertEquals(asked.includes("screen.record"), false, "denied by the older name");
    assertEquals(asked.includes("camera.clip"), false, "denied by the newer name");
    assertEquals(asked.includes("system.which"), true);
  }, {
    config: {
      gateway: {
        nodes: {
          allowCommands: ["screen.record", "camera.clip"],
          denyCommands: ["screen.record"],
          commands: { allow: ["screen.record", "camera.clip"], deny: ["camera.clip"] },
        },
      },
    },
  }));
