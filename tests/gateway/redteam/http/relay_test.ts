/** N05, N44, I14: HTTP through relays, from pages, and across a change of the secret. */
import { assert, assertEquals } from "@std/assert";
import { judgePeer } from "../../../../src/gateway/peers/peer_facts.ts";
import { setConfigValue } from "../../../../src/config/file/edit.ts";
import { eventually } from "../../../e2e/program.ts";
import { RawPeer, within } from "../../../net/raw.ts";
import { TOKEN, withGateway } from "../../../support/gateway.ts";
import { Wire } from "../../../support/wire.ts";
import { statuses } from "./raw_http.ts";

/** What tunnels, content networks and proxies add without an `X-Forwarded-For`. */
const RELAYS: Readonly<Record<string, string>> = {
  "via": "1.1 squid",
  "cdn-loop": "cloudflare",
  "cf-connecting-ip": "127.0.0.1",
  "cf-connecting-ipv6": "::1",
  "cf-ray": "8a-FRA",
  "true-client-ip": "127.0.0.1",
  "x-client-ip": "127.0.0.1",
  "client-ip": "127.0.0.1",
  "x-cluster-client-ip": "127.0.0.1",
  "x-remote-ip": "127.0.0.1",
  "x-remote-addr": "127.0.0.1",
  "x-original-forwarded-for": "127.0.0.1",
  "x-original-host": "127.0.0.1",
  "x-originating-ip": "127.0.0.1",
  "x-envoy-external-address": "127.0.0.1",
  "x-azure-clientip": "127.0.0.1",
  "fastly-client-ip": "127.0.0.1",
  "fly-client-ip": "127.0.0.1",
  "x-forwarded-for": "127.0.0.1",
  "forwarded": "for=127.0.0.1",
};

Deno.test("N05 variant: whatever a relay on this machine adds, who comes through it is not local, and no proxy's client", async () => {
  const none = { trustedProxies: [], allowRealIpFallback: true };
  const own = { trustedProxies: ["127.0.0.1", "::1"], allowRealIpFallback: true };
  for (const [name, value] of Object.entries(RELAYS)) {
    for (const socket of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
      for (const policy of [none, own]) {
        const { local, attribution } = judgePeer(socket, { [name]: value }, policy);
        assertEquals([local, attribution], [false, "unattributable"], name);
      }
    }
  }
  // A proxy on the way out of another network names itself, too: who comes from there is remote and welcome.
  assertEquals(judgePeer("192.0.2.7", { via: "1.1 out" }, none).attribution, "direct-remote");
  await withGateway(async ({ http, url }) => {
    for (const [name, value] of Object.entries(RELAYS)) {
      const headers = { [name]: value };
      const told = await Wire.open(url, { headers }).then(() => "open", (e: Error) => e.message);
      assert(told.startsWith("HTTP 403"), `${name}: ${told}`);
      const metrics = await fetch(`${http}/metrics`, { headers });
      await metrics.body?.cancel();
      assertEquals(metrics.status, 403, name);
    }
  });
});

Deno.test("N05 variant: a relay in front learns that the gateway is up, and nothing else, also with the secret", () =>
  withGateway(async ({ http }) => {
    const headers = { "x-forwarded-for": "192.0.2.7", authorization: `Bearer ${TOKEN}` };
    const said: unknown[] = [];
    for (const path of ["/health", "/healthz", "/ready", "/readyz", "/startup", "/startupz"]) {
      const response = await fetch(http + path, { headers });
      said.push([path, response.status, await response.json()]);
    }
    const live = { ok: true, status: "live" };
    const started = { ok: true, status: "started" };
    assertEquals(said, [
      ["/health", 200, live],
      ["/healthz", 200, live],
      ["/ready", 200, { ready: true }],
      ["/readyz", 200, { ready: true }],
      ["/startup", 200, started],
      ["/startupz", 200, started],
    ]);
  }));

Deno.test("N44 variant: pictures of a page that ask for join codes lock the page, not the programs of this machine", () =>
  withGateway(async ({ http, owner }) => {
    const wire = await owner({ scopes: ["operator.admin"] });
    const { payload } = await wire.request("device.pair.setupCode", {
      publicUrl: http,
      joinUrl: true,
      bootstrapProfile: "node",
      includeQr: false,
    });
    const status = async (url: string, headers: Record<string, string> = {}) => {
      const response = await fetch(url, { headers });
      await response.body?.cancel();
      return response.status;
    };
    const page = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
    for (let n = 0; n < 10; n++) assertEquals(await status(`${http}/j/guess${n}`, page), 404);
    assertEquals(await status(payload.joinUrl, page), 429);
    assertEquals(await status(payload.joinUrl), 200);
  }));

Deno.test("I14 variant: a call whose body was still on its way when the token changed is refused", () =>
  withGateway(async ({ gateway, state, http }) => {
    const body = JSON.stringify({ tool: "health" });
    const peer = await RawPeer.open(gateway.port);
    try {
      await peer.write(
        `POST /tools/invoke HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\n` +
          `Content-Type: application/json\r\nExpect: 100-continue\r\nConnection: close\r\n` +
          `Content-Length: ${body.length}\r\n\r\n`,
      );
      assertEquals(statuses(await within(5_000, peer.head(), "100")), [100]);
      const token = "tok-rotated-0123456789abcdef0123";
      await setConfigValue({ paths: state.paths, env: state.env }, "gateway.auth.token", token);
      await eventually("the end of the old token", async () => {
        const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
        const answer = await fetch(`${http}/tools/invoke`, { method: "POST", headers, body });
        await answer.body?.cancel();
        return answer.status === 401;
      });
      await peer.write(body);
      const rest = await within(5_000, peer.rest(), "the answer");
      assertEquals(statuses(rest), [401]);
    } finally {
      peer.close();
    }
  }, {
    flags: { token: undefined },
    config: { gateway: { auth: { mode: "token", token: TOKEN } } },
  }));
