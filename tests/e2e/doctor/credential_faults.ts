/** Faults of credentials, pairing and scopes, against real gateways. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Secret } from "../../../src/lib/secret.ts";
import { cli } from "../../cli/support.ts";
import { type TempState, tempState } from "../../config/temp_state.ts";
import { expectCode, type Fault, gatewayAt, remote, TOKEN, withClient } from "./report.ts";
import { proxy } from "./servers.ts";

type At = Awaited<ReturnType<typeof gatewayAt>>;
const FORWARDED = "X-Forwarded-For: 192.0.2.9";
const PASSWORD = "pw-synthetic-doctor-0123456789";

/** A gateway with this configuration, and what a client finds. */
function atGateway(
  title: string,
  code: string,
  use: (gateway: At, state: TempState) => Promise<unknown>,
  { config = "{}", flags = {} } = {},
): Fault {
  return {
    title,
    code,
    async inject() {
      await using state = await tempState({}, config);
      await using gateway = await gatewayAt(state, flags);
      await use(gateway, state);
    },
  };
}

/** A client whose configuration and environment are all that is wrong. */
function client(
  title: string,
  code: string,
  config: (gateway: At) => string,
  env: Record<string, string> = {},
): Fault {
  return atGateway(
    title,
    code,
    (gateway) =>
      withClient(config(gateway), (state) => expectCode(code, state.env), {
        OPENCLAW_GATEWAY_PORT: String(gateway.port),
        ...env,
      }),
  );
}

const asPassword = {
  config: '{"gateway":{"auth":{"mode":"password"}}}',
  flags: { token: undefined, auth: "password", password: new Secret(PASSWORD) },
};

/** Who holds the password is the owner on this machine, besides the proxy. */
const trustedProxy = (password?: string) => ({
  config: JSON.stringify({
    gateway: {
      trustedProxies: ["127.0.0.1"],
      auth: {
        mode: "trusted-proxy",
        password,
        trustedProxy: { userHeader: "x-user", allowLoopback: true },
      },
    },
  }),
  flags: { token: undefined },
});

/** Runs a command as the owner, on the gateway's machine. */
async function asOwner({ env }: TempState, gateway: At, args: readonly string[]) {
  const done = await cli(args, {
    env: {
      ...env as Record<string, string>,
      OPENCLAW_GATEWAY_PORT: String(gateway.port),
      OPENCLAW_GATEWAY_PASSWORD: PASSWORD,
    },
  });
  assertEquals(done.code, 0, done.stderr);
  return done.stdout;
}

export const CREDENTIAL_FAULTS: readonly Fault[] = [
  client(
    "a wrong token",
    "AUTH_TOKEN_MISMATCH",
    ({ url }) => remote(url, { token: "wrong-secret" }),
  ),
  client("no token at all", "AUTH_TOKEN_MISSING", () => "{}"),
  client("a blank token", "AUTH_TOKEN_EMPTY", () => "{}", { OPENCLAW_GATEWAY_TOKEN: "  " }),
  client(
    "an environment that beats the configuration",
    "AUTH_WRONG_SOURCE",
    () => JSON.stringify({ gateway: { auth: { mode: "token", token: TOKEN } } }),
    { OPENCLAW_GATEWAY_TOKEN: "wrong-secret" },
  ),
  atGateway(
    "a token for a gateway that wants a password",
    "AUTH_PASSWORD_MISMATCH",
    ({ url }) => withClient(remote(url), ({ env }) => expectCode("AUTH_PASSWORD_MISMATCH", env)),
    asPassword,
  ),
  atGateway(
    "no password for a gateway that wants one",
    "AUTH_PASSWORD_MISSING",
    ({ port }) =>
      withClient("{}", ({ env }) => expectCode("AUTH_PASSWORD_MISSING", env), {
        OPENCLAW_GATEWAY_PORT: String(port),
      }),
    asPassword,
  ),
  atGateway(
    "a proxy nobody trusts",
    "PROXY_NOT_TRUSTED",
    async ({ port }) => {
      await using between = proxy(port, FORWARDED);
      await withClient(
        remote(`ws://127.0.0.1:${between.port}`),
        ({ env }) => expectCode("PROXY_NOT_TRUSTED", env),
      );
    },
  ),
  atGateway(
    "a device nobody has let in",
    "PAIRING_REQUIRED",
    async ({ port }) => {
      await using between = proxy(port, FORWARDED);
      await withClient(remote(`ws://127.0.0.1:${between.port}`), async ({ env }) => {
        const { finding } = await expectCode("PAIRING_REQUIRED", env);
        assertMatch(finding?.command ?? "", /^openclaw devices approve [0-9a-f-]{36} /);
      });
    },
    { config: '{"gateway":{"trustedProxies":["127.0.0.1"]}}' },
  ),
  atGateway(
    "too many guesses",
    "AUTH_RATE_LIMITED",
    async ({ port }) => {
      await using between = proxy(port, FORWARDED);
      const config = remote(`ws://127.0.0.1:${between.port}`, { token: "wrong-secret" });
      await withClient(config, async ({ env }) => {
        for (let n = 0; n < 2; n++) await expectCode("AUTH_TOKEN_MISMATCH", env);
        await expectCode("AUTH_RATE_LIMITED", env);
      });
    },
    {
      config: JSON.stringify({
        gateway: { trustedProxies: ["127.0.0.1"], auth: { rateLimit: { maxAttempts: 2 } } },
      }),
    },
  ),
  atGateway(
    "N07: a way past the proxy that names the user",
    "AUTH_IDENTITY_HEADER_REQUIRED",
    ({ url }) =>
      withClient(remote(url), ({ env }) => expectCode("AUTH_IDENTITY_HEADER_REQUIRED", env)),
    trustedProxy(),
  ),
  atGateway(
    "N08: a proxy that grants less than nodes need",
    "MISSING_SCOPE",
    async (gateway, state) => {
      await using between = proxy(
        gateway.port,
        `${FORWARDED}\r\nx-user: ann\r\nx-openclaw-scopes: operator.pairing`,
      );
      await withClient(remote(`ws://127.0.0.1:${between.port}`), async ({ env }) => {
        const { finding } = await expectCode("PAIRING_REQUIRED", env);
        const id = /[0-9a-f-]{36}/.exec(finding?.command ?? "")?.[0] ?? "";
        assert(id);
        await asOwner(state, gateway, ["devices", "approve", id]);
        await expectCode("MISSING_SCOPE", env);
      });
    },
    trustedProxy(PASSWORD),
  ),
];
