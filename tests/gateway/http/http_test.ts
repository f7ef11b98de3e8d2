/** HTTP on the gateway's port. */
import { assert, assertEquals } from "@std/assert";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";

async function get({ http }: TestGateway, path: string, init?: RequestInit) {
  const response = await fetch(http + path, init);
  const text = await response.text();
  const body = text.startsWith("{") ? JSON.parse(text) : text;
  return { status: response.status, body, headers: response.headers };
}

for (const path of ["/health", "/healthz"]) {
  Deno.test(`${path} answers anybody`, () =>
    withGateway(async (gateway) => {
      const { status, body, headers } = await get(gateway, path);
      assertEquals([status, body], [200, { ok: true, status: "live" }]);
      assertEquals(headers.get("content-type"), "application/json; charset=utf-8");
      assertEquals(headers.get("cache-control"), "no-store");
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(headers.get("referrer-policy"), "no-referrer");
      assertEquals(
        headers.get("permissions-policy"),
        "camera=(), microphone=(self), geolocation=()",
      );
      assertEquals((await get(gateway, path, { method: "HEAD" })).body, "");
    }));
}

Deno.test("readiness and startup tell details to local callers and bearers only", () =>
  withGateway(async (gateway) => {
    const ready = await get(gateway, "/readyz");
    assertEquals([ready.status, ready.body.ready, ready.body.failing], [200, true, []]);
    assert(ready.body.uptimeMs >= 0);
    const started = await get(gateway, "/startupz");
    assertEquals([started.body.ok, started.body.status, started.body.version], [
      true,
      "started",
      "2026.9.6",
    ]);
    const forwarded = { "x-forwarded-for": "192.0.2.1" };
    assertEquals((await get(gateway, "/ready", { headers: forwarded })).body, { ready: true });
    const bearer = { ...forwarded, authorization: `Bearer ${TOKEN}` };
    assert((await get(gateway, "/ready", { headers: bearer })).body.uptimeMs >= 0);
  }, { config: { gateway: { trustedProxies: ["127.0.0.1"] } } }));

Deno.test("N03: details are not shown to a page behind a rebound name", () =>
  withGateway(async ({ gateway }) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: gateway.port });
    const request = "GET /readyz HTTP/1.1\r\nHost: evil.example:18789\r\nConnection: close\r\n\r\n";
    await conn.write(new TextEncoder().encode(request));
    const text = await new Response(conn.readable).text();
    assert(text.endsWith('{"ready":true}'), text);
  }));

Deno.test("other methods on the probes are 405, unknown paths 404", () =>
  withGateway(async (gateway) => {
    for (const path of ["/health", "/readyz", "/startup"]) {
      const { status, headers, body } = await get(gateway, path, { method: "POST" });
      assertEquals([status, headers.get("allow"), body], [405, "GET, HEAD", "Method Not Allowed"]);
    }
    for (
      const path of ["/page/", "/no/such", "/__proto__", "/constructor", "/v1/chat/completions"]
    ) {
      assertEquals((await get(gateway, path)).status, 404, path);
    }
  }));

Deno.test("an unattributable proxy is refused on HTTP too", () =>
  withGateway(async (gateway) => {
    const { status, body } = await get(gateway, "/metrics", { headers: { "x-real-ip": "::1" } });
    assertEquals([status, body.error.type], [403, "proxy_attribution_required"]);
  }));

Deno.test("/tools/invoke: bearer, body, and no tool at all", () =>
  withGateway(async (gateway) => {
    const post = (headers: Record<string, string>, body: string) =>
      get(gateway, "/tools/invoke", { method: "POST", headers, body });
    const json = { "content-type": "application/json" };
    const right = { ...json, authorization: `Bearer ${TOKEN}` };
    assertEquals((await get(gateway, "/tools/invoke")).headers.get("allow"), "POST");
    assertEquals((await post(json, "{}")).body, {
      error: { message: "Unauthorized", type: "unauthorized" },
    });
    assertEquals((await post(right, "{}")).body, {
      error: { message: "tool is required", type: "invalid_request_error" },
    });
    assertEquals((await post(right, "not json")).status, 400);
    assertEquals((await post(right, `{"tool":"exec"}`)).body, {
      ok: false,
      error: { type: "not_found", message: "Tool not available: exec" },
    });
    // N44: a form of another site cannot say what it is not.
    const form = { authorization: `Bearer ${TOKEN}`, "content-type": "text/plain" };
    assertEquals((await post(form, `{"tool":"exec"}`)).status, 400);
  }));

Deno.test("guessing the bearer is locked", () =>
  withGateway(async (gateway) => {
    const guess = (token: string) =>
      get(gateway, "/tools/invoke", {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: "{}",
      });
    for (let n = 0; n < 10; n++) assertEquals((await guess(`g${n}`)).status, 401);
    const { status, headers } = await guess(TOKEN);
    assertEquals(status, 429);
    assert(Number(headers.get("retry-after")) > 290);
  }));

Deno.test("/j/: unknown codes are 404 for ten tries, then 429; only GET", () =>
  withGateway(async (gateway) => {
    assertEquals((await get(gateway, "/j/abc", { method: "POST" })).status, 405);
    for (let n = 0; n < 10; n++) {
      const { status, body } = await get(gateway, `/j/${"x".repeat(22)}`);
      assertEquals([status, body], [404, { error: "not_found" }]);
    }
    const { status, body } = await get(gateway, `/j/${"x".repeat(22)}`);
    assertEquals([status, body], [429, { error: "rate_limited" }]);
  }));

Deno.test("N21: a token in a URL counts for nothing and is not logged", () =>
  withGateway(async (gateway) => {
    await get(gateway, `/readyz?token=${TOKEN}`);
    await get(gateway, `/?token=${TOKEN}&gatewayUrl=wss://evil`);
    const wire = await gateway.open();
    await wire.challenge();
    const text = JSON.stringify(gateway.logs);
    assert(!text.includes(TOKEN));
  }));

Deno.test("HSTS is sent when configured", () =>
  withGateway(async (gateway) => {
    const { headers } = await get(gateway, "/health");
    assertEquals(headers.get("strict-transport-security"), "max-age=1");
  }, {
    config: { gateway: { http: { securityHeaders: { strictTransportSecurity: "max-age=1" } } } },
  }));
