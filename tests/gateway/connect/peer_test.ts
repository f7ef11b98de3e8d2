/** Locality, proxy attribution, origins. */
import { assert, assertEquals } from "@std/assert";
import { decideOrigin, isLocalHost } from "../../../src/gateway/auth/origin.ts";
import { judgePeer } from "../../../src/gateway/peers/peer_facts.ts";

type Headers = Record<string, string>;
const policy = (...trustedProxies: string[]) => ({ trustedProxies, allowRealIpFallback: false });

const PEERS: readonly [string, string, Headers, string[], string, string][] = [
  ["a loopback socket", "127.0.0.1", {}, [], "direct-local", "127.0.0.1"],
  ["a mapped loopback socket", "::ffff:127.0.0.1", {}, [], "direct-local", "127.0.0.1"],
  ["IPv6 loopback", "::1", {}, [], "direct-local", "::1"],
  ["Host is not looked at", "127.0.0.1", { host: "gw.example" }, [], "direct-local", "127.0.0.1"],
  ["a remote socket", "192.0.2.1", {}, [], "direct-remote", "192.0.2.1"],
  [
    "N05: X-Forwarded-For from a remote peer",
    "192.0.2.1",
    { "x-forwarded-for": "127.0.0.1" },
    [],
    "unattributable",
    "192.0.2.1",
  ],
  [
    "N05: Forwarded",
    "192.0.2.1",
    { forwarded: "for=127.0.0.1" },
    [],
    "unattributable",
    "192.0.2.1",
  ],
  ["N05: X-Real-IP", "192.0.2.1", { "x-real-ip": "::1" }, [], "unattributable", "192.0.2.1"],
  [
    "N05: the same on loopback is not local either",
    "127.0.0.1",
    { "x-forwarded-for": "127.0.0.1" },
    [],
    "unattributable",
    "127.0.0.1",
  ],
  [
    "a trusted proxy",
    "127.0.0.1",
    { "x-forwarded-for": "192.0.2.77" },
    ["127.0.0.1"],
    "trusted-proxy",
    "192.0.2.77",
  ],
  [
    "hops are read from the right, trusted ones skipped",
    "10.0.0.2",
    { "x-forwarded-for": "6.6.6.6, 192.0.2.77, 10.0.0.9" },
    ["10.0.0.0/8"],
    "trusted-proxy",
    "192.0.2.77",
  ],
  [
    "N05: a trusted proxy that forwards a claim of loopback",
    "10.0.0.2",
    { "x-forwarded-for": "127.0.0.1" },
    ["10.0.0.0/8"],
    "unattributable",
    "10.0.0.2",
  ],
  [
    "an unreadable hop hides who came before it",
    "10.0.0.2",
    { "x-forwarded-for": "192.0.2.77, unknown" },
    ["10.0.0.2"],
    "unattributable",
    "10.0.0.2",
  ],
  [
    "a hop with a port",
    "10.0.0.2",
    { "x-forwarded-for": "[2001:db8::1]:4711" },
    ["10.0.0.2"],
    "trusted-proxy",
    "2001:db8::1",
  ],
  [
    "N05: a claim of loopback behind the real client",
    "10.0.0.2",
    { "x-forwarded-for": "127.0.0.1, 192.0.2.77" },
    ["10.0.0.2"],
    "trusted-proxy",
    "192.0.2.77",
  ],
  [
    "N05: a claim of loopback in front of the real client",
    "10.0.0.2",
    { "x-forwarded-for": "192.0.2.77, 127.0.0.1" },
    ["10.0.0.2"],
    "trusted-proxy",
    "192.0.2.77",
  ],
  [
    "N05: a mapped claim of loopback",
    "10.0.0.2",
    { "x-forwarded-for": "::ffff:127.0.0.1" },
    ["10.0.0.2"],
    "unattributable",
    "10.0.0.2",
  ],
  [
    "N05: an empty X-Forwarded-For on loopback is not local either",
    "127.0.0.1",
    { "x-forwarded-for": "" },
    [],
    "unattributable",
    "127.0.0.1",
  ],
  [
    "N05: X-Forwarded-Proto alone on loopback",
    "127.0.0.1",
    { "x-forwarded-proto": "https" },
    [],
    "unattributable",
    "127.0.0.1",
  ],
  [
    "Forwarded (RFC 7239) from a trusted proxy names nobody",
    "10.0.0.2",
    { forwarded: "for=192.0.2.77" },
    ["10.0.0.2"],
    "unattributable",
    "10.0.0.2",
  ],
  [
    "a mapped hop is the address in it",
    "10.0.0.2",
    { "x-forwarded-for": "::ffff:192.0.2.77" },
    ["10.0.0.2"],
    "trusted-proxy",
    "192.0.2.77",
  ],
  [
    "a hop with a zone is unreadable",
    "10.0.0.2",
    { "x-forwarded-for": "192.0.2.77, fe80::1%eth0" },
    ["10.0.0.2"],
    "unattributable",
    "10.0.0.2",
  ],
  [
    "of a chain without end the last hops are read",
    "10.0.0.2",
    {
      "x-forwarded-for": "6.6.6.6, ".repeat(5_000) + "192.0.2.77, " + "10.0.0.2, ".repeat(30) +
        "10.0.0.2",
    },
    ["10.0.0.2"],
    "trusted-proxy",
    "192.0.2.77",
  ],
  [
    "and no further",
    "10.0.0.2",
    { "x-forwarded-for": "192.0.2.77" + ", 10.0.0.2".repeat(40) },
    ["10.0.0.2"],
    "unattributable",
    "10.0.0.2",
  ],
  [
    "N09: Tailscale headers straight to a LAN address",
    "192.168.1.66",
    { "tailscale-user-login": "a@b" },
    [],
    "unattributable",
    "192.168.1.66",
  ],
  [
    "Tailscale headers from a stranger",
    "127.0.0.1",
    { "tailscale-user-login": "a@b" },
    [],
    "unattributable",
    "127.0.0.1",
  ],
];
for (const [name, socket, headers, trusted, attribution, client] of PEERS) {
  Deno.test(`judgePeer(): ${name}`, () => {
    const facts = judgePeer(socket, headers, policy(...trusted));
    assertEquals([facts.attribution, facts.clientAddress], [attribution, client]);
    assertEquals(facts.local, attribution === "direct-local");
  });
}

