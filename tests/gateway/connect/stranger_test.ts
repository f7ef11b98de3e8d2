/** What somebody without a credential can try on a gateway's port: config before auth, forms, paths, lockouts of others. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";
import { connectParams, signed, testKey, Wire } from "../../support/wire.ts";

const PROXY = { gateway: { trustedProxies: ["127.0.0.1"] } };
const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

const MUTATIONS = [
  "config.set",
  "config.patch",
  "config.apply",
  "device.pair.approve",
  "device.pair.admit",
  "gateway.cert.switch",
  "node.invoke",
];
for (const method of MUTATIONS) {
  Deno.test(`N45: ${method} before connect is refused and changes nothing`, () =>
    withGateway(async ({ open, state }) => {
      const before = await state.read();
      const wire = await open();
      await wire.challenge();
      const raw = "{gateway: {auth: {mode: 'none'}}}";
      const { ok, error } = await wire.request(method, { raw, requestId: "x" });
      assertEquals(ok, false);
      assertStringIncludes(error?.message ?? "", "first request must be connect");
      assertEquals((await wire.closed).code, 1008);
      assertEquals(await state.read(), before);
    }));
}

Deno.test("N45: a device that waits for its approval can change nothing meanwhile", () =>
  withGateway(async ({ open, state }) => {
    const before = await state.read();
    const wire = await open({ headers: { "x-forwarded-for": "192.0.2.5" } });
    const params = connectParams({ auth: { token: TOKEN } });
    const { error } = await wire.request(
      "connect",
      await signed(await testKey(3), await wire.challenge(), params),
    );
    assertEquals(error?.details?.code, "PAIRING_REQUIRED");
    assertEquals((await wire.closed).code, 1008);
    assertEquals(await state.read(), before);
  }, { config: PROXY }));

/** What a page of another site can send without asking: three content types, no header of its own. */
const SIMPLE_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
const ROUTES = [
  "/tools/invoke",
  "/",
  "/j/abc",
  "/health",
  "/readyz",
  "/startupz",
  "/metrics",
  "/app.js",
];

for (const route of ROUTES) {
  Deno.test(`N44: a form of another site at ${route} changes and tells nothing`, () =>
    withGateway(async ({ http, gateway, logs }) => {
      for (const type of SIMPLE_TYPES) {
        for (const origin of ["https://evil.example", "null", undefined]) {
          const response = await fetch(http + route, {
            method: "POST",
            headers: { "content-type": type, ...(origin === undefined ? {} : { origin }) },
            body: '{"tool":"health","x":"=\\r\\n"}',
          });
          const text = await response.text();
          assert([400, 401, 403, 404, 405].includes(response.status), `${type} ${origin}`);
          assert(!/version|uptime|nodes/.test(text), text);
          assertEquals(response.headers.get("access-control-allow-origin"), null);
        }
      }
      assertEquals(gateway.unauthenticated(), 0);
      assert(!JSON.stringify(logs).includes(TOKEN));
    }));
}

Deno.test("N44: a preflight of another site is given nothing", () =>
  withGateway(async ({ http }) => {
    const response = await fetch(`${http}/tools/invoke`, {
      method: "OPTIONS",
      headers: {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    await response.body?.cancel();
    assertEquals(response.status, 405);
    for (const name of response.headers.keys()) {
      assert(!name.startsWith("access-control-"), name);
    }
  }));

/** Sent as written; a client would tidy them up first. */
const PATHS = [
  ...["/../etc/passwd", "/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc"],
  ...[
    "/%252e%252e/%252e%252e/etc/passwd",
    "/..\\..\\etc\\passwd",
    "/..%5c..%5cetc",
    "/%00",
    "/app.js%00",
  ],
  ...["/app.js/../../etc/passwd", "//etc/passwd", "/./app.js", "/app.js/", "/APP.JS", "/%61pp.js"],
  ...[
    "/file:///etc/passwd",
    "/C:/Windows/win.ini",
    "/\u00e4",
    "/app.js;x=1",
    "/__proto__",
    "/constructor",
  ],
];

Deno.test("N29: paths as attackers write them are 404 or 400, and nothing of this machine is in the answer", () =>
  withGateway(async ({ gateway: { port } }) => {
    for (const path of PATHS) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      const head = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
      await conn.write(new TextEncoder().encode(head));
      const text = await new Response(conn.readable).text();
      assert(/^HTTP\/1\.1 (404|400) /.test(text), `${path}: ${text.slice(0, 80)}`);
      assert(!/root:|\[fonts\]|<script|import /.test(text), path);
    }
  }));

/** Ten wrong tokens from one address. */
async function lockOut({ open }: TestGateway, address: string): Promise<void> {
  for (let n = 0; n < 10; n++) {
    const wire = await open(from(address));
    await wire.challenge();
    await wire.request("connect", connectParams({ auth: { token: `guess-${n}` } }));
    await wire.ended();
  }
}

Deno.test("N10: a paired device gets in from an address that is locked for guessing, and does not unlock it", () =>
  withGateway(async (gateway) => {
    const key = await testKey(1);
    const connect = async (
      auth: Record<string, string>,
      options?: Parameters<typeof Wire.open>[1],
    ) => {
      const wire = await gateway.open(options);
      const params = connectParams({ auth });
      return await wire.request("connect", await signed(key, await wire.challenge(), params));
    };
    const { payload } = await connect({ token: TOKEN });
    const { deviceToken } = payload.auth;
    await lockOut(gateway, "192.0.2.77");
    const near = from("192.0.2.77");
    assertEquals((await connect({ deviceToken }, near)).payload?.auth.method, "device-token");
    assertEquals(
      (await connect({ token: deviceToken }, near)).payload?.auth.method,
      "device-token",
    );
    const still = await connect({ token: TOKEN }, near);
    assertEquals(
      still.error?.details.code,
      "AUTH_RATE_LIMITED",
      "the right token is not told apart",
    );
    // Its own success, a hundred times over, never locks anybody.
    for (let n = 0; n < 30; n++) await connect({ deviceToken }, from("192.0.2.78"));
    assertEquals((await connect({ token: TOKEN }, from("192.0.2.78"))).ok, true);
  }, { config: PROXY }));
