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
