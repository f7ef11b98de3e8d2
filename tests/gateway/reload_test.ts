/** What a running gateway does with a changed configuration: moves its sockets, keeps its connections, refuses to open up. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type RunningGateway, startGateway } from "../../src/gateway/server.ts";
import { isOpenclawError } from "../../src/lib/errors.ts";
import { requireFingerprint } from "../../src/identity/fingerprint.ts";
import type { LogRecord } from "../../src/lib/log.ts";
import { dial } from "../../src/net/dial/dial.ts";
import { type TempState, tempState } from "../config/temp_state.ts";
import { eventually, freePort } from "../e2e/program.ts";
import { connectParams, Wire } from "../support/wire.ts";

const TOKEN = "tok-synthetic-reload-0123456789abcdef";

interface Scene {
  readonly gateway: RunningGateway;
  readonly state: TempState;
  readonly logs: readonly LogRecord[];
  /** Writes the `gateway` section and waits until the gateway has said this. */
  edit(section: Record<string, unknown>, said: string): Promise<void>;
  owner(): Promise<Wire>;
  readonly restarts: () => number;
}

/** A gateway whose addresses come from its configuration alone. */
async function withGateway(
  section: Record<string, unknown>,
  use: (scene: Scene) => Promise<void>,
): Promise<void> {
  const text = (more: Record<string, unknown>) =>
    JSON.stringify({ gateway: { auth: { mode: "token", token: TOKEN }, ...more } });
  await using state = await tempState({}, text({ port: freePort(), ...section }));
  const logs: LogRecord[] = [];
  let restarts = 0;
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    logSinks: [(record) => logs.push(record)],
    onRestartWanted: () => restarts++,
  });
  const wires: Wire[] = [];
  try {
    await use({
      gateway,
      state,
      logs,
      restarts: () => restarts,
      async edit(more, said) {
        const from = logs.length;
        await state.write(text(more));
        await eventually(
          `${said} in ${JSON.stringify(logs.slice(from))}`,
          () => logs.slice(from).some(({ message }) => message.includes(said)),
        );
      },
      async owner() {
        const wire = await Wire.open(gateway.url, { insecureTls: true });
        wires.push(wire);
        await wire.challenge();
        const hello = await wire.request("connect", connectParams({ auth: { token: TOKEN } }));
        assert(hello.ok, JSON.stringify(hello.error));
        return wire;
      },
    });
  } finally {
    for (const wire of wires) wire.terminate();
    await gateway.stop({ drainMs: 0 });
  }
}

async function problemAt(url: string, pin?: string): Promise<string | undefined> {
  try {
    const pins = pin === undefined ? [] : [requireFingerprint(pin, "the test")];
    (await dial({ url, pins, timeoutMs: 30_000, longLived: true })).terminate();
    return undefined;
  } catch (error) {
    if (isOpenclawError(error)) return error.code;
    throw error;
  }
}

Deno.test("reload hybrid: another port is taken at once, who is connected stays, the old port is free", () =>
  withGateway({}, async ({ gateway, edit, owner }) => {
    const before = gateway.url;
    const wire = await owner();
    const port = freePort();
    let told = 0;
    const unfollow = gateway.onChange(() => void told++);
    await edit({ port }, "gateway listening");
    unfollow();
    assertEquals(gateway.port, port);
    assert(told > 0);
    assertEquals(await problemAt(gateway.url), undefined);
    assertEquals(await problemAt(before), "CONNECTION_REFUSED");
    assert((await wire.request("health", {})).ok, "the old connection goes on");
    assert((await (await owner()).request("health", {})).ok);
  }));

Deno.test("reload hybrid: a taken port changes nothing and says who has it", () =>
  withGateway({}, async ({ gateway, edit, logs }) => {
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const before = gateway.url;
    await edit({ port: (other.addr as Deno.NetAddr).port }, "addresses not changed");
    assertEquals(gateway.url, before);
    assertEquals(await problemAt(before), undefined);
    assertMatch(JSON.stringify(logs.slice(-2)), /already listens there/);
  }));

