/** Connecting over a real socket: hello-ok, refusals, close codes, devices, roles. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { TOKEN, withGateway } from "../../support/gateway.ts";
import { connectParams, nodeParams, signed, testKey, Wire } from "../../support/wire.ts";

Deno.test("hello-ok of protocol 4 has every field clients need", () =>
  withGateway(async ({ open, gateway }) => {
    const wire = await open();
    const challenge = await wire.challenge();
    assertMatch(challenge.nonce, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    assert(Math.abs(challenge.ts - Date.now()) < 5000);
    const { payload } = await wire.request("connect", connectParams({ auth: { token: TOKEN } }));
    assertEquals(payload.type, "hello-ok");
    assertEquals(payload.protocol, 4);
    assertEquals(payload.server.version, "2026.9.6");
    assertMatch(payload.server.connId, /^[0-9a-f-]{36}$/);
    for (const name of ["health", "node.invoke", "device.pair.list", "config.get", "logs.tail"]) {
      assert(payload.features.methods.includes(name), name);
    }
    assert(payload.features.events.includes("tick"));
    assert(payload.features.capabilities.includes("invoke-output-v1"));
    assertEquals(payload.auth.method, "token");
    assertEquals(payload.auth.role, "operator");
    assertEquals(payload.policy.maxPayload, 26_214_400);
    assertEquals(payload.policy.maxBufferedBytes, 52_428_800);
    assertEquals(payload.policy.tickIntervalMs, 30_000);
    assertEquals(payload.snapshot.presence[0].mode, "gateway");
    assertEquals(payload.snapshot.health.ok, true);
    assertEquals(payload.snapshot.stateDir, gateway.config.path.replace(/\/openclaw\.json$/, ""));
    assertEquals(payload.snapshot.authMode, "token");
    assertEquals(payload.snapshot.sessionDefaults.mainSessionKey, "agent:main:main");
    assert(!JSON.stringify(payload).includes(TOKEN), "no secret in hello-ok");
  }));

Deno.test("hello-ok of protocol 3 has the shape of protocol 3", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    await wire.challenge();
    const { payload } = await wire.request(
      "connect",
      connectParams({ minProtocol: 3, maxProtocol: 3, auth: { token: TOKEN } }),
    );
    assertEquals(payload.protocol, 3);
    assertEquals(payload.auth.method, undefined);
    assertEquals(Object.keys(payload.policy).sort(), [
      "maxBufferedBytes",
      "maxPayload",
      "tickIntervalMs",
    ]);
    assertEquals(payload.snapshot.suspension, undefined);
  }));

Deno.test("an operator without read scope sees neither presence nor health details", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    await wire.challenge();
    const { payload } = await wire.request(
      "connect",
      connectParams({ scopes: [], auth: { token: TOKEN } }),
    );
    assertEquals(payload.snapshot.presence, []);
    assertEquals(Object.keys(payload.snapshot.health), ["ok", "ts", "durationMs"]);
    assertEquals(payload.snapshot.stateDir, undefined);
  }));

interface Refusal {
  readonly name: string;
  readonly send: (wire: Wire) => Promise<void> | void;
  readonly answer?: string;
  readonly close: { readonly code: number; readonly reason: string };
}

const REFUSALS: readonly Refusal[] = [
  {
    name: "text that is not JSON",
    send: (w) => w.sendText("garbage"),
    close: { code: 1000, reason: "" },
  },
  {
    name: "JSON that is no request",
    send: (w) => w.sendText(`{"type":"hello"}`),
    close: { code: 1008, reason: "invalid request frame" },
  },
  {
    name: "N16: a first frame nested 1,000 deep",
    send: (w) =>
      w.sendText(
        `{"type":"req","id":"1","method":"connect","params":${"[".repeat(1000)}${
          "]".repeat(1000)
        }}`,
      ),
    close: { code: 1008, reason: "invalid request frame" },
  },
  {
    name: "N17: a first frame with a key given twice",
    send: (w) => w.sendText(`{"type":"req","id":"1","id":"2","method":"connect"}`),
    close: { code: 1008, reason: "invalid request frame" },
  },
  {
    name: "another method first",
    send: (w) => void w.send("health", {}),
    answer: "invalid handshake: first request must be connect",
    close: { code: 1008, reason: "invalid handshake: first request must be connect" },
  },
  {
    name: "an unknown key",
    send: (w) => void w.send("connect", connectParams({ surprise: 1 })),
    answer: "invalid connect params: at root: unexpected property 'surprise'",
    close: {
      code: 1008,
      reason: "invalid connect params: at root: unexpected property 'surprise'",
    },
  },
  {
    name: "N11: 64 KiB and one byte",
    send: (w) => w.sendText("x".repeat(65_537)),
    close: { code: 1009, reason: "" },
  },
];
for (const { name, send, answer, close } of REFUSALS) {
  Deno.test(`before hello: ${name}`, () =>
    withGateway(async ({ open }) => {
      const wire = await open();
      await wire.challenge();
      await send(wire);
      assertEquals(await wire.ended(), close);
      assertEquals(wire.frames.find((f) => f.type === "res")?.error?.message, answer);
    }));
}

Deno.test("a silent socket is closed at the handshake deadline with 1000 and no reason", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    assertEquals(await wire.ended(), { code: 1000, reason: "" });
    assertEquals(wire.frames.map((f) => f.event), ["connect.challenge"]);
  }, { env: { OPENCLAW_HANDSHAKE_TIMEOUT_MS: "300" } }));

Deno.test("frames sent ahead of hello-ok are answered after it, the sixteenth closes", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    await wire.challenge();
    wire.send("connect", connectParams({ auth: { token: TOKEN } }));
    const ids = Array.from({ length: 15 }, () => wire.send("health", {}));
    for (const id of ids) assert((await wire.answer(id)).ok);
    const order = wire.frames.filter((f) => f.type === "res").map((f) => f.id);
    assertEquals(order[0], "t1");

    const flood = await open();
    await flood.challenge();
    flood.send("connect", connectParams({ auth: { token: TOKEN } }));
    for (let n = 0; n < 16; n++) flood.send("health", {});
    assertEquals(await flood.ended(), { code: 1008, reason: "too many pending handshake frames" });
  }));

Deno.test("a device is paired by an owner, gets a token, and comes back with it", () =>
  withGateway(async ({ open }) => {
    const key = await testKey(1);
    const first = await open();
    const hello = await first.request(
      "connect",
      await signed(key, await first.challenge(), connectParams({ auth: { token: TOKEN } })),
    );
    const { deviceToken } = hello.payload.auth;
    assertMatch(deviceToken, /^[A-Za-z0-9_-]{43}$/);
    assertEquals(typeof hello.payload.auth.issuedAtMs, "number");

    const second = await open({ headers: {} });
    const again = await second.request(
      "connect",
      await signed(key, await second.challenge(), connectParams({ auth: { deviceToken } })),
    );
    assertEquals(again.payload.auth.method, "device-token");
    assertEquals(again.payload.auth.deviceToken, deviceToken);
  }));

Deno.test("both signature layouts are taken, and padded base64 keys", () =>
  withGateway(async ({ open }) => {
    const key = await testKey(1);
    for (const layout of ["v2", "v3"] as const) {
      const wire = await open();
      const params = await signed(
        key,
        await wire.challenge(),
        connectParams({ auth: { token: TOKEN } }),
        layout,
      );
      const device = params.device as Record<string, string>;
      device.publicKey = `${device.publicKey!.replaceAll("-", "+").replaceAll("_", "/")}=`;
      assert((await wire.request("connect", params)).ok, layout);
    }
  }));

Deno.test("I19: a captured connect does not work on another socket", () =>
  withGateway(async ({ open }) => {
    const key = await testKey(1);
    const first = await open();
    const params = await signed(
      key,
      await first.challenge(),
      connectParams({ auth: { token: TOKEN } }),
    );
    assert((await first.request("connect", params)).ok);
    const second = await open();
    await second.challenge();
    const { error } = await second.request("connect", params);
    assertEquals(error?.details.code, "DEVICE_AUTH_NONCE_MISMATCH");
    assertEquals((await second.ended()).code, 1008);
  }));

Deno.test("I19: connect a second time on the same socket is refused and changes nothing", () =>
  withGateway(async ({ owner }) => {
    const reader = await owner({ scopes: ["operator.read"] });
    const params = connectParams({ auth: { token: TOKEN } });
    const refused = await reader.request("connect", params);
    assertEquals(refused.error?.message, "missing scope: operator.admin");
    const pairing = await reader.request("device.pair.list", {});
    assertEquals(pairing.error?.details.missingScope, "operator.pairing");
    const admin = await owner();
    assertEquals(
      (await admin.request("connect", params)).error?.message,
      "connect is only valid as the first request",
    );
  }));

const TAMPERED: readonly [string, (params: Record<string, unknown>) => unknown][] = [
  ["the role", (p) => p.role = "node"],
  ["the scopes", (p) => p.scopes = ["operator.admin"]],
  ["the token", (p) => p.auth = { token: TOKEN, deviceToken: "x" }],
  ["the platform", (p) => (p.client as Record<string, string>).platform = "macos"],
  ["the family", (p) => (p.client as Record<string, string>).deviceFamily = "Mac"],
  ["the client mode", (p) => (p.client as Record<string, string>).mode = "ui"],
];
for (const [what, tamper] of TAMPERED) {
  Deno.test(`I20: a signature does not survive a change of ${what}`, () =>
    withGateway(async ({ open }) => {
      const wire = await open();
      const params = await signed(
        await testKey(1),
        await wire.challenge(),
        connectParams({ scopes: ["operator.read"], auth: { deviceToken: "y" } }),
      );
      tamper(params);
      const { error } = await wire.request("connect", params);
      assertEquals(error?.details.code, "DEVICE_AUTH_SIGNATURE_INVALID");
    }));
}

Deno.test("I22: the id of a paired device with another key is refused", () =>
  withGateway(async ({ open }) => {
    const victim = await testKey(1);
    const first = await open();
    const params = connectParams({ auth: { token: TOKEN } });
    assert(
      (await first.request("connect", await signed(victim, await first.challenge(), params))).ok,
    );
    const thief = { ...await testKey(32), deviceId: victim.deviceId };
    const wire = await open();
    const { error } = await wire.request(
      "connect",
      await signed(thief, await wire.challenge(), params),
    );
    assertEquals(error?.details, {
      code: "DEVICE_AUTH_DEVICE_ID_MISMATCH",
      reason: "device-id-mismatch",
    });
  }));

Deno.test("I01: a remote shared token without a device has no scopes, whatever it states", () =>
  withGateway(async ({ open }) => {
    const wire = await open({ headers: { "x-forwarded-for": "192.0.2.77" } });
    await wire.challenge();
    const hello = await wire.request("connect", connectParams({ auth: { token: TOKEN } }));
    assertEquals(hello.payload.auth.scopes, []);
    const { error } = await wire.request("config.set", { raw: "{}" });
    assertEquals(error?.code, "FORBIDDEN");
  }, { config: { gateway: { trustedProxies: ["127.0.0.1"] } } }));

Deno.test("a node waits for approval, also on loopback, and is told to poll", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    const params = nodeParams({ auth: { token: TOKEN } });
    const { error } = await wire.request(
      "connect",
      await signed(await testKey(32), await wire.challenge(), params),
    );
    assertEquals(error?.code, "NOT_PAIRED");
    assertEquals(error?.details.code, "PAIRING_REQUIRED");
    assertEquals(error?.details.recommendedNextStep, "wait_then_retry");
    assertMatch(error?.details.requestId, /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/);
    const { code, reason } = await wire.ended();
    assertEquals(code, 1008);
    assertMatch(reason, /^pairing required: device is not approved yet \(requestId: /);
  }));

Deno.test("N05: a peer that claims to be loopback is refused at the upgrade", () =>
  withGateway(async ({ url }) => {
    for (
      const headers of [
        { "x-forwarded-for": "127.0.0.1" },
        { "forwarded": "for=127.0.0.1" },
        { "x-real-ip": "::1" },
      ]
    ) {
      await assertRejects(
        () => Wire.open(url, { headers: headers as unknown as Record<string, string> }),
        Error,
        "proxy_attribution_required",
      );
    }
  }));

Deno.test("N07, N09: identity headers from a direct peer count for nothing", () =>
  withGateway(async ({ url, open }) => {
    await assertRejects(
      () => Wire.open(url, { headers: { "tailscale-user-login": "boss@example.com" } }),
      Error,
      "HTTP 403",
    );
    const wire = await open({
      headers: { "x-user": "boss", "x-openclaw-scopes": "operator.admin" },
    });
    await wire.challenge();
    const { error } = await wire.request("connect", connectParams());
    assertEquals(error?.details.code, "DEVICE_IDENTITY_REQUIRED");
  }));

Deno.test("N01, N03: a browser page elsewhere is refused before its secret is looked at", () =>
  withGateway(async ({ open }) => {
    for (
      const headers of [
        { origin: "https://evil.example" },
        { origin: "http://evil.example:18789", host: "evil.example:18789" },
      ]
    ) {
      const wire = await open({ headers: headers as unknown as Record<string, string> });
      await wire.challenge();
      const { error } = await wire.request("connect", connectParams({ auth: { token: TOKEN } }));
      assertEquals(error?.details.code, "CONTROL_UI_ORIGIN_NOT_ALLOWED");
      assertEquals((await wire.ended()).code, 1008);
    }
  }));

Deno.test("N32: hostile Host, Origin, User-Agent and close reason stay on one escaped line of bounded length", () =>
  withGateway(async ({ open, owner, logs }) => {
    // What an HTTP parser lets through: no line breaks, but C1 control characters, and as much as a header may hold.
    const hostile = `evil\x9b2Jforged${"z".repeat(6_000)}`;
    for (
      const headers of [
        { origin: `https://${hostile}` },
        { host: `${hostile}:18789` },
        { "user-agent": hostile },
      ]
    ) {
      const wire = await open({ headers: headers as unknown as Record<string, string> });
      await wire.challenge();
      await wire.request("connect", connectParams({ auth: { token: "wrong" } }));
      await wire.ended();
    }
    const polite = await owner();
    await polite.close(1000, `bye\r\nforged \x1b[2J${"r".repeat(90)}`);
    const admin = await owner();
    const { payload } = await admin.request("logs.tail", { limit: 100 });
    const lines: string[] = payload.lines;
    assert(lines.some((line) => line.includes("bye\\\\r\\\\nforged")), lines.join("\n"));
    for (const line of lines) {
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f]/.test(line), line);
      const texts = Object.values(JSON.parse(line)).filter((v) => typeof v === "string");
      assert(texts.every((text) => (text as string).length <= 2_000), line);
      const fields = Object.entries(JSON.parse(line)).filter(([key]) => key !== "message");
      assert(fields.every(([, v]) => typeof v !== "string" || v.length <= 512), line);
    }
    assert(logs.length > 0);
  }));

Deno.test("N32: what a client calls itself ends up on one escaped line of bounded length", () =>
  withGateway(async ({ open, state, gateway, owner }) => {
    const name = `x\r\nforged line \x1b[2J${"y".repeat(400)}`;
    const wire = await open();
    await wire.challenge();
    const client = { id: "cli", mode: "cli", version: "1", platform: "linux", displayName: name };
    const hello = await wire.request("connect", connectParams({ client, auth: { token: TOKEN } }));
    assert(hello.ok);
    const admin = await owner();
    const { payload } = await admin.request("logs.tail", { limit: 100 });
    const lines: string[] = payload.lines;
    const line = lines.find((text) => text.includes("forged line"))!;
    assert(!/[\r\n\x1b]/.test(line));
    assert(JSON.parse(line).name.length <= 512);
    assert(!lines.some((text) => text.startsWith("forged")));
    assert(gateway.url.length > 0 && state.home.length > 0);
  }));
