/** Importing the stores of an existing set-up: its nodes and operators come back with the tokens they hold. */
import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { importState } from "../../src/gateway/import/import.ts";
import { runImport } from "../../src/gateway/import/run.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { GatewayStore } from "../../src/store/gateway_store.ts";
import { olderNodeRecord } from "../support/older_store.ts";
import { keyOf, NODE_COMMANDS, nodeOptions, openWorld, owner } from "./world.ts";

const OLD_TOKEN = "old-synthetic-token-0123456789abcdefghijklm";

async function nodeRecord(byte: number, more: Record<string, unknown> = {}) {
  return { ...olderNodeRecord(await keyOf(byte), OLD_TOKEN, "Build 1"), ...more };
}

async function writeJson(dir: string, name: string, value: unknown) {
  const folder = name.slice(0, name.lastIndexOf("/"));
  await Deno.mkdir(`${dir}/${folder}`, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(`${dir}/${name}`, JSON.stringify(value), { mode: 0o600 });
}

async function withSource(run: (source: string) => Promise<void>) {
  const source = await Deno.makeTempDir({ prefix: "openclaw-old-" });
  try {
    await run(source);
  } finally {
    await Deno.remove(source, { recursive: true });
  }
}

/** Imports into a stopped gateway's store, as the command does it under the lock. */
async function importInto(paths: { gatewayDbFile: string }, source: string, identity: string) {
  const store = await GatewayStore.open({ path: paths.gatewayDbFile });
  try {
    return await importState(source, {
      store,
      clock: systemClock,
      paths: {
        identityDir: identity,
        deviceKeyFile: `${identity}/device.json`,
        approvalsFile: `${source}/imported-approvals.json`,
      },
    });
  } finally {
    await store.close();
  }
}

Deno.test("the JSON stores: a paired node with approved commands is live at once with the token it holds", async () => {
  await withSource(async (source) => {
    const node = await nodeRecord(1);
    const forged = { ...await nodeRecord(2), publicKey: (await keyOf(3)).publicKey };
    const second = await nodeRecord(4);
    await writeJson(source, "devices/paired.json", {
      [node.deviceId]: node,
      [forged.deviceId]: forged,
      [second.deviceId]: second,
    });
    await writeJson(source, "nodes/paired.json", {
      [node.deviceId]: {
        nodeId: node.deviceId,
        token: "x",
        caps: ["system"],
        commands: NODE_COMMANDS,
        createdAtMs: 5,
        approvedAtMs: 6,
      },
    });
    await using world = await openWorld();
    await world.gateway.stop({ drainMs: 0 });
    const report = await importInto(world.paths, source, `${source}/identity`);
    assertEquals([report?.kind, report?.devices, report?.nodes], [
      "json",
      [node.deviceId, second.deviceId],
      [node.deviceId],
    ]);
    assertEquals(report?.skipped, [{
      what: forged.deviceId,
      why: "has an id that is not its key's",
    }]);
    await world.restart();
    const operator = await owner(world);
    const auth = { deviceToken: OLD_TOKEN };
    const live = (await world.connect(nodeOptions(1, { auth, protocol: 3 }))).expectHello();
    const fresh = live.hello.payload.auth.deviceToken;
    const id = operator.send("node.invoke", {
      nodeId: node.deviceId,
      command: "system.which",
      params: {},
      idempotencyKey: "k",
    });
    await live.answerInvoke({});
    assertEquals((await operator.response(id)).ok, true);
    // A token of ours was used: the old one is over.
    (await world.connect(nodeOptions(1, { auth: { deviceToken: fresh } }))).expectHello();
    const old = await world.connect(nodeOptions(1, { auth }));
    assertEquals(old.hello.error.details.code, "AUTH_DEVICE_TOKEN_MISMATCH");
    // The other node is paired, its commands were never approved: they wait here, too (I09).
    (await world.connect(nodeOptions(4, { auth, protocol: 3 }))).expectHello();
    const pending = (await operator.call("node.pair.list")).pending;
    assertEquals(pending.map((p: { nodeId: string }) => p.nodeId), [second.deviceId]);
  });
});

const COLUMNS =
  "device_id TEXT PRIMARY KEY, public_key TEXT, display_name TEXT, operator_label TEXT, " +
  "platform TEXT, device_family TEXT, client_id TEXT, client_mode TEXT, role TEXT, roles_json TEXT, " +
  "scopes_json TEXT, approved_scopes_json TEXT, remote_ip TEXT, tokens_json TEXT, approved_via TEXT, " +
  "node_surface_json TEXT, created_at_ms INTEGER, approved_at_ms INTEGER";

async function makeSqlite(source: string): Promise<void> {
  await Deno.mkdir(`${source}/state`, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(`${source}/state/openclaw.sqlite`);
  database.exec("PRAGMA journal_mode=WAL");
  database.exec(`CREATE TABLE device_pairing_paired (${COLUMNS})`);
  database.exec("CREATE TABLE exec_approvals_config (config_key TEXT, raw_json TEXT)");
  const node = await nodeRecord(1);
  database.prepare(
    "INSERT INTO device_pairing_paired VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
  ).run(
    node.deviceId,
    node.publicKey,
    node.displayName,
    "Ops label",
    "linux",
    "Linux",
    node.clientId,
    node.clientMode,
    "node",
    `["node"]`,
    "[]",
    "[]",
    null,
    JSON.stringify(node.tokens),
    "owner",
    JSON.stringify({ caps: ["system"], commands: NODE_COMMANDS, approvedAtMs: 7 }),
    5,
    6,
  );
  database.prepare("INSERT INTO exec_approvals_config VALUES('default', ?)").run(`{"version":1}`);
  database.close();
}

Deno.test("the SQLite store: read from a copy, byte for byte untouched, a second import changes nothing", async () => {
  await withSource(async (source) => {
    await makeSqlite(source);
    const file = `${source}/state/openclaw.sqlite`;
    const before = await Deno.readFile(file);
    const paths = { gatewayDbFile: `${source}/ours.sqlite` };
    const report = await importInto(paths, source, `${source}/identity`);
    const { deviceId } = await keyOf(1);
    assertEquals([report?.kind, report?.devices, report?.nodes], [
      "sqlite",
      [deviceId],
      [deviceId],
    ]);
    assertEquals(report?.files, [`${source}/imported-approvals.json`]);
    assertEquals(await Deno.readFile(file), before);
    const again = await importInto(paths, source, `${source}/identity`);
    assertEquals([again?.devices, again?.skipped], [[], [{
      what: deviceId,
      why: "is paired already",
    }]]);
    const store = await GatewayStore.open({ path: paths.gatewayDbFile });
    const record = store.devices.get(deviceId);
    assertEquals([record?.operatorLabel, record?.surface?.commands], ["Ops label", NODE_COMMANDS]);
    await store.close();
  });
});

Deno.test("the command imports into a stopped gateway only, and its own folder counts as a source", async () => {
  await using world = await openWorld();
  const from = world.stateDir;
  const node = await nodeRecord(1);
  await writeJson(from, "devices/paired.json", { [node.deviceId]: node });
  const running = await assertRejects(() => runImport({ from, paths: world.paths }), OpenclawError);
  assertEquals([running.code, running.hint], ["GATEWAY_ALREADY_RUNNING", "openclaw gateway stop"]);
  await world.gateway.stop({ drainMs: 0 });
  const report = await runImport({ from, paths: world.paths });
  assertEquals(report.devices, [node.deviceId]);
  const nothing = await assertRejects(
    () => runImport({ from: `${from}/gateway`, paths: world.paths }),
    OpenclawError,
  );
  assertEquals(nothing.code, "IMPORT_NOTHING");
});

Deno.test("nothing to import is nothing; a damaged store is refused and nothing is imported", async () => {
  await withSource(async (source) => {
    const paths = { gatewayDbFile: `${source}/ours.sqlite` };
    assertEquals(await importInto(paths, source, `${source}/identity`), undefined);
    await writeJson(source, "devices/paired.json", {});
    await Deno.writeTextFile(`${source}/devices/paired.json`, "{ half");
    const error = await assertRejects(
      () => importInto(paths, source, `${source}/identity`),
      OpenclawError,
    );
    assertEquals(error.code, "IMPORT_UNREADABLE");
    await Deno.mkdir(`${source}/state`, { mode: 0o700 });
    await Deno.writeTextFile(`${source}/state/openclaw.sqlite`, "not a database at all");
    const worse = await assertRejects(
      () => importInto(paths, source, `${source}/identity`),
      OpenclawError,
    );
    assertEquals(worse.code, "IMPORT_UNREADABLE");
  });
});
