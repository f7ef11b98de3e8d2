/** A gateway from start to stop: locks, ports, timers, reload, drain, old state. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { startGateway } from "../../src/gateway/server.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { Secret } from "../../src/lib/secret.ts";
import { tempState } from "../config/temp_state.ts";
import { within } from "../net/raw.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { type TestGateway, TOKEN, withGateway } from "../support/gateway.ts";
import { connectParams, nodeParams, signed, testKey, Wire } from "../support/wire.ts";

const flags = { port: 0, bind: "loopback", token: new Secret(TOKEN) } as const;

async function refused(work: Promise<unknown>, code: string): Promise<OpenclawError> {
  const error = await assertRejects(() => work, OpenclawError);
  assertEquals(error.code, code);
  return error;
}

Deno.test("a second gateway on the same state directory is refused and names the first", () =>
  withGateway(async ({ state }) => {
    const error = await refused(
      startGateway({ paths: state.paths, env: state.env, flags }),
      "GATEWAY_ALREADY_RUNNING",
    );
    assertEquals(error.details?.pid, Deno.pid);
    assertMatch(error.message, new RegExp(`process id ${Deno.pid} already runs`));
  }));

Deno.test("F31: a lock file left by a dead gateway, with a pid that is somebody else's now, does not matter", async () => {
  await using state = await tempState();
  await Deno.mkdir(state.paths.gatewayDir, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(state.paths.gatewayLockFile, `${Deno.pid}\n`, { mode: 0o600 });
  const gateway = await startGateway({ paths: state.paths, env: state.env, flags });
  await gateway.stop();
  const again = await startGateway({ paths: state.paths, env: state.env, flags });
  await again.stop();
});

Deno.test("F30: a port in use names the process that holds it", async () => {
  await using state = await tempState();
  const holder = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const port = holder.addr.port;
    const error = await refused(
      startGateway({ paths: state.paths, env: state.env, flags: { ...flags, port } }),
      "PORT_IN_USE",
    );
    if (Deno.build.os === "linux") {
      assertEquals(error.details?.pid, Deno.pid);
      assertMatch(error.message, new RegExp(`process ${Deno.pid} \\(`));
    }
    assertMatch(error.hint!, /--port/);
  } finally {
    holder.close();
  }
});

Deno.test("F34: state of a newer gateway is refused and left untouched", async () => {
  await using state = await tempState();
  const first = await startGateway({ paths: state.paths, env: state.env, flags });
  await first.stop();
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(state.paths.gatewayDbFile);
  database.exec("PRAGMA user_version = 9999");
  database.close();
  const before = await Deno.readFile(state.paths.gatewayDbFile);
  const error = await refused(
    startGateway({ paths: state.paths, env: state.env, flags }),
    "STORE_TOO_NEW",
  );
  assertMatch(error.message, /9999/);
  assertEquals(await Deno.readFile(state.paths.gatewayDbFile), before);
});

Deno.test("F06: a broken configuration is refused with exit code 78 and left as it is", async () => {
  await using state = await tempState({}, `{"gateway": {"port": 18789,`);
  const error = await refused(
    startGateway({ paths: state.paths, env: state.env, flags }),
    "CONFIG_INVALID",
  );
  assertEquals(error.exitCode, 78);
  assertEquals(await state.read(), `{"gateway": {"port": 18789,`);
});

Deno.test("without a token one is made, saved, and works", async () => {
  await using state = await tempState();
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    flags: { port: 0, bind: "loopback" },
  });
  try {
    assertEquals(gateway.plan.generatedToken, "saved");
    const { token } = JSON.parse(await state.read()).gateway.auth;
    assertMatch(token, /^[0-9a-f]{48}$/);
    const wire = await Wire.open(gateway.url);
    await wire.challenge();
    assert((await wire.request("connect", connectParams({ auth: { token } }))).ok);
    await wire.close();
  } finally {
    await gateway.stop();
  }
});

Deno.test("TLS: the same certificate after a restart, its fingerprint told", async () => {
  await using state = await tempState();
  const start = () =>
    startGateway({ paths: state.paths, env: state.env, flags: { ...flags, tls: true } });
  const first = await start();
  assertMatch(first.url, /^wss:/);
  assertMatch(first.fingerprint!, /^[0-9a-f]{64}$/);
  const wire = await Wire.open(first.url, { insecureTls: true });
  await wire.challenge();
  wire.terminate();
  await first.stop();
  const second = await start();
  assertEquals(second.fingerprint, first.fingerprint);
  await second.stop();
});

Deno.test("ticks, pings and health come from process-wide timers; a silent peer is dropped", async () => {
  await using state = await tempState();
  const clock = new FakeClock(Date.now());
  const gateway = await startGateway({ paths: state.paths, env: state.env, flags, clock });
  try {
    const wire = await Wire.open(gateway.url);
    await wire.challenge();
    assert((await wire.request("connect", connectParams({ auth: { token: TOKEN } }))).ok);
    /** Half a minute, with a ping that is answered before its time is over. */
    const halfMinute = async () => {
      const seen = wire.pings;
      clock.advance(30_000);
      await within(
        5000,
        (async () => {
          while (wire.pings === seen) await wire.request("health");
        })(),
      );
      await wire.request("health"); // the pong went before it
    };
    await halfMinute();
    const tick = await wire.event("tick");
    assertEquals(tick.payload.ts, clock.now());
    await halfMinute();
    const health = await wire.event("health");
    assertEquals(health.payload.ok, true);
    assert(
      Number.isInteger(
        (health as unknown as { stateVersion: { health: number } }).stateVersion.health,
      ),
    );
    // F10: a peer of which nothing comes after a ping is dropped, and only that one.
    const deaf = await Wire.open(gateway.url);
    await deaf.challenge();
    assert((await deaf.request("connect", connectParams({ auth: { token: TOKEN } }))).ok);
    deaf.pause();
    await halfMinute();
    clock.advance(12_999);
    assertEquals((await wire.request("system-presence")).ok, true);
    clock.advance(1);
    deaf.resume();
    assertEquals((await deaf.ended()).code, 1006);
    assertEquals((await wire.request("health")).ok, true);
    wire.terminate();
  } finally {
    const stopped = gateway.stop();
    await within(
      5000,
      (async () => {
        let isStopped = false;
        stopped.then(() => isStopped = true);
        while (!isStopped) {
          clock.advance(100);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      })(),
    );
  }
});