Deno.test("reload hybrid: TLS on, another certificate, TLS off: on the same port, nobody is dropped", () =>
  withGateway({}, async ({ gateway, edit, owner, state }) => {
    const { port } = gateway;
    const plain = await owner();
    await edit({ port, tls: { enabled: true } }, "gateway listening");
    assertMatch(gateway.url, /^wss:/);
    const first = gateway.fingerprint ?? "";
    assertEquals(await problemAt(gateway.url, first), undefined);
    const secure = await owner();
    const shown = await secure.request("gateway.cert.show", {});
    assertEquals(shown.payload.current.fingerprint, first);
    const certPath = `${state.home}/other/cert.pem`;
    const keyPath = `${state.home}/other/key.pem`;
    await edit({ port, tls: { enabled: true, certPath, keyPath } }, "gateway listening");
    const second = gateway.fingerprint ?? "";
    assert(second !== first);
    assertEquals(await problemAt(gateway.url, second), undefined);
    assertEquals(await problemAt(gateway.url, first), "TLS_PIN_MISMATCH");
    await edit({ port }, "gateway listening");
    assertEquals([gateway.fingerprint, gateway.url], [undefined, `ws://127.0.0.1:${port}`]);
    assertEquals(await problemAt(gateway.url), undefined);
    for (const wire of [plain, secure]) assert((await wire.request("health", {})).ok);
  }));

Deno.test("reload hybrid: half a certificate pair or an unreadable caPath keeps the gateway as it is", () =>
  withGateway({}, async ({ gateway, edit, state, logs }) => {
    const { port, url } = gateway;
    const certPath = `${state.home}/only-cert.pem`;
    await Deno.writeTextFile(certPath, "x", { mode: 0o600 });
    const halves = { enabled: true, certPath, keyPath: `${state.home}/none.pem` };
    await edit({ port, tls: halves }, "addresses not changed");
    assertEquals([gateway.url, await problemAt(url)], [url, undefined]);
    const caPath = `${state.home}/no-authorities.pem`;
    await edit({ port, tls: { enabled: true, caPath } }, "addresses not changed");
    assertStringIncludes(JSON.stringify(logs.slice(-2)), "gateway.tls.caPath");
    assertEquals([gateway.url, await problemAt(url)], [url, undefined]);
  }));

Deno.test("reload hybrid: loopback to the network and back", () =>
  withGateway({ bind: "loopback" }, async ({ gateway, edit, owner }) => {
    const { port } = gateway;
    const wire = await owner();
    await edit({ port, bind: "lan" }, "gateway listening");
    assertEquals(gateway.urls, [`ws://0.0.0.0:${port}`]);
    assertEquals(gateway.plan.bind.loopbackOnly, false);
    await edit({ port, bind: "loopback" }, "gateway listening");
    assertEquals(gateway.plan.bind.loopbackOnly, true);
    assertEquals(await problemAt(`ws://127.0.0.1:${port}`), undefined);
    assert((await wire.request("health", {})).ok);
  }));

for (const mode of ["hybrid", "hot"]) {
  Deno.test(`reload ${mode}: section 8: no edit opens a network address without auth`, () =>
    withGateway({ bind: "lan", reload: { mode } }, async ({ gateway, edit, owner }) => {
      const { port } = gateway;
      const wire = await owner();
      const none = { mode: "none" };
      await edit({ port, bind: "lan", auth: none, reload: { mode } }, "not changed");
      // To loopback and without auth at once: in mode hot the address stays, so the auth must, too.
      const said = mode === "hot" ? "not changed" : "gateway auth changed";
      await edit({ port, bind: "loopback", auth: none, reload: { mode } }, said);
      if (mode === "hot") {
        assert((await wire.request("health", {})).ok);
        assertEquals(gateway.plan.bind.loopbackOnly, false);
      } else {
        assertEquals(gateway.plan.bind.loopbackOnly, true);
        // And back to the network, still without auth.
        await edit({ port, bind: "lan", auth: none, reload: { mode } }, "not changed");
        assertEquals(gateway.plan.bind.loopbackOnly, true);
      }
    }));
}

Deno.test("reload hot: keys are applied, another port waits for a restart and is named", () =>
  withGateway({ reload: { mode: "hot" } }, async ({ gateway, edit, logs }) => {
    const before = gateway.url;
    const section = { port: freePort(), trustedProxies: ["10.0.0.1"], reload: { mode: "hot" } };
    await edit(section, "restart the gateway to apply the rest");
    assertEquals(gateway.url, before);
    assertEquals(gateway.config.config.gateway.trustedProxies, ["10.0.0.1"]);
    assert(logs.some((line) => JSON.stringify(line).includes('"keys":"gateway.port"')));
  }));

