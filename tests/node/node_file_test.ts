import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import {
  decideSettings,
  loadNodeFile,
  type NodeFile,
  type NodeFlags,
  saveNodeFile,
} from "../../src/node/files/node_file.ts";

const PIN = "ab".repeat(32);
const OTHER = "cd".repeat(32);

function decide(file: NodeFile | undefined, flags: NodeFlags = {}, configTls?: boolean) {
  return decideSettings({
    path: "/state/node.json",
    file,
    flags,
    configTls,
    machineName: "box",
    newId: () => "new-id",
  });
}

const saved: NodeFile = {
  version: 1,
  nodeId: "id-1",
  token: "legacy",
  displayName: "worker",
  gateway: { host: "gw.example", port: 1234, tls: true, tlsFingerprint: PIN },
};

Deno.test("decideSettings() without file and flags takes the defaults", () => {
  const { settings, file } = decide(undefined);
  assertEquals(settings, {
    nodeId: "new-id",
    displayName: "box",
    host: "127.0.0.1",
    port: 18789,
    tls: false,
    url: "ws://127.0.0.1:18789",
  });
  assertEquals(file.gateway, { host: "127.0.0.1", port: 18789, tls: false });
});

Deno.test("decideSettings() takes host, port, tls and fingerprint from the file (seed 000)", () => {
  const { settings, file, notices } = decide(saved);
  assertEquals(settings.url, "wss://gw.example:1234");
  assertEquals([settings.pin as string | undefined, settings.nodeId], [PIN, "id-1"]);
  assertEquals(file, saved);
  assertEquals(notices, []);
});

Deno.test("decideSettings() prefers a flag to the file and the file to the configuration", () => {
  assertEquals(decide(saved, { port: 1234, displayName: "x" }).settings.displayName, "x");
  assertEquals(decide(undefined, {}, true).settings.tls, true);
  assertEquals(decide({ gateway: { tls: false } }, {}, true).settings.tls, false);
  assertEquals(decide({ gateway: { tls: false } }, { tls: true }).settings.tls, true);
});

Deno.test("decideSettings() drops the pin of another endpoint and says so", () => {
  const { settings, file, notices } = decide(saved, { host: "other.example" });
  assertEquals([settings.pin, settings.tls], [undefined, true]);
  assertEquals(file.gateway?.tlsFingerprint, undefined);
  assertStringIncludes(notices.join(), "dropped the saved TLS fingerprint");
  const given = decide(saved, { host: "other.example", tlsFingerprint: OTHER });
  assertEquals([given.settings.pin as string | undefined, given.notices], [OTHER, []]);
});

Deno.test("N26: colons and upper case are accepted in a pin, which implies TLS", () => {
  const spelled = PIN.toUpperCase().match(/../g)!.join(":");
  const { settings } = decide(undefined, { tlsFingerprint: spelled });
  assertEquals([settings.pin as string | undefined, settings.tls], [PIN, true]);
});

for (const bad of ["", "zz", PIN.slice(1), `${PIN}00`]) {
  Deno.test(`N26: a malformed pin "${bad.slice(0, 8)}…" is refused before dialling`, () => {
    const flag = assertThrows(() => decide(undefined, { tlsFingerprint: bad }), OpenclawError);
    assertEquals([flag.code, flag.exitCode], ["PIN_MALFORMED", 1]);
    assertStringIncludes(flag.message, "Invalid TLS fingerprint");
    if (bad === "") return; // blank in the file = none
    const file = assertThrows(
      () => decide({ gateway: { tls: true, tlsFingerprint: bad } }),
      OpenclawError,
    );
    assertStringIncludes(file.message, "/state/node.json");
  });
}

Deno.test("decideSettings() refuses a pin without TLS", () => {
  const error = assertThrows(
    () => decide({ gateway: { tls: false, tlsFingerprint: PIN } }),
    OpenclawError,
  );
  assertEquals([error.code, error.exitCode], ["PIN_WITHOUT_TLS", 1]);
});

Deno.test("decideSettings() fills a short file, brackets IPv6 and appends the context path", () => {
  const { settings, file } = decide({
    displayName: "m",
    gateway: { host: "::1", port: 9, contextPath: "gw/" },
  });
  assertEquals(settings.url, "ws://[::1]:9/gw");
  assertEquals([file.version, file.nodeId], [1, "new-id"]);
});

Deno.test("--node-id replaces the instance id and clears the legacy token", () => {
  const { settings, file, identityReset } = decide(saved, { nodeId: "mine" });
  assertEquals([settings.nodeId, file.token, identityReset], ["mine", undefined, true]);
});

Deno.test("decideSettings() ignores the stored id of an unknown version and keeps foreign keys", () => {
  const { settings, file } = decide({ ...saved, version: 2, extra: { a: 1 } } as NodeFile);
  assertEquals(settings.nodeId, "new-id");
  assertEquals((file as Record<string, unknown>)["extra"], { a: 1 });
});

Deno.test("a file that does not parse is refused by name and never overwritten", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "node.json");
    for (const text of ['{"version": 1, "nodeId": ', '{"gateway": {"port": "x"}}', "[]", "\xff"]) {
      await Deno.writeTextFile(path, text, { mode: 0o600 });
      const error = await assertRejects(() => loadNodeFile(path), OpenclawError, path);
      assertEquals([error.code, error.exitCode], ["NODE_FILE_UNREADABLE", 1]);
      assertEquals(await Deno.readTextFile(path), text);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the file is read with comments and written only on change, 0600", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "node.json");
    const text = `// mine\n${JSON.stringify(saved)}\n`;
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    const before = await loadNodeFile(path);
    assertEquals(await saveNodeFile(path, before, decide(before).file), false);
    assertEquals(await Deno.readTextFile(path), text);
    assertEquals(await saveNodeFile(path, before, decide(before, { displayName: "n" }).file), true);
    assertEquals((await loadNodeFile(path))?.displayName, "n");
    if (Deno.build.os !== "windows") assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const hosts: [name: string, host: string, hint: string][] = [
  ["a URL", "wss://127.0.0.1:18789", "--host 127.0.0.1 --port 18789 --tls"],
  ["host and port", "gw.example:1234", "--host gw.example --port 1234"],
  ["nothing", " ", "--host gw.example --port 18789"],
  ["two words", "gw example", "--host gw.example --port 18789"],
];
for (const [name, host, hint] of hosts) {
  Deno.test(`decideSettings() refuses ${name} for --host and says what was meant`, () => {
    const error = assertThrows(() => decide(saved, { host }), OpenclawError);
    assertEquals([error.code, error.hint], ["INVALID_FLAG_VALUE", hint]);
  });
}

Deno.test("decideSettings(): N21: a password in --host is not repeated; IPv6 is taken with and without brackets", () => {
  const host = "wss://me:hunter2@gw.example";
  const { message, hint } = assertThrows(() => decide(saved, { host }), OpenclawError);
  assertEquals(`${message} ${hint}`.includes("hunter2"), false);
  for (const host of ["::1", "[::1]"]) {
    assertEquals(decide(undefined, { host }).settings.url, "ws://[::1]:18789");
  }
  const damaged = { ...saved, gateway: { host: "ws://gw:1" } };
  assertThrows(() => decide(damaged), OpenclawError, "Cannot use the gateway.host of");
});
