import { assert, assertEquals, assertThrows } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { isLoopback, parseEndpoint, renderEndpoint } from "../../src/net/endpoint.ts";
import { decidePlaintext, requirePlaintextAllowed } from "../../src/net/plaintext.ts";
import { dial } from "../../src/net/dial/dial.ts";

// name, URL, allowed without consent, with the opt-in, with transport "direct"
const TABLE: readonly [string, string, boolean, boolean, boolean][] = [
  ["TLS to anywhere", "wss://203.0.113.5:1", true, true, true],
  ["localhost", "ws://localhost:1", true, true, true],
  ["LOCALHOST in capitals", "ws://LocalHost:1", true, true, true],
  ["127/8", "ws://127.8.9.10:1", true, true, true],
  ["::1", "ws://[::1]:1", true, true, true],
  ["mapped loopback as literal", "ws://[::ffff:7f00:1]:1", true, true, true],
  ["RFC 1918, 10/8", "ws://10.0.0.5:1", false, true, true],
  ["RFC 1918, 172.16/12", "ws://172.31.0.5:1", false, true, true],
  ["RFC 1918, 192.168/16", "ws://192.168.0.5:1", false, true, true],
  ["link-local", "ws://169.254.169.254:1", false, true, true],
  ["ULA", "ws://[fd00::5]:1", false, true, true],
  ["CGNAT", "ws://100.64.1.1:1", false, true, true],
  ["*.local", "ws://box.local:1", false, true, false],
  ["*.ts.net", "ws://box.tail1.ts.net:1", false, true, false],
  ["another name", "ws://gateway.example:1", false, true, false],
  ["N22: localhost with a trailing dot is only a name", "ws://localhost.:1", false, true, false],
  ["N23: a name that begins like loopback", "ws://127.evil.example:1", false, true, false],
  ["N23: loopback as a label", "ws://127.0.0.1.evil.example:1", false, true, false],
  ["N25: public literal", "ws://203.0.113.5:1", false, false, false],
  ["N25: public IPv6 literal", "ws://[2001:db8::5]:1", false, false, false],
  ["0.0.0.0", "ws://0.0.0.0:1", false, false, false],
  ["::", "ws://[::]:1", false, false, false],
  ["multicast", "ws://239.1.1.1:1", false, false, false],
  ["IPv6 multicast", "ws://[ff02::1]:1", false, false, false],
  ["broadcast", "ws://255.255.255.255:1", false, false, false],
  ["the rest of 0/8", "ws://0.1.2.3:1", false, false, false],
  ["IPv6 link-local", "ws://[fe80::1]:1", false, true, true],
  ["mapped RFC 1918 is the address in it", "ws://[::ffff:10.0.0.5]:1", false, true, true],
  ["N23: IPv4-compatible loopback is not loopback", "ws://[::127.0.0.1]:1", false, false, false],
  ["N23: loopback behind NAT64 is not loopback", "ws://[64:ff9b::7f00:1]:1", false, false, false],
  ["N23: 6to4 of loopback is not loopback", "ws://[2002:7f00:1::]:1", false, false, false],
  ["the last address of 172.16/12", "ws://172.31.255.255:1", false, true, true],
  ["the first one after it", "ws://172.32.0.0:1", false, false, false],
  ["the first one after CGNAT", "ws://100.128.0.1:1", false, false, false],
  ["a name in punycode is only a name", "ws://xn--lcalhost-76g:1", false, true, false],
  ["a name below localhost is only a name", "ws://evil.localhost:1", false, true, false],
  ["an integer as a label before a name", "ws://2130706433.example:1", false, true, false],
];

for (const [name, url, bare, optIn, direct] of TABLE) {
  Deno.test(`decidePlaintext(): ${name}`, () => {
    const endpoint = parseEndpoint(url);
    assertEquals(decidePlaintext(endpoint, { optIn: false }).allowed, bare);
    assertEquals(decidePlaintext(endpoint, { optIn: true }).allowed, optIn);
    assertEquals(decidePlaintext(endpoint, { optIn: false, direct: true }).allowed, direct);
  });
}

Deno.test("N25: the refusal says SECURITY ERROR, the host, the ways out, and comes before a byte", async () => {
  const endpoint = parseEndpoint("ws://gateway.example:18789");
  const error = assertThrows(
    () => requirePlaintextAllowed(endpoint, { optIn: false }),
    OpenclawError,
  );
  assertEquals([error.code, error.exitCode], ["PLAINTEXT_REFUSED", 1]);
  assert(error.message.startsWith("SECURITY ERROR:"));
  for (const part of ["gateway.example", "plaintext ws://"]) {
    assert(error.message.includes(part), part);
  }
  for (
    const part of [
      "wss://",
      "SSH tunnel",
      "Tailscale Serve",
      "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS=1",
    ]
  ) {
    assert(error.hint?.includes(part), part);
  }
  // A listener on all addresses of this machine would hear a dial: the name must not even be looked up.
  let lookups = 0;
  const lookup = () => (lookups++, Promise.resolve([{ address: "127.0.0.1", family: 4 }]));
  const refused = await dial({ url: "ws://gateway.example:1", lookup }).catch((e) => e);
  assertEquals([refused.code, lookups], ["PLAINTEXT_REFUSED", 0]);
});