async function connectNode({ open, owner }: TestGateway) {
  const admin = await owner();
  const key = await testKey(32);
  const params = nodeParams({ auth: { token: TOKEN } });
  const first = await open();
  const { error } = await first.request(
    "connect",
    await signed(key, await first.challenge(), params),
  );
  await admin.request("device.pair.approve", { requestId: error!.details.requestId });
  const node = await open();
  assert((await node.request("connect", await signed(key, await node.challenge(), params))).ok);
  const { payload } = await admin.request("node.pair.list", {});
  await admin.request("node.pair.approve", { requestId: payload.pending[0].requestId });
  return { admin, node, nodeId: key.deviceId };
}

Deno.test("F28: a drain refuses new work, lets 20 running calls finish and delivers their results, then 1012", () =>
  withGateway(async (gateway) => {
    const { admin, node, nodeId } = await connectNode(gateway);
    const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
    const calls = keys.map((idempotencyKey) =>
      admin.send("node.invoke", {
        nodeId,
        command: "system.which",
        params: { bins: [idempotencyKey] },
        idempotencyKey,
      })
    );
    const asked = await Promise.all(
      keys.map((key) =>
        node.find(({ event, payload }) =>
          event === "node.invoke.request" && payload.paramsJSON.includes(`"${key}"`)
        )
      ),
    );
    const stopped = gateway.gateway.stop({ drainMs: 5000 });
    assertEquals((await node.event("shutdown")).payload, {
      reason: "gateway stopping",
    });
    const refusal = await admin.request("node.list", {});
    assertEquals(refusal.error?.details.reason, "gateway-restarting");
    assertEquals(refusal.error?.retryable, true);
    await assertRejects(() => Wire.open(gateway.url), Error);
    for (const { payload: { id, paramsJSON } } of asked) {
      const result = { id, nodeId, ok: true, payloadJSON: paramsJSON };
      assert((await node.request("node.invoke.result", result)).ok);
    }
    for (const [n, call] of calls.entries()) {
      assertEquals((await admin.answer(call)).payload.payload, { bins: [keys[n]] });
    }
    assertEquals(await admin.ended(), { code: 1012, reason: "service restart" });
    assertEquals(await node.ended(), { code: 1012, reason: "service restart" });
    await stopped;
  }));