Deno.test("reload restart: a good change asks for a restart, one the gateway would not start with does not", () =>
  withGateway({ reload: { mode: "restart" } }, async ({ gateway, edit, restarts }) => {
    const reload = { mode: "restart" };
    await edit(
      { port: gateway.port, bind: "lan", auth: { mode: "none" }, reload },
      "not restarted",
    );
    assertEquals(restarts(), 0);
    await edit({ port: gateway.port, trustedProxies: ["10.0.0.1"], reload }, "gateway restarts");
    await eventually("the restart", () => restarts() === 1);
    assertEquals(gateway.config.config.gateway.trustedProxies, [], "takes force with the start");
  }));

Deno.test("reload off: neither a saved file nor config.patch changes the running gateway", () =>
  withGateway({ reload: { mode: "off" } }, async ({ gateway, owner, state }) => {
    const wire = await owner();
    const { payload: { hash } } = await wire.request("config.get", {});
    const raw = JSON.stringify({ gateway: { trustedProxies: ["10.0.0.1"], port: freePort() } });
    const done = await wire.request("config.patch", { raw, baseHash: hash });
    assert(done.payload.sentinel.payload.stats.requiresRestart);
    assertStringIncludes(await state.read(), "10.0.0.1");
    assertEquals(gateway.config.config.gateway.trustedProxies, []);
  }));

Deno.test("N13: a changed gateway.handshakeTimeoutMs is in force at once, and no listener is closed for it", () =>
  withGateway({}, async ({ gateway, edit, logs }) => {
    const { port } = gateway;
    const listening = () => logs.filter(({ message }) => message === "gateway listening").length;
    assertEquals(listening(), 1);
    await edit({ port, handshakeTimeoutMs: 200 }, "configuration reloaded");
    assertEquals([gateway.plan.handshakeTimeoutMs, listening()], [200, 1]);
    const silent = await Wire.open(gateway.url);
    assertEquals((await silent.ended()).code, 1000);
  }));

Deno.test("reload hybrid: keys of TLS that do not matter now close no listener, and count once they do", () =>
  withGateway({}, async ({ gateway, edit, logs, state }) => {
    const { port } = gateway;
    const listening = () => logs.filter(({ message }) => message === "gateway listening").length;
    const certPath = `${state.home}/later/cert.pem`;
    const keyPath = `${state.home}/later/key.pem`;
    await edit({ port, tls: { enabled: false, certPath, keyPath } }, "configuration reloaded");
    assertEquals([listening(), gateway.plan.tls.certPath], [1, certPath]);
    await edit({ port, tls: { enabled: true, certPath, keyPath } }, "configuration reloaded");
    const print = gateway.fingerprint ?? "";
    assertEquals([listening(), await problemAt(gateway.url, print)], [2, undefined]);
    const tls = { enabled: true, certPath, keyPath, autoGenerate: false };
    await edit({ port, tls }, "configuration reloaded");
    assertEquals([listening(), gateway.fingerprint, gateway.plan.tls.autoGenerate], [
      2,
      print,
      false,
    ]);
    assertEquals(await problemAt(gateway.url, print), undefined);
  }));

Deno.test("reload: a changed gateway.reload.mode rules the next edit", () =>
  withGateway({}, async ({ gateway, edit, logs }) => {
    const { port } = gateway;
    const to = (mode: string, more = {}) => ({ port, reload: { mode }, ...more });
    await edit(to("hot"), "configuration reloaded");
    assert(!JSON.stringify(logs).includes("restart the gateway"), JSON.stringify(logs));
    await edit(to("hot", { port: freePort() }), "restart the gateway to apply the rest");
    assertEquals(gateway.port, port);
    const other = freePort();
    await edit(to("hybrid", { port: other }), "configuration reloaded");
    await edit(
      to("hybrid", { port: other, trustedProxies: ["10.0.0.1"] }),
      "configuration reloaded",
    );
    assertEquals(gateway.port, other);
  }));

Deno.test(
  "N40, F09: a save that others could change is refused, and taken once its mode is put right",
  {
    ignore: Deno.build.os === "windows",
  },
  () =>
    withGateway({}, async ({ gateway, state, logs }) => {
      const { configFile } = state.paths;
      const text = (await state.read()).replace(
        '"gateway":{',
        '"gateway":{"trustedProxies":["10.0.0.1"],',
      );
      const temp = `${configFile}.swp`;
      await Deno.writeTextFile(temp, text);
      await Deno.chmod(temp, 0o664);
      await Deno.rename(temp, configFile);
      await eventually("the refusal", () => JSON.stringify(logs).includes("others can write it"));
      assertEquals(gateway.config.config.gateway.trustedProxies, []);
      await Deno.chmod(configFile, 0o600);
      await eventually(
        "the reload",
        () => gateway.config.config.gateway.trustedProxies.length === 1,
      );
    }),
);
