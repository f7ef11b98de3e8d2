/**
 * Identities that a proxy states: every row of config-and-credentials.md 9 and gateway-protocol.md 4.4, 4.5, decided by
 * `checkSecret()` on judged peers, and what a running gateway makes of headers that a client sends itself.
 */
import { assert, assertEquals } from "@std/assert";
import { type AuthPolicy, checkSecret } from "../../../src/gateway/auth/auth.ts";
import { Throttle } from "../../../src/gateway/auth/throttle.ts";
import { judgePeer } from "../../../src/gateway/peers/peer_facts.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { withGateway } from "../../support/gateway.ts";
import { connectParams, signed, testKey } from "../../support/wire.ts";

type Headers = Record<string, string>;

const PROXY: AuthPolicy = {
  mode: "trusted-proxy",
  password: new Secret("local-pw"),
  allowTailscale: false,
  trustedProxy: {
    userHeader: "X-User",
    requiredHeaders: ["X-SSO"],
    allowUsers: ["ann"],
    allowLoopback: false,
  },
  trustedProxies: ["10.0.0.2", "127.0.0.1", "::1"],
  allowRealIpFallback: false,
};
const { trustedProxy: RULES } = PROXY;
const loopbackToo = { ...PROXY, trustedProxy: { ...RULES!, allowLoopback: true } };
const GOOD = { "x-forwarded-for": "192.0.2.5", "x-user": "ann", "x-sso": "1" };

interface Attempt {
  readonly socket?: string;
  readonly headers?: Headers;
  readonly repeated?: readonly string[];
  readonly policy?: AuthPolicy;
  readonly role?: string;
  readonly auth?: { readonly token?: string; readonly password?: string };
}

/** The verdict in one word: the method, or the reason. */
async function judge(attempt: Attempt): Promise<string> {
  const { socket = "10.0.0.2", headers = GOOD, repeated = [], policy = PROXY } = attempt;
  const peer = judgePeer(socket, headers, policy, repeated);
  const question = { auth: attempt.auth, role: attempt.role ?? "operator", peer };
  const verdict = await checkSecret(question, policy, new Throttle(new FakeClock()));
  if (verdict.ok) return verdict.method;
  return [verdict.tailscale, verdict.reason].filter(Boolean).join(", then ");
}

const without = (name: keyof typeof GOOD): Headers =>
  Object.fromEntries(Object.entries(GOOD).filter(([key]) => key !== name));

const NOT_ALLOWED = "trusted_proxy_user_not_allowed";
const named = (user: string): Headers => ({ ...GOOD, "x-user": user });
/** A text as the header of a request holds it: one character per byte. */
const utf8 = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
const zoe = { ...PROXY, trustedProxy: { ...RULES!, allowUsers: ["zoë"] } };

const OWN = Deno.networkInterfaces()
  .find(({ family, address }) => family === "IPv4" && !address.startsWith("127."))?.address;

