/** N09: Tailscale Serve identities on a running gateway, against a stand-in `tailscale` (config-and-credentials.md 9). */
import { assertEquals, assertRejects } from "@std/assert";
import { createWhois } from "../../../src/config/server/tailscale_whois.ts";
import { startGateway } from "../../../src/gateway/server.ts";
import { deviceKeyOfSeed } from "../../../src/identity/device_key.ts";
import { type Change, connectParams, nodeParams, signed, Wire } from "../../support/wire.ts";
import { inside, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";
const SERVE = {
  "tailscale-user-login": "Ada@Example.com",
  "x-forwarded-for": "100.64.0.7",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "gw.tail.ts.net",
};

interface Scene {
  readonly url: string;
  /** Connects a fresh device behind these headers; gives the refusal's code, or `ok`. */
  knock(headers: Record<string, string>, params?: Change): Promise<string>;
}

/** A gateway that believes in Tailscale Serve; the stand-in names `login` as the owner of every address. */
async function withServe(login: string, use: (scene: Scene) => Promise<void>) {
  await using state = await tempState(
    {},
    '{gateway: {auth: {token: "tok-0123456789"}, bind: "loopback", tailscale: {mode: "serve"}}}',
  );
  const program = inside(state, "tailscale");
  await Deno.writeTextFile(program, `#!/bin/sh\necho '{"UserProfile":{"LoginName":"${login}"}}'\n`);
  await Deno.chmod(program, 0o700);
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    flags: { port: 0 },
    whois: createWhois({ env: { PATH: "/usr/bin:/bin" }, program }),
  });
  const wires: Wire[] = [];
  const knock = async (headers: Record<string, string>, params: Change = connectParams()) => {
    const wire = await Wire.open(gateway.url, { headers });
    wires.push(wire);
    const key = await deviceKeyOfSeed(new Uint8Array(32).fill(9));
    const answer = await wire.request("connect", await signed(key, await wire.challenge(), params));
    return answer.ok ? "ok" : String(answer.error?.details?.code ?? answer.error?.code);
  };
  try {
    await use({ url: gateway.url, knock });
  } finally {
    for (const wire of wires) wire.terminate();
    await gateway.stop({ drainMs: 0 });
  }
}

Deno.test(
  "a login that the daemon confirms stands for the secret; the device still needs pairing",
  { ignore: !posix },
  () =>
    withServe("ada@example.com", async ({ knock }) => {
      assertEquals(await knock(SERVE), "PAIRING_REQUIRED");
    }),
);

Deno.test(
  "N09: a login the daemon does not confirm counts for nothing",
  { ignore: !posix },
  () =>
    withServe("mallory@example.com", async ({ knock }) => {
      assertEquals(await knock(SERVE), "AUTH_TOKEN_MISSING");
    }),
);

Deno.test(
  "N09: a forged header without the rest of the proxy's is refused",
  { ignore: !posix },
  () =>
    withServe("ada@example.com", async ({ url, knock }) => {
      for (const name of ["x-forwarded-proto", "x-forwarded-host"] as const) {
        const { [name]: _left, ...rest } = SERVE;
        assertEquals(await knock(rest as Record<string, string>), "AUTH_TOKEN_MISSING", name);
      }
      const { "x-forwarded-for": _left, ...rest } = SERVE;
      await assertRejects(() => Wire.open(url, { headers: rest }), Error, "HTTP 403");
    }),
);

Deno.test(
  "N09: a node gets nothing from a login",
  { ignore: !posix },
  () =>
    withServe("ada@example.com", async ({ knock }) => {
      assertEquals(await knock(SERVE, nodeParams()), "AUTH_TOKEN_MISSING");
    }),
);

Deno.test(
  "an explicit secret beside the login is what counts",
  { ignore: !posix },
  () =>
    withServe("ada@example.com", async ({ knock }) => {
      assertEquals(
        await knock(SERVE, connectParams({ auth: { token: "wrong" } })),
        "AUTH_TOKEN_MISMATCH",
      );
    }),
);

Deno.test(
  "N09: a login opens no HTTP route",
  { ignore: !posix },
  () =>
    withServe("ada@example.com", async ({ url }) => {
      const response = await fetch(`${url.replace(/^ws/, "http")}/tools/invoke`, {
        method: "POST",
        headers: { ...SERVE, "content-type": "application/json" },
        body: '{"tool":"nodes"}',
      });
      await response.body?.cancel();
      assertEquals(response.status, 401);
    }),
);
