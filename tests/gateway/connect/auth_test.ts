/** Credentials over a real socket: modes, wrong secrets, throttling, device tokens beside secrets. */
import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { Secret } from "../../../src/lib/secret.ts";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";
import {
  type Change,
  connectParams,
  type Frame,
  nodeParams,
  signed,
  testKey,
  Wire,
} from "../../support/wire.ts";

const PROXY = { gateway: { trustedProxies: ["127.0.0.1"] } };
const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

async function attempt(
  { open }: TestGateway,
  params: Change,
  options?: Parameters<typeof Wire.open>[1],
): Promise<Frame> {
  const wire = await open(options);
  await wire.challenge();
  const answer = await wire.request("connect", params);
  if (!answer.ok) await wire.ended();
  else await wire.close();
  return answer;
}

Deno.test("password mode: the secret is taken in either field, a wrong one is told as password", () =>
  withGateway(async (gateway) => {
    for (const auth of [{ password: "pw-1" }, { token: "pw-1" }]) {
      const { payload } = await attempt(gateway, connectParams({ auth }));
      assertEquals(payload.auth.method, "password");
    }
    const { error } = await attempt(gateway, connectParams({ auth: { password: "no" } }));
    assertEquals(error?.details.code, "AUTH_PASSWORD_MISMATCH");
    assertEquals(
      error?.message,
      "unauthorized: gateway password mismatch (set gateway.remote.password to match gateway.auth.password)",
    );
  }, { flags: { auth: "password", password: new Secret("pw-1") } }));

Deno.test("mode none: accepted without a device and without scopes", () =>
  withGateway(async (gateway) => {
    const { payload } = await attempt(gateway, connectParams());
    assertEquals([payload.auth.method, payload.auth.scopes], ["none", []]);
  }, { flags: { auth: "none" } }));

Deno.test("a wrong token with a device offers the retry with the device token", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    const params = connectParams({ auth: { token: "wrong" } });
    const { error } = await wire.request(
      "connect",
      await signed(await testKey(1), await wire.challenge(), params),
    );
    assertEquals(error?.details, {
      code: "AUTH_TOKEN_MISMATCH",
      authReason: "token_mismatch",
      canRetryWithDeviceToken: true,
      recommendedNextStep: "retry_with_device_token",
    });
  }));

Deno.test("ten wrong tokens from one remote address lock it, also for the right one, and nobody else", () =>
  withGateway(async (gateway) => {
    const wrong = connectParams({ auth: { token: "wrong" } });
    for (let n = 0; n < 10; n++) {
      const { error } = await attempt(gateway, wrong, from("192.0.2.77"));
      assertEquals(error?.details.code, "AUTH_TOKEN_MISMATCH", String(n));
    }
    const right = connectParams({ auth: { token: TOKEN } });
    const { error } = await attempt(gateway, right, from("192.0.2.77"));
    assertEquals(error?.details.code, "AUTH_RATE_LIMITED");
    assertEquals(error?.retryable, true);
    assertGreater(error!.retryAfterMs!, 290_000);
    assertEquals(
      error?.message,
      "unauthorized: too many failed authentication attempts (retry later)",
    );
    assert((await attempt(gateway, right, from("192.0.2.78"))).ok);
  }, { config: PROXY }));

Deno.test("N10: IPv4-mapped spellings and a /64 share one bucket on the wire", () =>
  withGateway(async (gateway) => {
    const wrong = connectParams({ auth: { token: "wrong" } });
    for (let n = 0; n < 10; n++) {
      await attempt(gateway, wrong, from(n % 2 ? "192.0.2.9" : "::ffff:192.0.2.9"));
      await attempt(gateway, wrong, from(`2001:db8::${n + 1}`));
    }
    const right = connectParams({ auth: { token: TOKEN } });
    for (const address of ["192.0.2.9", "::ffff:c000:209", "2001:db8::ffff"]) {
      const { error } = await attempt(gateway, right, from(address));
      assertEquals(error?.details.code, "AUTH_RATE_LIMITED", address);
    }
  }, { config: PROXY }));