const PROXY_ROWS: readonly (readonly [name: string, attempt: Attempt, verdict: string])[] = [
  ["everything as configured", {}, "trusted-proxy"],
  [
    "no trustedProxy at all",
    { policy: { ...PROXY, trustedProxy: undefined } },
    "trusted_proxy_config_missing",
  ],
  [
    "an empty userHeader",
    { policy: { ...PROXY, trustedProxy: { ...RULES!, userHeader: "" } } },
    "trusted_proxy_config_missing",
  ],
  [
    "no trustedProxies",
    { policy: { ...PROXY, trustedProxies: [] } },
    "trusted_proxy_no_proxies_configured",
  ],
  ["N07: a stranger's socket", { socket: "192.0.2.66" }, "trusted_proxy_untrusted_source"],
  ["N07: a neighbour of the proxy", { socket: "10.0.0.3" }, "trusted_proxy_untrusted_source"],
  ["N07: a local process", { socket: "127.0.0.1" }, "trusted_proxy_loopback_source"],
  ["N07: a local process over IPv6", { socket: "::1" }, "trusted_proxy_loopback_source"],
  [
    "N07: a local process over a mapped address",
    { socket: "::ffff:127.0.0.1" },
    "trusted_proxy_loopback_source",
  ],
  [
    "a proxy on loopback with allowLoopback",
    { socket: "127.0.0.1", policy: loopbackToo },
    "trusted-proxy",
  ],
  [
    "a required header is missing",
    { headers: without("x-sso") },
    "trusted_proxy_missing_header_x-sso",
  ],
  [
    "a required header is blank",
    { headers: { ...GOOD, "x-sso": " \t" } },
    "trusted_proxy_missing_header_x-sso",
  ],
  ["the user is missing", { headers: without("x-user") }, "trusted_proxy_user_missing"],
  ["the user is blank", { headers: { ...GOOD, "x-user": "  " } }, "trusted_proxy_user_missing"],
  ["another user", { headers: { ...GOOD, "x-user": "bob" } }, "trusted_proxy_user_not_allowed"],
  [
    "the same user in capitals: names match exactly",
    { headers: { ...GOOD, "x-user": "Ann" } },
    "trusted_proxy_user_not_allowed",
  ],
  [
    "two users in one header",
    { headers: { ...GOOD, "x-user": "ann, bob" } },
    "trusted_proxy_user_not_allowed",
  ],
  ["N07: blanks around a header are no part of it", { headers: named(" \tann ") }, "trusted-proxy"],
  ["N07: a no-break space is part of the name", { headers: named("ann\xa0") }, NOT_ALLOWED],
  [
    "N07: an invisible character is part of the name",
    { headers: named(utf8("ann\u200b")) },
    NOT_ALLOWED,
  ],
  [
    "a name that is only a no-break space",
    { headers: named("\xc2\xa0") },
    "trusted_proxy_user_missing",
  ],
  ["a name beyond ASCII, in UTF-8", { headers: named(utf8("zoë")), policy: zoe }, "trusted-proxy"],
  [
    "N07: a name that looks the same with other characters",
    { headers: named(utf8("zoe\u0308")), policy: zoe },
    NOT_ALLOWED,
  ],
  ["N07: bytes that are not UTF-8", { headers: named("zo\xeb"), policy: zoe }, NOT_ALLOWED],
  [
    "N07: a character that would be another one as a byte",
    { headers: named("\u0161nn") },
    NOT_ALLOWED,
  ],
  [
    "a list of users that is empty takes everybody",
    {
      headers: { ...GOOD, "x-user": "bob" },
      policy: { ...PROXY, trustedProxy: { ...RULES!, allowUsers: [] } },
    },
    "trusted-proxy",
  ],
  [
    "N07: the user header twice, the client's and the proxy's",
    { repeated: ["x-user"] },
    "trusted_proxy_repeated_header_x-user",
  ],
  [
    "N07: a required header twice",
    { repeated: ["x-sso"] },
    "trusted_proxy_repeated_header_x-sso",
  ],
  [
    "N08: the scopes header twice",
    { repeated: ["x-openclaw-scopes"] },
    "trusted_proxy_repeated_header_x-openclaw-scopes",
  ],
  ["another header twice says nothing", { repeated: ["accept"] }, "trusted-proxy"],
  [
    "N05: the forwarded address is not where the proxy is looked for",
    { socket: "192.0.2.66", headers: { ...GOOD, "x-forwarded-for": "10.0.0.2" } },
    "trusted_proxy_untrusted_source",
  ],
  [
    "a direct local caller with the password",
    { socket: "127.0.0.1", headers: {}, auth: { password: "local-pw" } },
    "password",
  ],
  [
    "a direct local caller with a wrong password",
    { socket: "127.0.0.1", headers: {}, auth: { password: "no" } },
    "password_mismatch",
  ],
  [
    "a direct local caller without one",
    { socket: "127.0.0.1", headers: {} },
    "password_missing",
  ],
  [
    "the password from elsewhere is worth nothing",
    { socket: "192.0.2.66", headers: {}, auth: { password: "local-pw" } },
    "trusted_proxy_untrusted_source",
  ],
  [
    "the password behind the proxy's headers is worth nothing",
    { headers: without("x-user"), auth: { password: "local-pw" } },
    "trusted_proxy_user_missing",
  ],
  [
    "N05: a proxied request that claims loopback is not local",
    {
      socket: "127.0.0.1",
      headers: { "x-forwarded-for": "127.0.0.1" },
      auth: { password: "local-pw" },
    },
    "trusted_proxy_loopback_source",
  ],
];

