/** Join codes: what is in them, what they grant, and that they work once. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromBase64 } from "../../../src/lib/bytes.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { verificationCode } from "../../../src/identity/verification_code.ts";
import { NODE_COMMANDS, nodeOptions, openWorld, owner, TOKEN, type World } from "../world.ts";

const LOOPBACK = "ws://127.0.0.1:18789";

function decode(setupCode: string): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(fromBase64(setupCode)));
}

async function make(world: World, more: Record<string, unknown> = {}) {
  const operator = await owner(world);
  const made = await operator.call("device.pair.setupCode", { publicUrl: LOOPBACK, ...more });
  return { operator, made, payload: decode(made.setupCode) };
}

const bearer = (payload: Record<string, unknown>) => ({
  auth: { bootstrapToken: String(payload.bootstrapToken) },
});

Deno.test("I15: a join code holds address, pin, expiry and a one-time secret, never the shared token", async () => {
  await using world = await openWorld();
  const { made, payload } = await make(world, {
    name: "build-1",
    labels: { site: "lab" },
    commands: ["system.which"],
    urls: ["ssh://me@host"],
  });
  assertEquals(Object.keys(payload).sort(), ["bootstrapToken", "expiresAtMs", "url", "urls"]);
  assertEquals(payload.url, LOOPBACK);
  assertMatch(String(payload.bootstrapToken), /^[A-Za-z0-9_-]{43}$/);
  assert(!JSON.stringify(payload).includes(TOKEN));
  assertEquals([made.access, made.urlSource, made.auth], ["node", "request.publicUrl", "token"]);
  // On disk there are only hashes.
  const files = [world.paths.gatewayDbFile, `${world.paths.gatewayDbFile}-wal`];
  for (const file of files) {
    const text = new TextDecoder("latin1").decode(
      await Deno.readFile(file).catch(() => new Uint8Array()),
    );
    assert(!text.includes(String(payload.bootstrapToken)));
  }
});

Deno.test("I16: a code pairs one node with what it grants; afterwards it is as unknown as any other", async () => {
  await using world = await openWorld();
  const { operator, made, payload } = await make(world, {
    name: "build-1",
    labels: { site: "lab" },
    commands: ["system.which", "system.run"],
  });
  assertEquals(await operator.call("device.pair.setupStatus", { setupId: made.setupId }), {});
  const node = (await world.connect(nodeOptions(1, bearer(payload)))).expectHello();
  const { auth } = node.hello.payload;
  assertEquals([auth.method, auth.role, auth.deviceToken.length], ["bootstrap-token", "node", 43]);
  const done = await operator.event("device.pair.setup.completed");
  assertEquals([done.setupId, done.deviceId, done.access], [made.setupId, node.id, "node"]);
  const secret = new Secret(String(payload.bootstrapToken));
  assertEquals(await operator.call("device.pair.setupStatus", { setupId: made.setupId }), {
    completion: done,
    verificationCode: await verificationCode(secret, node.key?.publicKey ?? ""),
  });
  const row = (await operator.call("node.list")).nodes[0];
  assertEquals(row.commands, ["system.run", "system.which"]);
  assertEquals([row.labels, row.displayName], [{ site: "lab" }, "build-1"]);
  // Everything wider waits.
  assertEquals(row.pendingDeclaredCommands, [...NODE_COMMANDS].sort());
  const used = await world.connect(nodeOptions(2, bearer(payload)));
  const unknown = await world.connect(
    nodeOptions(3, { auth: { bootstrapToken: "A".repeat(43) } }),
  );
  assertEquals(used.hello.error.details.code, "AUTH_BOOTSTRAP_TOKEN_INVALID");
  assertEquals(used.hello.error, unknown.hello.error);
  assertEquals((await operator.call("device.pair.list")).pending, []);
  // The device token goes on.
  await node.close();
  (await world.connect(nodeOptions(1, { auth: { deviceToken: auth.deviceToken } }))).expectHello();
});

Deno.test("I16: a revoked code and a code of the wrong role are refused; a code for three lets three in", async () => {
  await using world = await openWorld();
  const { operator, made, payload } = await make(world);
  const wrongRole = await world.connect({ key: 9, scopes: ["operator.read"], ...bearer(payload) });
  assertEquals(wrongRole.hello.error.details.code, "AUTH_BOOTSTRAP_TOKEN_INVALID");
  await operator.call("device.pair.setupRevoke", { setupId: made.setupId });
  const revoked = await world.connect(nodeOptions(1, bearer(payload)));
  assertEquals(revoked.hello.error.details.code, "AUTH_BOOTSTRAP_TOKEN_INVALID");
  const many = await make(world, { uses: 3 });
  for (const key of [1, 2, 3]) {
    (await world.connect(nodeOptions(key, bearer(many.payload)))).expectHello();
  }
  const fourth = await world.connect(nodeOptions(4, bearer(many.payload)));
  assertEquals(fourth.hello.ok, false);
  const { codes } = await operator.call("device.pair.setupList");
  assertEquals(codes, []);
});

Deno.test("I16: two machines that redeem one code at the same time: one gets in", async () => {
  await using world = await openWorld();
  const { payload } = await make(world);
  const peers = await Promise.all(
    [1, 2, 3, 4].map((key) => world.connect(nodeOptions(key, bearer(payload)))),
  );
  assertEquals(peers.filter((peer) => peer.hello.ok).length, 1);
  // The others hear what a code that never was is answered with, to the letter.
  const unknown = await world.connect(
    nodeOptions(9, bearer({ ...payload, bootstrapToken: "A".repeat(43) })),
  );
  for (const { hello } of peers) if (!hello.ok) assertEquals(hello.error, unknown.hello.error);
});

Deno.test("I16: the join URL gives its code once; an expired or unknown one is the same 404", async () => {
  await using world = await openWorld();
  const base = world.gateway.url.replace("ws://", "http://");
  const { made, payload } = await make(world, { joinUrl: true, publicUrl: base });
  assertMatch(made.joinUrl, new RegExp(`^${base}/j/[A-Za-z0-9_-]{22}$`));
  const first = await fetch(made.joinUrl);
  assertEquals([first.status, first.headers.get("cache-control")], [200, "no-store"]);
  assertEquals(await first.json(), payload);
  for (const url of [made.joinUrl, `${base}/j/${"A".repeat(22)}`]) {
    const again = await fetch(url);
    assertEquals([again.status, await again.text()], [404, `{"error":"not_found"}`]);
  }
  (await world.connect(nodeOptions(1, bearer(payload)))).expectHello();
});

Deno.test("a person's code gives an operator device with exactly its scopes", async () => {
  await using world = await openWorld();
  const { payload } = await make(world, {
    bootstrapProfile: "operator",
    scopes: ["operator.read", "operator.write"],
  });
  const wider = await world.connect({ key: 9, scopes: ["operator.admin"], ...bearer(payload) });
  assertEquals(wider.hello.ok, false);
  const person = (await world.connect({ key: 9, scopes: ["operator.read"], ...bearer(payload) }))
    .expectHello();
  assertEquals(person.hello.payload.auth.scopes, ["operator.read"]);
});

Deno.test("a gateway on loopback makes no code without an address, and only admins make codes", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const error = await operator.refusal("device.pair.setupCode", {});
  assertMatch(error.message, /^Gateway is only bound to loopback\./);
  const weak = await owner(world, { scopes: ["operator.pairing", "operator.write"] });
  for (
    const [method, params] of [
      ["device.pair.setupCode", { publicUrl: LOOPBACK }],
      ["device.pair.setupStatus", { setupId: "x" }],
      ["device.pair.setupList", {}],
      ["device.pair.setupRevoke", { setupId: "x" }],
    ] as const
  ) {
    assertEquals((await weak.refusal(method, params)).message, "missing scope: operator.admin");
  }
});

Deno.test("both sides compute the same short code from the secret and the key", async () => {
  const code = await verificationCode(new Secret("secret"), "key");
  assertMatch(code, /^[A-Z2-7]{6}$/);
  assertEquals(await verificationCode(new Secret("secret"), "key"), code);
  assert(await verificationCode(new Secret("secret"), "other") !== code);
});

Deno.test("a code does not grant a command that no node may be asked for", async () => {
  await using world = await openWorld({ nodes: { commands: { allow: ["acme.deploy"] } } });
  const { operator } = await make(world, {
    commands: ["acme.deploy", "camera.snap", "system.run"],
  });
  const refused = async (command: string) => {
    const params = { publicUrl: LOOPBACK, commands: ["system.which", command] };
    const error = await operator.refusal("device.pair.setupCode", params);
    assertEquals(error.code, "INVALID_REQUEST");
    return String(error.message);
  };
  assertMatch(await refused("system.runn"), /"system\.runn"; did you mean "system\.run"\?/);
  assertMatch(await refused("acme.depoly"), /did you mean "acme\.deploy"\?/);
  assertMatch(await refused("acme.else.entirely"), /has to be in gateway\.nodes\.commands\.allow/);
});