Deno.test("X-Real-IP counts only with the fallback allowed, and never as loopback", () => {
  const judge = (ip: string, allowRealIpFallback: boolean) =>
    judgePeer("10.0.0.2", { "x-real-ip": ip }, {
      trustedProxies: ["10.0.0.2"],
      allowRealIpFallback,
    });
  assertEquals(judge("192.0.2.1", true).clientAddress, "192.0.2.1");
  assertEquals(judge("192.0.2.1", false).attribution, "unattributable");
  assertEquals(judge("::1", true).attribution, "unattributable");
});

const closed = { allowedOrigins: [], hostHeaderFallback: false };
const ORIGINS: readonly [string, string | undefined, string | undefined, boolean, boolean][] = [
  ["N01: another site", "https://evil.example", "127.0.0.1:18789", true, false],
  ["N03: a rebound name", "http://evil.example:18789", "evil.example:18789", true, false],
  ["the local page", "http://localhost:18789", "localhost:18789", true, true],
  ["the local page under its address", "http://127.0.0.1:18789", "127.0.0.1:18789", true, true],
  ["a local development server", "http://localhost:5173", "127.0.0.1:18789", true, true],
  ["the same from a remote socket", "http://localhost:5173", "127.0.0.1:18789", false, false],
  ["a private address", "http://192.168.1.5:18789", "192.168.1.5:18789", false, true],
  ["a private origin for another host", "http://192.168.1.5:1", "192.168.1.6:1", false, false],
  ["a .local name", "http://gw.local:18789", "gw.local:18789", false, true],
  ["a tailnet name", "https://gw.tail1.ts.net", "gw.tail1.ts.net", false, true],
  [
    "a look-alike of a tailnet name",
    "https://ts.net.evil.example",
    "ts.net.evil.example",
    false,
    false,
  ],
  ["a look-alike of loopback", "http://127.evil.example", "127.evil.example", true, false],
  ["decimal loopback", "http://2130706433:18789", "2130706433:18789", false, false],
  ["null", "null", "127.0.0.1", true, false],
  ["a file", "file:///etc/passwd", "127.0.0.1", true, false],
  ["an extension", "chrome-extension://abc", "127.0.0.1", true, false],
  ["no origin at all for a browser client", undefined, "127.0.0.1", true, false],
  ["nonsense", "http://[", "[", true, false],
  ["loopback in capitals", "HTTP://LOCALHOST:18789", "localhost:18789", true, true],
  ["localhost with a trailing dot", "http://localhost.:18789", "localhost.:18789", true, false],
  ["a name below localhost", "http://evil.localhost:18789", "evil.localhost:18789", true, false],
  ["IPv6 loopback", "http://[::1]:18789", "[::1]:18789", true, true],
  ["two origins in one header", "http://localhost, https://evil.example", "localhost", true, false],
  ["an origin of 600 characters", `https://${"a".repeat(600)}`, "localhost", true, false],
  [
    "a rebound name that names the port of a private one",
    "http://evil.example:80",
    "10.0.0.1",
    false,
    false,
  ],
  ["a name that ends like a private one", "https://evil-ts.net", "evil-ts.net", false, false],
  ["a public address", "http://203.0.113.5:18789", "203.0.113.5:18789", false, false],
];
for (const [name, origin, host, local, ok] of ORIGINS) {
  Deno.test(`decideOrigin(): ${name}`, () => {
    assertEquals(decideOrigin({ origin, host, local }, closed).ok, ok);
  });
}