Deno.test("I03: a bogus device token beside the guesses changes nothing", () =>
  withGateway(async (gateway) => {
    const key = await testKey(1);
    const codes: string[] = [];
    for (let n = 0; n < 14; n++) {
      const wire = await gateway.open(from("192.0.2.77"));
      const params = connectParams({ auth: { token: `guess-${n}`, deviceToken: "bogus" } });
      const { error } = await wire.request(
        "connect",
        await signed(key, await wire.challenge(), params),
      );
      codes.push(error?.details.code);
    }
    assertEquals(codes.slice(0, 10), Array(10).fill("AUTH_DEVICE_TOKEN_MISMATCH"));
    assertEquals(codes.slice(10), Array(4).fill("AUTH_RATE_LIMITED"));
    const right = connectParams({ auth: { token: TOKEN } });
    const { error } = await attempt(gateway, right, from("192.0.2.77"));
    assertEquals(error?.details.code, "AUTH_RATE_LIMITED");
  }, { config: PROXY }));

Deno.test("I03: guessing the shared token beside a right device token is cut off, the device stays in", () =>
  withGateway(async ({ open }) => {
    const key = await testKey(1);
    const first = await open();
    const hello = await first.request(
      "connect",
      await signed(key, await first.challenge(), connectParams({ auth: { token: TOKEN } })),
    );
    const { deviceToken } = hello.payload.auth;
    const methods: string[] = [];
    for (let n = 0; n < 12; n++) {
      const wire = await open();
      const token = n === 11 ? TOKEN : `guess-${n}`;
      const params = connectParams({ auth: { token, deviceToken } });
      const { payload } = await wire.request(
        "connect",
        await signed(key, await wire.challenge(), params),
      );
      methods.push(payload.auth.method);
    }
    // The twelfth sent the right shared token; that it was right is not told any more.
    assertEquals(methods, Array(12).fill("device-token"));
  }));

Deno.test("a device token sent in auth.token is no guess at the shared token", () =>
  withGateway(async ({ open }) => {
    const key = await testKey(1);
    const first = await open();
    const hello = await first.request(
      "connect",
      await signed(key, await first.challenge(), connectParams({ auth: { token: TOKEN } })),
    );
    for (let n = 0; n < 12; n++) {
      const wire = await open();
      const params = connectParams({ auth: { token: hello.payload.auth.deviceToken } });
      const { payload } = await wire.request(
        "connect",
        await signed(key, await wire.challenge(), params),
      );
      assertEquals(payload.auth.method, "device-token");
    }
  }));

Deno.test("loopback: wrong tokens are answered ever later", () =>
  withGateway(async (gateway) => {
    const wrong = connectParams({ auth: { token: "wrong" } });
    const waits: number[] = [];
    for (let n = 0; n < 3; n++) {
      const start = performance.now();
      await attempt(gateway, wrong);
      waits.push(performance.now() - start);
    }
    assertGreater(waits[0]!, 240);
    assertGreater(waits[1]!, 490);
    assertGreater(waits[2]!, 990);
    assert((await attempt(gateway, connectParams({ auth: { token: TOKEN } }))).ok);
  }));