for (const [name, attempt, verdict] of PROXY_ROWS) {
  Deno.test(`trusted-proxy: ${name}`, async () => assertEquals(await judge(attempt), verdict));
}

Deno.test("trusted-proxy: N07: a local process under this machine's own network address", {
  ignore: OWN === undefined,
}, async () => {
  const policy = { ...PROXY, trustedProxies: [`${OWN}/8`] };
  assertEquals(await judge({ socket: OWN!, policy }), "trusted_proxy_loopback_source");
});

const SERVED: AuthPolicy = {
  mode: "token",
  token: new Secret("tok"),
  allowTailscale: true,
  trustedProxies: ["127.0.0.1", "::1"],
  allowRealIpFallback: false,
  whois: (address) => Promise.resolve(address === "100.64.0.7" ? "Ada@Example.com " : undefined),
};
const SERVE = {
  "tailscale-user-login": "ada@example.com",
  "x-forwarded-for": "100.64.0.7",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "gw.tail.ts.net",
};
const changed = (name: keyof typeof SERVE, value: string) => ({ ...SERVE, [name]: value });
const lacking = (name: keyof typeof SERVE): Headers =>
  Object.fromEntries(Object.entries(SERVE).filter(([key]) => key !== name));
const serve = (attempt: Attempt): Attempt => ({
  socket: "127.0.0.1",
  headers: SERVE,
  policy: SERVED,
  ...attempt,
});

/** Whatever does not hold goes on with the shared secret, of which there is none. */
const NOT = "token_missing";
const because = (why: string) => `tailscale_${why}, then ${NOT}`;
const TAILSCALE_ROWS: readonly (readonly [name: string, attempt: Attempt, verdict: string])[] = [
  ["a login that whois confirms, in any case", {}, "tailscale"],
  ["over the IPv6 loopback", { socket: "::1" }, "tailscale"],
  ["allowTailscale is off", { policy: { ...SERVED, allowTailscale: false } }, NOT],
  ["N09: role node", { role: "node" }, NOT],
  ["an explicit token decides", { auth: { token: "tok" } }, "token"],
  ["a wrong explicit token decides, too", { auth: { token: "no" } }, "token_mismatch"],
  ["a wrong explicit password decides, too", { auth: { password: "no" } }, "token_mismatch"],
  ["no user header: nobody is stated", { headers: lacking("tailscale-user-login") }, NOT],
  [
    "N09: a blank user header",
    { headers: changed("tailscale-user-login", " ") },
    because("user_missing"),
  ],
  ["N09: the login twice", { repeated: ["tailscale-user-login"] }, because("user_missing")],
  ["N09: no X-Forwarded-For", { headers: lacking("x-forwarded-for") }, because("proxy_missing")],
  [
    "N09: no X-Forwarded-Proto",
    { headers: lacking("x-forwarded-proto") },
    because("proxy_missing"),
  ],
  ["N09: no X-Forwarded-Host", { headers: lacking("x-forwarded-host") }, because("proxy_missing")],
  [
    "N09: the forwarded address is only loopback",
    { headers: changed("x-forwarded-for", "127.0.0.1") },
    because("proxy_missing"),
  ],
  [
    "N09: whois does not know the address",
    { headers: changed("x-forwarded-for", "100.64.0.8") },
    because("whois_failed"),
  ],
  [
    "N09: a hop after Serve is the one that is asked for",
    { headers: changed("x-forwarded-for", "100.64.0.7, 100.64.0.8") },
    because("whois_failed"),
  ],
  [
    "N09: whois names somebody else",
    { headers: changed("tailscale-user-login", "boss@example.com") },
    because("user_mismatch"),
  ],
  ["N09: from the network, straight to a LAN address", { socket: "192.168.1.66" }, NOT],
  ["N09: from a tailnet peer, straight to the port", { socket: "100.64.0.7" }, NOT],
  ["mode none needs no login", { policy: { ...SERVED, mode: "none" } }, "none"],
];

