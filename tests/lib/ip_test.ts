import { assertEquals } from "@std/assert";
import { inIpRange, ipKind, parseIp, parseIpRange, renderIp } from "../../src/lib/ip.ts";

const ADDRESSES = [
  ["127.0.0.1", "127.0.0.1", "loopback"],
  ["127.255.255.254", "127.255.255.254", "loopback"],
  ["::1", "::1", "loopback"],
  ["::ffff:127.0.0.1", "127.0.0.1", "loopback"],
  ["::ffff:7f00:1", "127.0.0.1", "loopback"],
  ["0.0.0.0", "0.0.0.0", "unspecified"],
  ["::", "::", "unspecified"],
  ["10.1.2.3", "10.1.2.3", "private"],
  ["172.16.0.1", "172.16.0.1", "private"],
  ["172.32.0.1", "172.32.0.1", "public"],
  ["192.168.7.7", "192.168.7.7", "private"],
  ["169.254.169.254", "169.254.169.254", "link-local"],
  ["100.64.0.1", "100.64.0.1", "cgnat"],
  ["100.128.0.1", "100.128.0.1", "public"],
  ["224.0.0.251", "224.0.0.251", "multicast"],
  ["255.255.255.255", "255.255.255.255", "multicast"],
  ["fe80::1", "fe80::1", "link-local"],
  ["fd12:3456::1", "fd12:3456::1", "private"],
  ["ff02::fb", "ff02::fb", "multicast"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "public"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", "public"],
  ["64:ff9b::8.8.8.8", "64:ff9b::808:808", "public"],
] as const;

for (const [text, canonical, kind] of ADDRESSES) {
  Deno.test(`parseIp() reads ${text} as ${canonical}, ${kind}`, () => {
    const bytes = parseIp(text);
    assertEquals(bytes && renderIp(bytes), canonical);
    assertEquals(bytes && ipKind(bytes), kind);
  });
}

for (
  const text of [
    "",
    "127.1",
    "0x7f.1",
    "2130706433",
    "127.0.0.01",
    "127.0.0.256",
    "1.2.3.4.5",
    "1.2.3",
    "127.0.0.1 ",
    "localhost",
    "::1%lo",
    "[::1]",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "::1.2.3",
    "1.2.3.4::",
    "g::",
  ]
) {
  Deno.test(`N23: ${JSON.stringify(text)} is no address`, () =>
    assertEquals(parseIp(text), undefined));
}

Deno.test("ranges: prefix borders, mapped forms, single addresses, garbage", () => {
  const inside = (ip: string, range: string) => {
    const bytes = parseIp(ip), parsed = parseIpRange(range);
    return bytes && parsed ? inIpRange(bytes, parsed) : undefined;
  };
  assertEquals(inside("10.0.0.255", "10.0.0.0/24"), true);
  assertEquals(inside("10.0.1.0", "10.0.0.0/24"), false);
  assertEquals(inside("10.0.0.130", "10.0.0.128/25"), true);
  assertEquals(inside("10.0.0.127", "10.0.0.128/25"), false);
  assertEquals(inside("::ffff:10.0.0.1", "10.0.0.0/8"), true);
  assertEquals(inside("10.9.9.9", "::ffff:10.0.0.0/104"), true);
  assertEquals(inside("8.8.8.8", "0.0.0.0/0"), true);
  assertEquals(inside("::1", "0.0.0.0/0"), false);
  assertEquals(inside("fd00::1", "fc00::/7"), true);
  assertEquals(inside("10.0.0.1", "10.0.0.1"), true);
  for (const bad of ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "x/8"]) {
    assertEquals(parseIpRange(bad), undefined, bad);
  }
});