const MALFORMED: readonly [string, string][] = [
  ["N23: hexadecimal parts", "ws://0x7f.1:1"],
  ["N23: one decimal number", "ws://2130706433:1"],
  ["N23: shortened dotted form", "ws://127.1:1"],
  ["N23: octal parts", "ws://0177.0.0.1:1"],
  ["N23: hexadecimal number", "ws://0x7f000001:1"],
  ["N22: userinfo", "ws://127.0.0.1@evil.example:1"],
  ["N22: userinfo with password", "ws://user:secret@127.0.0.1:1"],
  ["N22: query", "ws://127.0.0.1:1/?token=x"],
  ["N22: fragment", "ws://127.0.0.1:1/#token=x"],
  ["IPv6 without brackets", "ws://::1:1"],
  ["zone", "ws://[fe80::1%25eth0]:1"],
  ["port 0", "ws://127.0.0.1:0"],
  ["port 65536", "ws://127.0.0.1:65536"],
  ["another scheme", "ftp://127.0.0.1:1"],
  ["no scheme", "127.0.0.1:1"],
  ["blank", ""],
  ["a newline", "ws://127.0.0.1:1\n/x"],
  ["a backslash", "ws://127.0.0.1\\@evil.example:1"],
  ["a percent escape", "ws://127.0.0.1%00.evil.example:1"],
  ["letters that only look like latin", "ws://lоcalhost:1"],
  ["full-width digits", "ws://１27.0.0.1:1"],
  ["an ideographic full stop", "ws://127。0。0。1:1"],
  ["an international name as typed", "ws://gäteway.example:1"],
  ["a zone without an escape", "ws://[fe80::1%eth0]:1"],
  ["a zone that is loopback", "ws://[::1%lo]:1"],
  ["octal with many zeros", "ws://00000177.0.0.1:1"],
  ["hexadecimal in one part", "ws://127.0.0.0x1:1"],
  ["a number that overflows into loopback", "ws://4425418753:1"],
  ["dots twice", "ws://localhost..:1"],
  ["an address with a trailing dot", "ws://127.0.0.1.:1"],
  ["a line break in the path", "ws://127.0.0.1:1/\r\nAuthorization: Bearer x"],
  ["a blank in the path", "ws://127.0.0.1:1/a b"],
  ["a backslash in the path", "ws://127.0.0.1:1/\\evil.example"],
  ["a tab in the host", "ws://127.0.0.1\t.evil.example:1"],
  ["two ports", "ws://127.0.0.1:1:2"],
  ["a port of six digits", "ws://127.0.0.1:018789"],
  ["userinfo that holds an @", "ws://user:secr@secret@127.0.0.1:1"],
  ["userinfo that holds a question mark", "ws://user:?secret@127.0.0.1:1"],
  ["userinfo without slashes", "ws:user:secret@127.0.0.1:1"],
  ["userinfo without a scheme", "user:secret@127.0.0.1:1"],
  ["userinfo and a query", "ws://a:secret@127.0.0.1:1?token=secret@secret"],
  ["a fragment with an @", "ws://127.0.0.1:1#a@secret"],
];
for (const [name, url] of MALFORMED) {
  Deno.test(`parseEndpoint() refuses ${name}`, () => {
    const error = assertThrows(() => parseEndpoint(url), OpenclawError);
    assertEquals([error.code, error.exitCode], ["ENDPOINT_MALFORMED", 2]);
    assert(!error.message.includes("secret"), "a password in an address is not repeated");
  });
}

Deno.test("parseEndpoint() reads http as ws, keeps the path, and renders back", () => {
  const rows = [
    ["http://127.0.0.1:18789", "ws://127.0.0.1:18789"],
    ["https://Box.Example/ctx/", "wss://box.example:443/ctx/"],
    ["wss://[2001:DB8::1]:5", "wss://[2001:db8::1]:5"],
    ["ws://[::ffff:127.0.0.1]:5", "ws://127.0.0.1:5"],
    ["ws://localhost", "ws://localhost:80"],
  ] as const;
  for (const [text, rendered] of rows) assertEquals(renderEndpoint(parseEndpoint(text)), rendered);
  assertEquals(parseEndpoint("wss://x", { defaultPort: 18789 }).port, 18789);
});

Deno.test("isLoopback() trusts literals and localhost only", () => {
  assert(isLoopback(parseEndpoint("ws://[::1]:1")));
  for (
    const url of [
      "ws://127.evil.example:1",
      "ws://localhost.:1",
      "ws://localhost.evil.example:1",
      "ws://0.0.0.0:1",
    ]
  ) {
    assertEquals(isLoopback(parseEndpoint(url)), false, url);
  }
});
