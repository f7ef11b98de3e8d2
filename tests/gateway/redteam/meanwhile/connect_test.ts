/** I12, I14: what let a connection in is gone before the connection is live. */
import { assertEquals } from "@std/assert";
import { Secret } from "../../../../src/lib/secret.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import type { AuthPolicy } from "../../../../src/gateway/auth/auth.ts";
import { Throttle } from "../../../../src/gateway/auth/throttle.ts";
import { stillHolds } from "../../../../src/gateway/handshake/second_look.ts";
import { judgePeer } from "../../../../src/gateway/peers/peer_facts.ts";
import { withGateway } from "../../../support/gateway.ts";
import { connectParams } from "../../../support/wire.ts";

const policy = (more: Partial<AuthPolicy> = {}): AuthPolicy => ({
  mode: "token",
  token: new Secret("tok-one"),
  allowTailscale: false,
  trustedProxies: [],
  allowRealIpFallback: false,
  ...more,
});

type Look = Parameters<typeof stillHolds>[0];

/** A connection that was let in by `tok-one`, or otherwise, and whether it may go live under `now`. */
const LOOKS: readonly (readonly [
  name: string,
  look: { method: Look["grant"]["method"]; role?: string; asked?: string[]; left?: string[] },
  now: AuthPolicy,
  holds: boolean,
])[] = [
  ["another token", { method: "token" }, policy({ token: new Secret("tok-two") }), false],
  ["the same token read anew", { method: "token" }, policy(), true],
  ["token became password", { method: "token" }, policy({ mode: "password" }), false],
  [
    "token became password with the same text: another way in",
    { method: "token" },
    policy({ mode: "password", password: new Secret("tok-one") }),
    false,
  ],
  ["none became token", { method: "none" }, policy(), false],
  [
    "a node's secret counts, too",
    { method: "token", role: "node" },
    policy({ token: undefined }),
    false,
  ],
  ["a device token does not care", { method: "device-token" }, policy({ token: undefined }), true],
  [
    "a device token that was narrowed",
    { method: "device-token", asked: ["operator.admin"], left: ["operator.read"] },
    policy(),
    false,
  ],
  [
    "a device token that still covers what was asked",
    { method: "device-token", asked: ["operator.read"], left: ["operator.write"] },
    policy(),
    true,
  ],
];

Deno.test("I14 variant: between admission and hello another secret is in force: each way in is judged by what holds then", async () => {
  for (const [name, { method, role = "operator", asked = [], left = [] }, now, holds] of LOOKS) {
    const gate = { auth: () => now, throttle: new Throttle(systemClock) };
    const look = {
      question: {
        auth: { token: "tok-one" },
        role,
        peer: judgePeer("127.0.0.1", {}, { trustedProxies: [], allowRealIpFallback: false }),
      },
      grant: {
        method,
        owner: false,
        scopes: asked,
        needsPairing: true,
        bootstrap: undefined,
        deviceTokenGeneration: undefined,
      },
      admitted: { kind: "admitted", tokenScopes: left },
      policy: policy(),
    } as const;
    assertEquals(await stillHolds(look, gate), holds, name);
  }
});

Deno.test("I14 variant: a way in that is closed while its check is under way lets nobody in", () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  const whois = () => {
    asked.resolve();
    return answer.promise;
  };
  const config = { gateway: { auth: { allowTailscale: true } } };
  return withGateway(async ({ open, state, gateway }) => {
    const wire = await open({
      headers: {
        "tailscale-user-login": "ada@example.com",
        "x-forwarded-for": "100.64.0.7",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "gw.tail.ts.net",
      },
    });
    await wire.challenge();
    const hello = wire.request("connect", connectParams());
    await asked.promise;
    const changed = Promise.withResolvers<void>();
    const end = gateway.onChange(() => {
      if (gateway.plan.auth.allowTailscale === false) changed.resolve();
    });
    await state.write(JSON.stringify({ gateway: { auth: { allowTailscale: false } } }));
    await changed.promise;
    end();
    answer.resolve("ada@example.com");
    const { ok, error } = await hello;
    assertEquals([ok, error?.details?.code], [false, "DEVICE_IDENTITY_REQUIRED"]);
  }, { config, whois });
});