Deno.test("N02: fifty guesses of a local web page are throttled though loopback is exempt", () =>
  withGateway(async (gateway) => {
    const page = { headers: { origin: "http://localhost:5173" } };
    const client = { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" };
    const codes = new Map<string, number>();
    const start = performance.now();
    for (let n = 0; n < 50; n++) {
      const params = connectParams({ client, auth: { password: `guess-${n}` } });
      const { error } = await attempt(gateway, params, page);
      codes.set(error?.details.code, (codes.get(error?.details.code) ?? 0) + 1);
    }
    assertEquals(Object.fromEntries(codes), { AUTH_PASSWORD_MISMATCH: 10, AUTH_RATE_LIMITED: 40 });
    assertLess(performance.now() - start, 20_000);
    const right = connectParams({ client, auth: { password: "pw" } });
    assertEquals((await attempt(gateway, right, page)).error?.details.code, "AUTH_RATE_LIMITED");
    assert((await attempt(gateway, connectParams({ auth: { password: "pw" } }))).ok, "the owner");
  }, { flags: { auth: "password", password: new Secret("pw") } }));

Deno.test("trusted-proxy: the checks of the peer, each with its reason", () => {
  const config = {
    gateway: {
      auth: {
        mode: "trusted-proxy",
        trustedProxy: {
          userHeader: "x-user",
          requiredHeaders: ["x-sso"],
          allowUsers: ["ann"],
          allowLoopback: true,
        },
      },
      trustedProxies: ["127.0.0.1"],
      controlUi: { allowedOrigins: ["https://ui.example"] },
    },
  };
  const client = { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" };
  const rows: [Record<string, string>, string][] = [
    [{}, "CONTROL_UI_DEVICE_IDENTITY_REQUIRED"],
    [{ "x-sso": "1" }, "CONTROL_UI_DEVICE_IDENTITY_REQUIRED"],
    [{ "x-sso": "1", "x-user": "bob" }, "CONTROL_UI_DEVICE_IDENTITY_REQUIRED"],
    [{ "x-sso": "1", "x-user": "ann" }, "ok"],
  ];
  return withGateway(async (gateway) => {
    for (const [headers, wanted] of rows) {
      const all = { "x-forwarded-for": "192.0.2.5", origin: "https://ui.example", ...headers };
      const answer = await attempt(gateway, connectParams({ client }), { headers: all });
      assertEquals(answer.ok ? "ok" : answer.error?.details.code, wanted, JSON.stringify(headers));
      if (answer.ok) assertEquals(answer.payload.auth.scopes, [], "N08");
    }
    const stated = {
      "x-forwarded-for": "192.0.2.5",
      origin: "https://ui.example",
      "x-sso": "1",
      "x-user": "ann",
      "x-openclaw-scopes": "operator.read",
    };
    const { payload } = await attempt(gateway, connectParams({ client }), { headers: stated });
    assertEquals(payload.auth.scopes, [], "N08: anybody can send that header (proxy_test.ts)");
    // N07: the same headers from a local process that is no proxy.
    const direct = await attempt(gateway, connectParams(), {
      headers: { "x-user": "ann", "x-sso": "1" },
    });
    assertEquals(direct.ok, false);
  }, { flags: { token: undefined }, config });
});

const SERVE = {
  "tailscale-user-login": "Ann@example.com",
  "x-forwarded-for": "100.64.0.5",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "gw.tail1.ts.net",
};
const SERVED = {
  config: { gateway: { auth: { allowTailscale: true } } },
  whois: (address: string) =>
    Promise.resolve(address === "100.64.0.5" ? "ann@example.com" : undefined),
};

Deno.test("N09: a Tailscale identity counts only when the daemon confirms it, never as scopes, for nodes or over HTTP", () =>
  withGateway(async (gateway) => {
    const { payload } = await attempt(gateway, connectParams(), { headers: SERVE });
    assertEquals([payload.auth.method, payload.auth.scopes], ["tailscale", []]);
    const forged = { ...SERVE, "tailscale-user-login": "boss@example.com" };
    const other = { ...SERVE, "x-forwarded-for": "100.64.0.6" };
    for (const headers of [forged, other]) {
      const { error } = await attempt(gateway, connectParams(), { headers });
      assertEquals(error?.details.code, "DEVICE_IDENTITY_REQUIRED");
    }
    const wrong = connectParams({ auth: { token: "wrong" } });
    const { error } = await attempt(gateway, wrong, { headers: SERVE });
    assertEquals(error?.details.code, "AUTH_TOKEN_MISMATCH", "an explicit secret decides");
    const wire = await gateway.open({ headers: SERVE });
    const node = await signed(await testKey(32), await wire.challenge(), nodeParams());
    assertEquals((await wire.request("connect", node)).error?.details.code, "AUTH_TOKEN_MISSING");
    const response = await fetch(`${gateway.http}/tools/invoke`, {
      method: "POST",
      headers: SERVE,
    });
    await response.body?.cancel();
    assertEquals(response.status, 401);
  }, SERVED));

Deno.test("N12: silent sockets use up their address's budget, who is known is unaffected", () =>
  withGateway(async (gateway) => {
    const owner = await gateway.owner();
    for (let n = 0; n < 32; n++) await gateway.open(from("192.0.2.50"));
    await assertRejects(
      () => Wire.open(gateway.url, from("192.0.2.50")),
      Error,
      "HTTP 503: Too many unauthenticated sockets",
    );
    assert((await owner.request("health")).ok);
    assert((await attempt(gateway, connectParams({ auth: { token: TOKEN } }))).ok);
    assertEquals(gateway.gateway.unauthenticated(), 32);
  }, { config: PROXY }));