for (const [name, attempt, verdict] of TAILSCALE_ROWS) {
  Deno.test(`Tailscale Serve: ${name}`, async () => {
    assertEquals(await judge(serve(attempt)), verdict);
  });
}

const usersOf = (allowUsers: readonly string[]) => ({
  gateway: {
    auth: {
      mode: "trusted-proxy",
      password: "local-pw",
      trustedProxy: { userHeader: "x-user", allowUsers, allowLoopback: true },
    },
    trustedProxies: ["127.0.0.1"],
    controlUi: { allowedOrigins: ["https://ui.example"] },
  },
});
const RUNNING = usersOf(["ann", "bob"]);
const options = { flags: { token: undefined }, config: RUNNING };
const BROWSER = { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" };

/** One HTTP exchange by hand: a real client would not send such headers. */
async function rawHttp(port: number, lines: readonly string[]): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const text = await new Response(conn.readable).text();
  return text.split("\r\n")[0] ?? "";
}

Deno.test("trusted-proxy: N07: a user header sent twice is refused by a running gateway", () =>
  withGateway(async ({ open }) => {
    const key = await testKey(1);
    // `ws` joins an array into two header lines.
    const headers = { "x-forwarded-for": "192.0.2.5", "x-user": ["ann", "ann"] };
    const wire = await open({ headers: headers as unknown as Headers });
    const params = await signed(key, await wire.challenge(), connectParams());
    const { error } = await wire.request("connect", params);
    assertEquals(error?.details.authReason, "trusted_proxy_repeated_header_x-user");
  }, options));

Deno.test("trusted-proxy: N07: names beyond ASCII and odd blanks as bytes on the wire of a running gateway", () =>
  withGateway(async ({ open }) => {
    const key = await testKey(1);
    const rows = [
      [utf8("zoë"), "PAIRING_REQUIRED"],
      ["zo\xeb", NOT_ALLOWED],
      ["ann\xa0", NOT_ALLOWED],
    ] as const;
    for (const [user, wanted] of rows) {
      const wire = await open({ headers: { "x-forwarded-for": "192.0.2.5", "x-user": user } });
      const params = await signed(key, await wire.challenge(), connectParams());
      const { error } = await wire.request("connect", params);
      assertEquals(error?.details.authReason ?? error?.details.code, wanted, user);
    }
  }, { ...options, config: usersOf(["zoë", "ann"]) }));

Deno.test("trusted-proxy: N08: scopes are the proxy's word only where its header is required", async () => {
  const headers = {
    "x-forwarded-for": "192.0.2.5",
    "x-user": "ann",
    "origin": "https://ui.example",
    "x-openclaw-scopes": "operator.read",
  };
  for (const [requiredHeaders, scopes] of [[[], []], [["X-OpenClaw-Scopes"], ["operator.read"]]]) {
    const auth = {
      ...RUNNING.gateway.auth,
      trustedProxy: { ...RUNNING.gateway.auth.trustedProxy, requiredHeaders },
    };
    await withGateway(async ({ open }) => {
      const wire = await open({ headers });
      await wire.challenge();
      const asked = connectParams({ client: BROWSER, scopes: ["operator.read", "operator.admin"] });
      const { payload } = await wire.request("connect", asked);
      assertEquals(payload.auth.scopes, scopes);
    }, { ...options, config: { gateway: { ...RUNNING.gateway, auth } } });
  }
});