Deno.test("F29: a second stop cuts the drain short and fails what still runs", () =>
  withGateway(async (gateway) => {
    const { admin, node, nodeId } = await connectNode(gateway);
    const call = admin.send("node.invoke", {
      nodeId,
      command: "system.which",
      params: { bins: ["sh"] },
      idempotencyKey: "k1",
    });
    await node.event("node.invoke.request");
    const start = performance.now();
    const first = gateway.gateway.stop({ drainMs: 60_000 });
    const second = gateway.gateway.stop();
    await Promise.all([first, second]);
    assert(performance.now() - start < 2_000);
    assertEquals((await admin.answer(call)).ok, false);
    assertEquals((await admin.ended()).code, 1012);
  }));

Deno.test("I14: a changed token is in force at once, ends shared sessions with 4001, keeps device sessions", () =>
  withGateway(async ({ open, gateway, http, state }) => {
    const key = await testKey(1);
    const connect = async (auth: Record<string, string>, device = false) => {
      const wire = await open();
      const challenge = await wire.challenge();
      const params = connectParams({ auth });
      const answer = await wire.request(
        "connect",
        device ? await signed(key, challenge, params) : params,
      );
      return { wire, answer };
    };
    const shared = await connect({ token: "first-token" });
    const paired = await connect({ token: "first-token" }, true);
    const { deviceToken } = paired.answer.payload.auth;
    const device = await connect({ deviceToken }, true);
    assertEquals(device.answer.payload.auth.method, "device-token");

    await state.write(JSON.stringify({ gateway: { auth: { token: "second-token" } } }));
    assertEquals(await shared.wire.ended(), { code: 4001, reason: "gateway auth changed" });
    assertEquals(await paired.wire.ended(), { code: 4001, reason: "gateway auth changed" });
    assert((await device.wire.request("health")).ok);
    const old = await connect({ token: "first-token" });
    assertEquals(old.answer.error?.details.code, "AUTH_TOKEN_MISMATCH");
    const response = await fetch(`${http}/tools/invoke`, {
      method: "POST",
      headers: { authorization: "Bearer first-token" },
    });
    await response.body?.cancel();
    assertEquals(response.status, 401);
    assert((await connect({ token: "second-token" })).answer.ok);
    assert(gateway.port > 0);
  }, { flags: { token: undefined }, config: { gateway: { auth: { token: "first-token" } } } }));

Deno.test("F09: a half-written configuration changes nothing", () =>
  withGateway(async ({ owner, state, logs }) => {
    const wire = await owner();
    await state.write(`{"gateway": {"auth": {"token": `);
    await within(
      5000,
      (async () => {
        while (!logs.some((r) => r.message === "configuration not reloaded")) {
          await wire.request("health");
        }
      })(),
    );
    assert((await wire.request("health")).ok);
  }));

Deno.test("the log file holds life-cycle lines and no secret, and is rotated by size", () =>
  withGateway(async ({ owner, state }) => {
    const wire = await owner();
    const { payload } = await wire.request("logs.tail", { limit: 50 });
    assertEquals(payload.file, join(state.paths.logsDir, "gateway.log"));
    assert(payload.lines.some((line: string) => JSON.parse(line).message === "gateway listening"));
    assert(!payload.lines.join("\n").includes(TOKEN));
    const next = await wire.request("logs.tail", { cursor: payload.cursor });
    assertEquals(next.payload.lines.filter((l: string) => l.includes("listening")), []);
    const beyond = await wire.request("logs.tail", { cursor: payload.size + 1_000_000 });
    assertEquals(beyond.payload.reset, true);
  }));
