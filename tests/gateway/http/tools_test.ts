/** `POST /tools/invoke` and what must never reach it. */
import { assert, assertEquals } from "@std/assert";
import { setConfigValue } from "../../../src/config/file/edit.ts";
import { eventually } from "../../e2e/program.ts";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";
import { connectParams, signed, testKey, Wire } from "../../support/wire.ts";

const JSON_TYPE = { "content-type": "application/json" };

async function post(
  { http }: Pick<TestGateway, "http">,
  body: unknown,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${http}/tools/invoke`, {
    method: "POST",
    headers: { ...JSON_TYPE, authorization: `Bearer ${TOKEN}`, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

Deno.test("/tools/invoke answers node.list and health, and nothing that runs programs", () =>
  withGateway(async (gateway) => {
    const list = await post(gateway, { tool: "node.list" });
    assertEquals([list.status, list.body.ok, list.body.result.nodes], [200, true, []]);
    assertEquals((await post(gateway, { tool: "health" })).body.result.ok, true);
    const absent = { nodeId: "n", command: "device.info", params: {}, idempotencyKey: "k" };
    const away = await post(gateway, { tool: "node.invoke", args: absent });
    assert(away.status >= 400 && away.status !== 404, JSON.stringify(away));
    for (const tool of ["exec", "shell", "gateway", "nodes", "config.set", "device.pair.approve"]) {
      assertEquals((await post(gateway, { tool })).status, 404, tool);
    }
    for (
      const command of [
        "system.run",
        "system.run.prepare",
        "system.which",
        " system.run",
        7,
        "agent.cli.claude.run.v1",
        "mcp.tools.call.v1",
        "computer.act",
        "desktop.stream",
        "terminal.upload",
        "fs.listDir",
        "browser.proxy.upload.v1",
        "canvas.eval",
        "system.execApprovals.set",
      ]
    ) {
      const args = { ...absent, command };
      assertEquals((await post(gateway, { tool: "node.invoke", args })).status, 404, `${command}`);
    }
    assertEquals((await post(gateway, { tool: "node.list", args: { x: 1 } })).status, 400);
  }));

Deno.test("N20: GET, query strings and forms never invoke", () =>
  withGateway(async (gateway) => {
    const authorization = `Bearer ${TOKEN}`;
    const got = await fetch(`${gateway.http}/tools/invoke?tool=node.list`, {
      headers: { authorization },
    });
    assertEquals([got.status, await got.text()], [405, "Method Not Allowed"]);
    for (const type of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
      const { status } = await post(gateway, { tool: "node.list" }, { "content-type": type });
      assertEquals(status, 400, type);
    }
    const query = await fetch(`${gateway.http}/tools/invoke?tool=node.list&token=${TOKEN}`, {
      method: "POST",
      headers: JSON_TYPE,
      body: "{}",
    });
    assertEquals([query.status, (await query.json()).error.type], [401, "unauthorized"]);
  }));

Deno.test("N44: a page of another site is refused, whatever it brings", () =>
  withGateway(async (gateway) => {
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1.evil.example"]) {
      const { status } = await post(gateway, { tool: "node.list" }, { origin });
      assertEquals(status, 403, origin);
    }
  }));

Deno.test("a body of more than 2 MiB is refused", () =>
  withGateway(async (gateway) => {
    const { status } = await post(gateway, { tool: "health", pad: "x".repeat(2 * 1024 * 1024) });
    assertEquals(status, 400);
  }));

Deno.test("N29: path tricks find nothing", () =>
  withGateway(async ({ http }) => {
    const paths = [
      "/..%2f..%2fetc/passwd",
      "/%252e%252e/etc/passwd",
      "/..%5C..%5Cetc",
      "/%00",
      "/./x",
    ];
    for (const path of paths) {
      const response = await fetch(http + path);
      assertEquals([response.status, await response.text()], [404, "Not Found"], path);
    }
  }));

Deno.test("I14: a rotated token is refused at once on WebSocket, HTTP and an open session", () =>
  withGateway(async (gateway) => {
    const owner = await Wire.open(gateway.url);
    await owner.challenge();
    assert((await owner.request("connect", connectParams({ auth: { token: TOKEN } }))).ok);
    assertEquals((await post(gateway, { tool: "health" })).status, 200);
    await setConfigValue(
      { paths: gateway.state.paths, env: gateway.state.env },
      "gateway.auth.token",
      "tok-rotated-0123456789abcdef0123",
    );
    await eventually(
      "HTTP refuses the old one",
      async () => (await post(gateway, { tool: "health" })).status === 401,
    );
    await owner.closed;
    const again = await Wire.open(gateway.url);
    await again.challenge();
    const refused = await again.request("connect", connectParams({ auth: { token: TOKEN } }));
    assertEquals(refused.error?.details?.code, "AUTH_TOKEN_MISMATCH");
    again.terminate();
  }, {
    flags: { token: undefined },
    config: { gateway: { auth: { mode: "token", token: TOKEN } } },
  }));

for (const allowLoopback of [false, true]) {
  Deno.test(`N05, N07: trusted-proxy on a real gateway, allowLoopback ${allowLoopback}`, () =>
    withGateway(async (gateway) => {
      const attempt = async (headers: Record<string, string>): Promise<string> => {
        const wire = await Wire.open(gateway.url, { headers }).catch((error: Error) =>
          error.message
        );
        if (typeof wire === "string") return wire;
        const params = await signed(await testKey(1), await wire.challenge(), connectParams({}));
        const answer = await wire.request("connect", params);
        wire.terminate();
        return answer.ok ? "ok" : answer.error?.details?.code ?? answer.error?.code ?? "";
      };
      const from = { "x-forwarded-for": "192.0.2.7" };
      // N05: a claim to be loopback hides who it is.
      const hidden = await attempt({ "x-user": "alice", "x-forwarded-for": "127.0.0.1" });
      assert(hidden.startsWith("HTTP 403"), hidden);
      // The proxy's user gets as far as pairing: its header alone gives no device anything (N08).
      const alice = await attempt({ "x-user": "alice", ...from });
      assertEquals(alice === "PAIRING_REQUIRED", allowLoopback, alice);
      for (const headers of [{ "x-user": "mallory", ...from }, from]) {
        const stranger = await attempt(headers);
        assert(!["ok", "PAIRING_REQUIRED"].includes(stranger), stranger);
      }
    }, {
      flags: { token: undefined },
      config: {
        gateway: {
          trustedProxies: ["127.0.0.1"],
          auth: {
            mode: "trusted-proxy",
            trustedProxy: { userHeader: "x-user", allowUsers: ["alice"], allowLoopback },
          },
        },
      },
    }));
}