Deno.test("trusted-proxy: HTTP takes the password of a direct local caller and no identity header", () =>
  withGateway(async ({ http }) => {
    const status = async (headers: Headers) => {
      const response = await fetch(`${http}/tools/invoke`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: '{"tool":"health"}',
      });
      await response.body?.cancel();
      return response.status;
    };
    const bearer = { authorization: "Bearer local-pw" };
    assertEquals(await status(bearer), 200);
    assertEquals(await status({ authorization: "Bearer no" }), 401);
    const proxied = { "x-forwarded-for": "192.0.2.5", "x-user": "ann" };
    assertEquals(await status(proxied), 401);
    assertEquals(await status({ ...proxied, ...bearer }), 401, "not local");
    assertEquals(await status({ ...proxied, origin: "https://evil.example" }), 403);
  }, options));

Deno.test("N03: of two Host headers none makes a caller local; an absolute target is no path", () =>
  withGateway(async ({ gateway: { port } }) => {
    const get = (target: string, ...hosts: string[]) =>
      rawHttp(port, [
        `GET ${target} HTTP/1.1`,
        ...hosts.map((host) => `Host: ${host}`),
        "Connection: close",
      ]);
    assertEquals(await get("/metrics", "127.0.0.1"), "HTTP/1.1 200 OK");
    assertEquals(await get("/metrics", "evil.example"), "HTTP/1.1 401 Unauthorized");
    for (const hosts of [["127.0.0.1", "evil.example"], ["evil.example", "127.0.0.1"]]) {
      const answer = await get("/metrics", ...hosts);
      assert(/ 40[01] /.test(answer), answer);
    }
    for (
      const target of [
        "http://evil.example/metrics",
        "http://127.0.0.1/tools/invoke",
        "*",
        "//evil.example/metrics",
      ]
    ) {
      const answer = await get(target, "127.0.0.1");
      assert(/ 40[04] /.test(answer), `${target}: ${answer}`);
    }
  }));

Deno.test("I12: a user taken off the list, a proxy taken off the list: their sessions end at once", () =>
  withGateway(async ({ open, state, gateway }) => {
    const enter = async (user: string) => {
      const headers = {
        "x-forwarded-for": "192.0.2.5",
        "x-user": user,
        origin: "https://ui.example",
      };
      const wire = await open({ headers });
      await wire.challenge();
      return [wire, await wire.request("connect", connectParams({ client: BROWSER }))] as const;
    };
    const [bob, hello] = await enter("bob");
    assert(hello.ok, JSON.stringify(hello.error));
    const local = await open();
    await local.challenge();
    assert((await local.request("connect", connectParams({ auth: { password: "local-pw" } }))).ok);
    const { auth } = RUNNING.gateway;
    const trustedProxy = { ...auth.trustedProxy, allowUsers: ["ann"] };
    await state.write(
      JSON.stringify({ gateway: { ...RUNNING.gateway, auth: { ...auth, trustedProxy } } }),
    );
    assertEquals((await bob.closed).code, 4001);
    assert((await local.request("health")).ok, "the local password's session goes on");
    assertEquals((await enter("bob"))[1].ok, false);
    assert((await enter("ann"))[1].ok);
    assert(gateway.port > 0);
  }, options));

Deno.test("I12: sessions of Tailscale identities end when these are no longer accepted, others stay", () => {
  const config = { gateway: { auth: { allowTailscale: true } } };
  const whois = () => Promise.resolve("ada@example.com");
  return withGateway(async ({ open, owner, state }) => {
    const wire = await open({ headers: SERVE });
    await wire.challenge();
    const hello = await wire.request("connect", connectParams());
    assertEquals(hello.payload?.auth.method, "tailscale", JSON.stringify(hello.error));
    const mine = await owner();
    await state.write(JSON.stringify({ gateway: { auth: { allowTailscale: false } } }));
    assertEquals((await wire.closed).code, 4001);
    assert((await mine.request("health")).ok);
  }, { config, whois });
});
