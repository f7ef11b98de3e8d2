import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { ClientHello } from "../../src/client/connect_plan.ts";
import { newConnectMemory, openSession, type SessionOptions } from "../../src/client/session.ts";
import { makeCertificate } from "../../src/identity/certificate.ts";
import { deviceKeyOfSeed } from "../../src/identity/device_key.ts";
import { TokenStore } from "../../src/identity/token_store.ts";
import { OpenclawError } from "../../src/lib/errors.ts";
import { Secret } from "../../src/lib/secret.ts";
import { within } from "../net/raw.ts";
import { CHALLENGE_TS, FakeGateway, type GatewaySide, type Script } from "./fake_gateway.ts";

const operator: ClientHello = {
  client: { id: "cli", mode: "cli", version: "2026.9.6", platform: "linux", deviceFamily: "Linux" },
  role: "operator",
  scopes: ["operator.read"],
};
const node: ClientHello = {
  client: {
    id: "node-host",
    mode: "node",
    version: "2026.9.6",
    platform: "linux",
    deviceFamily: "Linux",
  },
  role: "node",
  scopes: [],
  commands: ["system.which"],
};
const seed = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const deviceKey = await deviceKeyOfSeed(seed);
const token = new Secret("tok-shared");

async function withGateway(script: Script, run: (gateway: FakeGateway) => Promise<void>) {
  const gateway = await FakeGateway.start(script);
  try {
    await run(gateway);
  } finally {
    await gateway.close();
  }
}

const options = (gateway: FakeGateway, more: Partial<SessionOptions> = {}): SessionOptions => ({
  dial: { url: gateway.url },
  hello: operator,
  credentials: { token },
  ...more,
});