Deno.test("decideOrigin() takes listed origins, a star, and the Host header when told to", () => {
  const facts = { origin: "https://ui.example", host: "ui.example", local: false };
  assert(decideOrigin(facts, { ...closed, allowedOrigins: ["https://ui.example/"] }).ok);
  assert(decideOrigin(facts, { ...closed, allowedOrigins: ["*"] }).ok);
  assert(decideOrigin(facts, { ...closed, hostHeaderFallback: true }).ok);
  assert(!decideOrigin(facts, { ...closed, allowedOrigins: ["https://other.example"] }).ok);
});

const LISTED: readonly [string, string, boolean][] = [
  ["itself", "https://good.example", true],
  ["itself in capitals", "HTTPS://GOOD.EXAMPLE", true],
  ["itself with the port of its scheme", "https://good.example:443", true],
  ["another port", "https://good.example:8443", false],
  ["another scheme", "http://good.example", false],
  ["a longer name", "https://good.example.evil", false],
  ["a name before it", "https://evil-good.example", false],
  ["a name below it", "https://sub.good.example", false],
  ["it as a user name", "https://good.example@evil.example", false],
  ["it with a trailing dot", "https://good.example.", false],
  ["a look-alike letter", "https://gооd.example", false],
  ["null", "null", false],
  ["nothing", "", false],
];
for (const [name, origin, ok] of LISTED) {
  Deno.test(`decideOrigin() with "https://good.example" and "null" listed: ${name}`, () => {
    const policy = { ...closed, allowedOrigins: ["https://good.example", "null"] };
    assertEquals(decideOrigin({ origin, host: "gw.example", local: false }, policy).ok, ok);
  });
}

Deno.test("isLocalHost() knows this machine's own names only", () => {
  for (const host of ["localhost", "localhost:1", "127.0.0.1:1", "[::1]:1", "[::1]"]) {
    assert(isLocalHost(host), host);
  }
  for (
    const host of [undefined, "", "evil.example:18789", "127.0.0.1.evil.example", "192.168.0.1"]
  ) {
    assert(!isLocalHost(host), String(host));
  }
});
