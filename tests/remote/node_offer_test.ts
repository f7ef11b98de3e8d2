/** What a node without settings shows of the gateways that announce themselves. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { offerLines } from "../../src/cli/actions/node/offer.ts";
import { announceRecords, beaconsOf } from "../../src/net/discovery/records.ts";

const facts = {
  displayName: "gw",
  hostLabel: "gw",
  port: 18789,
  addresses: ["192.0.2.7"],
  tlsFingerprint: "ab".repeat(32),
  directReachable: true,
};

Deno.test("N28: a found gateway is a command to look at, without the fingerprint it claims", () => {
  const lines = offerLines(beaconsOf(announceRecords(facts)));
  assertStringIncludes(
    lines[1] as string,
    "openclaw node run --host 192.0.2.7 --port 18789 --tls-fingerprint <",
  );
  assertEquals(lines.join("\n").includes("abab"), false);
});

Deno.test("N28: a host that is no address never reaches a command line", () => {
  const evil = { ...facts, addresses: [], hostLabel: "x; rm -rf ~" };
  assertEquals(offerLines(beaconsOf(announceRecords(evil))), []);
});

Deno.test("N28: control characters of a name are shown, not sent to the terminal", () => {
  const lines = offerLines(beaconsOf(announceRecords({ ...facts, displayName: "a\u001b[2Jb" })));
  assertEquals(lines.join("").includes("\u001b"), false);
});