async function withStore(run: (store: TokenStore, dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(
      new TokenStore({ path: join(dir, "device-tokens.json"), deviceId: deviceKey.deviceId }),
      dir,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function ended(session: { close(): void; closed: Promise<unknown> }): Promise<void> {
  session.close();
  await within(4_000, session.closed, "the end of the session");
}

const refused = (work: Promise<unknown>) => within(8_000, assertRejects(() => work, OpenclawError));

for (const longLived of [false, true]) {
  Deno.test(`openSession() signs with the challenge's time and reaches hello (long-lived: ${longLived})`, () =>
    withGateway({
      onConnect: async (side) => {
        assert(await side.proves());
        side.hello({
          server: { version: "x", connId: "c" },
          features: { methods: ["health"], events: [] },
          policy: { tickIntervalMs: 30_000 },
        });
      },
    }, async (gateway) => {
      const session = await openSession(
        options(gateway, { deviceKey, dial: { url: gateway.url, longLived } }),
      );
      const { params } = gateway.sides[0]?.connect ?? {};
      assertEquals(params.device.signedAt, CHALLENGE_TS);
      assertEquals([params.minProtocol, params.maxProtocol], [3, 4]);
      assertEquals(session.protocol, 4);
      assertEquals(session.hello.features.methods, ["health"]);
      assertEquals(session.hello.features.capabilities, []);
      await ended(session);
    }));
}

Deno.test("request() matches answers by id, out of order, and sends no params when there are none", () =>
  withGateway({
    onConnect: (side) => side.hello(),
    onRequest: (side) => {
      if (side.requests.length < 2) return;
      for (const frame of [...side.requests].reverse()) {
        side.answer(frame.id, { for: frame.method });
      }
    },
  }, async (gateway) => {
    const session = await openSession(options(gateway));
    const [a, b] = await Promise.all([session.request("a"), session.request("b", { x: 1 })]);
    assertEquals([a, b], [{ for: "a" }, { for: "b" }]);
    const [first, second] = gateway.sides[0]?.requests ?? [];
    assertEquals("params" in first, false);
    assertEquals(second.params, { x: 1 });
    assert(/^\d+:[0-9a-f-]{36}$/.test(first.id), first.id);
    await ended(session);
  }));

Deno.test("refusals, deadlines, cancellation and the end of the connection are different errors", () =>
  withGateway({
    onConnect: (side) => side.hello(),
    onRequest: (side, frame) => {
      if (frame.method === "refuse") {
        side.refuse(frame.id, {
          code: "FORBIDDEN",
          message: "missing scope: x",
          details: { code: "MISSING_SCOPE", missingScope: "x" },
        });
      }
      if (frame.method === "drop") side.socket.terminate();
    },
  }, async (gateway) => {
    const session = await openSession(options(gateway));
    const refusal = await refused(session.request("refuse"));
    assertEquals([refusal.code, refusal.details?.wireCode, refusal.message], [
      "MISSING_SCOPE",
      "FORBIDDEN",
      "missing scope: x",
    ]);
    assertEquals(
      (await refused(session.request("silent", {}, { timeoutMs: 50 }))).code,
      "REQUEST_TIMEOUT",
    );
    const stop = new AbortController();
    const cancelled = session.request("silent", {}, { signal: stop.signal, timeoutMs: Infinity });
    stop.abort(new Error("enough"));
    assertEquals(await cancelled.catch((error) => error.message), "enough");
    const open = session.request("silent", {}, { timeoutMs: Infinity });
    const lost = refused(open);
    await session.request("drop").catch(() => {});
    assertEquals((await lost).code, "CONNECTION_LOST");
    assertEquals((await within(2_000, session.closed)).code, 1006);
    assertEquals((await refused(session.request("late"))).code, "CONNECTION_LOST");
  }));

Deno.test("a two-phase request reports the first answer and resolves with the second", () =>
  withGateway({
    onConnect: (side) => side.hello(),
    onRequest: (side, frame) => {
      side.answer(frame.id, { status: "accepted", id: "ap-1" });
      if (frame.method === "two") side.answer(frame.id, { id: "ap-1", decision: "allow-once" });
    },
  }, async (gateway) => {
    const session = await openSession(options(gateway));
    const accepted: unknown[] = [];
    const final = await session.request("two", {}, {
      onAccepted: (payload) => accepted.push(payload),
    });
    assertEquals(accepted, [{ status: "accepted", id: "ap-1" }]);
    assertEquals(final, { id: "ap-1", decision: "allow-once" });
    assertEquals(await session.request("one"), { status: "accepted", id: "ap-1" });
    await ended(session);
  }));

Deno.test("events reach every listener in order; early ones wait; a gap in seq is told and nothing closes", () =>
  withGateway({
    onConnect: (side) => {
      side.hello();
      side.event("presence", 1, 1);
      side.event("tick", 2, 2);
      side.event("node.invoke.request", 3);
      side.event("tick", 4, 5);
    },
    onRequest: (side, frame) => side.answer(frame.id, "pong"),
  }, async (gateway) => {
    const gaps: unknown[] = [];
    const session = await openSession(options(gateway, { onGap: (gap) => gaps.push(gap) }));
    assertEquals(await session.request("ping"), "pong");
    const seen: unknown[] = [];
    const stop = session.onEvent((event, payload) => seen.push([event, payload]));
    assertEquals(seen, [["presence", 1], ["tick", 2], ["node.invoke.request", 3], ["tick", 4]]);
    assertEquals(gaps, [{ expected: 3, received: 5 }]);
    stop();
    gateway.sides[0]?.event("tick", 5, 6);
    assertEquals(await session.request("ping"), "pong");
    assertEquals(seen.length, 4);
    await ended(session);
  }));

Deno.test("hostile frames after hello neither kill the session nor pollute anything (N17)", () =>
  withGateway({
    onConnect: (side) => side.hello(),
    onRequest: (side, frame) => {
      const { socket } = side;
      for (
        const text of [
          "",
          "null",
          "[]",
          "{",
          '{"type":"res"}',
          '{"type":"res","id":"nobody","ok":true}',
          '{"type":"event","event":"x","payload":{"__proto__":{"polluted":1}}}',
          "[".repeat(100_000),
        ]
      ) socket.send(text);
      side.answer(frame.id, "alive");
    },
  }, async (gateway) => {
    const session = await openSession(options(gateway));
    assertEquals(await session.request("x"), "alive");
    assertEquals(({} as { polluted?: unknown }).polluted, undefined);
    await ended(session);
  }));

Deno.test("secrets are sent only in the connect frame: not in URL, headers or requests", () =>
  withGateway({
    onConnect: (side) => side.hello(),
    onRequest: (side, frame) => side.answer(frame.id, 1),
  }, async (gateway) => {
    const session = await openSession(
      options(gateway, { credentials: { token, password: new Secret("pw-shared") } }),
    );
    await session.request("health", {});
    const side = gateway.sides[0];
    assertEquals(side?.connect.params.auth, { token: "tok-shared", password: "pw-shared" });
    assert(
      !JSON.stringify([side?.info.url, side?.info.headers, side?.requests]).includes("shared"),
    );
    await ended(session);
  }));

Deno.test("a refusal of connect keeps its code, details and delay; a missing answer is a deadline", async () => {
  await withGateway({
    onConnect: (side) =>
      side.refuse(side.connect.id, {
        code: "NOT_PAIRED",
        message: "pairing required: device is not approved yet",
        details: {
          code: "PAIRING_REQUIRED",
          requestId: "rq-7",
          recommendedNextStep: "wait_then_retry",
          pauseReconnect: false,
        },
        retryable: true,
        retryAfterMs: 1500,
      }, { code: 1008, reason: "pairing required" }),
  }, async (gateway) => {
    const error = await refused(openSession(options(gateway, { deviceKey, hello: node })));
    assertEquals([error.code, error.details?.requestId, error.retryAfterMs], [
      "PAIRING_REQUIRED",
      "rq-7",
      1500,
    ]);
    assertEquals(gateway.sides.length, 1);
  });
  await withGateway({ challenge: () => null, onConnect: () => {} }, async (gateway) => {
    const error = await refused(openSession(options(gateway, { timeoutMs: 100 })));
    assertEquals(error.code, "HANDSHAKE_TIMEOUT");
  });
});

Deno.test("a node offers 4..4, comes back with 3..3 after 1002 and remembers it", async () => {
  const memory = newConnectMemory();
  await withGateway({
    onConnect: (side) => {
      if (side.connect.params.minProtocol === 3) return side.hello();
      side.refuse(side.connect.id, {
        code: "INVALID_REQUEST",
        message: "protocol mismatch",
        details: { expectedProtocol: 3 },
      }, { code: 1002, reason: "protocol mismatch" });
    },
  }, async (gateway) => {
    const session = await openSession(options(gateway, { hello: node, deviceKey, memory }));
    assertEquals(session.protocol, 3);
    const offers = gateway.sides.map((
      s,
    ) => [s.connect.params.minProtocol, s.connect.params.maxProtocol]);
    assertEquals(offers, [[4, 4], [3, 3]]);
    assertEquals("deviceFamily" in (gateway.sides[1]?.connect.params.client ?? {}), false);
    assert(await gateway.sides[1]?.proves());
    await ended(session);
    const again = await openSession(options(gateway, { hello: node, deviceKey, memory }));
    assertEquals(gateway.sides.length, 3);
    await ended(again);
  });
});

Deno.test("a gateway that was upgraded greets the 3..3 node with 4, and the node comes back with 4..4", async () => {
  const memory = newConnectMemory();
  memory.legacy = true;
  await withGateway({
    onConnect: (side) => side.answer(side.connect.id, { type: "hello-ok", protocol: 4 }),
  }, async (gateway) => {
    const session = await openSession(options(gateway, { hello: node, deviceKey, memory }));
    assertEquals([session.protocol, memory.legacy, gateway.sides.length], [4, false, 2]);
    await ended(session);
  });
});

Deno.test("an operator does not try a second protocol", () =>
  withGateway({
    onConnect: (side) =>
      side.refuse(side.connect.id, {
        code: "INVALID_REQUEST",
        message: "protocol mismatch",
        details: { code: "PROTOCOL_MISMATCH", expectedProtocol: 9 },
      }, { code: 1002 }),
  }, async (gateway) => {
    assertEquals((await refused(openSession(options(gateway)))).code, "PROTOCOL_MISMATCH");
    assertEquals(gateway.sides.length, 1);
  }));

const MISMATCH = {
  code: "INVALID_REQUEST",
  message: "unauthorized: gateway token mismatch (provide gateway auth token)",
  details: {
    code: "AUTH_TOKEN_MISMATCH",
    authReason: "token_mismatch",
    canRetryWithDeviceToken: true,
    recommendedNextStep: "retry_with_device_token",
  },
};
const STALE = {
  code: "INVALID_REQUEST",
  message: "unauthorized: device token mismatch (rotate/reissue device token)",
  details: { code: "AUTH_DEVICE_TOKEN_MISMATCH" },
};
const stored = { token: new Secret("tok-stored"), scopes: ["operator.read"] };

Deno.test("a token from hello-ok is kept per gateway and role, and used when there is no shared one", () =>
  withStore((tokens) =>
    withGateway({
      onConnect: (side) =>
        side.hello({
          auth: {
            role: "operator",
            scopes: ["operator.read"],
            deviceToken: "tok-issued",
            issuedAtMs: 9,
          },
        }),
    }, async (gateway) => {
      await ended(await openSession(options(gateway, { deviceKey, tokens })));
      await ended(await openSession(options(gateway, { deviceKey, tokens, credentials: {} })));
      assertEquals(gateway.sides[1]?.connect.params.auth, { deviceToken: "tok-issued" });
      assert(await gateway.sides[1]?.proves());
      assertEquals((await tokens.load(gateway.url, "operator"))?.issuedAtMs, 9);
      assertEquals(await tokens.load(gateway.url, "node"), undefined);
      assertEquals(await tokens.load("ws://127.0.0.1:1", "operator"), undefined);
    })
  ));

Deno.test("one retry sends the stored token beside the refused shared one, and never again until a success", () =>
  withStore((tokens) =>
    withGateway({
      onConnect: (side) => side.refuse(side.connect.id, MISMATCH, { code: 1008 }),
    }, async (gateway) => {
      await tokens.save(gateway.url, "operator", stored);
      const memory = newConnectMemory();
      const attempt = () => refused(openSession(options(gateway, { deviceKey, tokens, memory })));
      assertEquals((await attempt()).code, "AUTH_TOKEN_MISMATCH");
      assertEquals(gateway.sides.map((s) => s.connect.params.auth), [{ token: "tok-shared" }, {
        token: "tok-shared",
        deviceToken: "tok-stored",
      }]);
      await attempt();
      assertEquals(gateway.sides.length, 3);
    })
  ));

Deno.test("the retry with the stored token succeeds and clears the memory", () =>
  withStore((tokens) =>
    withGateway({
      onConnect: (side) =>
        side.connect.params.auth.deviceToken
          ? side.hello()
          : side.refuse(side.connect.id, MISMATCH, { code: 1008 }),
    }, async (gateway) => {
      await tokens.save(gateway.url, "operator", stored);
      const memory = newConnectMemory();
      for (const count of [2, 4]) {
        await ended(await openSession(options(gateway, { deviceKey, tokens, memory })));
        assertEquals(gateway.sides.length, count);
      }
    })
  ));

Deno.test("no retry when the gateway does not offer one, or the endpoint is neither loopback nor pinned", async () => {
  await withStore((tokens) =>
    withGateway({
      onConnect: (side) =>
        side.refuse(side.connect.id, { ...MISMATCH, details: { code: "AUTH_TOKEN_MISMATCH" } }, {
          code: 1008,
        }),
    }, async (gateway) => {
      await tokens.save(gateway.url, "operator", stored);
      await refused(openSession(options(gateway, { deviceKey, tokens })));
      assertEquals(gateway.sides.length, 1);
    })
  );
  await withStore((tokens) =>
    withGateway({
      onConnect: (side) => side.refuse(side.connect.id, MISMATCH, { code: 1008 }),
    }, async (gateway) => {
      const url = `ws://gateway.example:${gateway.port}`;
      await tokens.save(url, "operator", stored);
      const lookup = () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
      const dial = { url, lookup, plaintext: { optIn: true } };
      await refused(openSession(options(gateway, { dial, deviceKey, tokens })));
      assertEquals(gateway.sides.length, 1);
    })
  );
});

Deno.test("a pinned TLS endpoint may get both tokens, and its pin is the store's key", () =>
  withStore(async (tokens) => {
    const tls = await makeCertificate({
      commonName: "x",
      sans: ["localhost"],
      notBeforeMs: Date.now() - 1e8,
      notAfterMs: Date.now() + 1e8,
    });
    await withGateway({
      listen: { tls },
      onConnect: (side) =>
        side.connect.params.auth.deviceToken
          ? side.hello()
          : side.refuse(side.connect.id, MISMATCH, { code: 1008 }),
    }, async (gateway) => {
      await tokens.save(tls.fingerprint, "operator", stored);
      const lookup = () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
      const dial = { url: `wss://gateway.example:${gateway.port}`, pin: tls.fingerprint, lookup };
      await ended(await openSession(options(gateway, { dial, deviceKey, tokens })));
      assertEquals(gateway.sides.length, 2);
    });
  }));

Deno.test("a stale stored token is deleted; a bootstrap token gets its turn at once", () =>
  withStore((tokens) =>
    withGateway({
      onConnect: (side: GatewaySide) =>
        side.connect.params.auth.bootstrapToken
          ? side.hello()
          : side.refuse(side.connect.id, STALE, { code: 1008 }),
    }, async (gateway) => {
      const nodeToken = { token: new Secret("tok-old"), scopes: [] };
      await tokens.save(gateway.url, "node", nodeToken);
      const error = await refused(
        openSession(options(gateway, { hello: node, deviceKey, tokens, credentials: {} })),
      );
      assertEquals(error.code, "AUTH_DEVICE_TOKEN_MISMATCH");
      assertEquals(await tokens.load(gateway.url, "node"), undefined);
      await tokens.save(gateway.url, "node", nodeToken);
      const credentials = { bootstrapToken: new Secret("boot") };
      await ended(
        await openSession(options(gateway, { hello: node, deviceKey, tokens, credentials })),
      );
      assertEquals(gateway.sides.at(-1)?.connect.params.auth, { bootstrapToken: "boot" });
    })
  ));

Deno.test("aborting while the handshake hangs rejects with the reason and closes the socket", () =>
  withGateway({ onConnect: () => {} }, async (gateway) => {
    for (const longLived of [false, true]) {
      const stop = new AbortController();
      const opening = openSession(
        options(gateway, { dial: { url: gateway.url, signal: stop.signal, longLived } }),
      );
      const reason = new Error("ctrl-c");
      setTimeout(() => stop.abort(reason), 60);
      assertEquals(await within(3_000, opening.catch((error) => error)), reason);
    }
  }));

for (const longLived of [true, false]) {
  Deno.test(`F10: a gateway that falls silent is left with 4000 and open calls fail (long-lived: ${longLived})`, () =>
    withGateway({
      onConnect: (side) => {
        side.hello({ policy: { tickIntervalMs: 1_000 } });
        // Half-open from here on: nothing is read, so not even a ping is answered.
        side.socket.pause?.();
      },
    }, async (gateway) => {
      const session = await openSession(
        options(gateway, { dial: { url: gateway.url, longLived } }),
      );
      const started = performance.now();
      const open = refused(session.request("silent", {}, { timeoutMs: Infinity }));
      assertEquals(await within(6_000, session.closed), { code: 4000, reason: "tick timeout" });
      const tookMs = performance.now() - started;
      assert(tookMs > 1_000 && tookMs < 3_500, `${tookMs} ms`);
      assertEquals((await open).code, "CONNECTION_LOST");
      for (const side of gateway.sides) side.socket.terminate();
    }));
}

Deno.test("F12: a silent but living gateway answers pings and keeps its session", () =>
  withGateway({
    onConnect: (side) => side.hello({ policy: { tickIntervalMs: 1_000 } }),
    onRequest: (side, frame) => side.answer(frame.id, "alive"),
  }, async (gateway) => {
    const session = await openSession(
      options(gateway, { dial: { url: gateway.url, longLived: true } }),
    );
    const first = await Promise.race([
      session.closed,
      new Promise((r) => setTimeout(() => r("open"), 3_200)),
    ]);
    assertEquals(first, "open");
    assertEquals(await session.request("x"), "alive");
    await ended(session);
  }));
