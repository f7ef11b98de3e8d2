/** Token drift: every source of a refused credential is named, with the one command that repairs it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { refusedCredential, withRepair, withSent } from "../../src/client/refused_credential.ts";
import { isOpenclawError, OpenclawError } from "../../src/lib/errors.ts";

type Auth = Parameters<typeof withSent>[1];
type Facts = Parameters<typeof withRepair>[1];

const OPERATOR: Facts = { role: "operator", tokenSource: undefined, passwordSource: undefined };
const NODE: Facts = { ...OPERATOR, role: "node" };

const cases: [
  name: string,
  code: string,
  auth: Auth,
  facts: Facts,
  said: string,
  repair: string,
][] = [
  [
    "flag",
    "AUTH_TOKEN_MISMATCH",
    { token: "s" },
    { ...OPERATOR, tokenSource: "flag" },
    "the token from --token was refused",
    "repair it: --token <token> ",
  ],
  [
    "environment",
    "AUTH_TOKEN_MISMATCH",
    { token: "s" },
    { ...NODE, tokenSource: "env" },
    "the token from OPENCLAW_GATEWAY_TOKEN was refused",
    "repair it: export OPENCLAW_GATEWAY_TOKEN=<token> ",
  ],
  [
    "local configuration",
    "AUTH_TOKEN_MISMATCH",
    { token: "s" },
    { ...NODE, tokenSource: "auth" },
    "the token from gateway.auth.token was refused",
    "repair it: openclaw config set gateway.auth.token <token> ",
  ],
  [
    "remote password",
    "AUTH_PASSWORD_MISMATCH",
    { token: "t", password: "s" },
    {
      ...OPERATOR,
      tokenSource: "env",
      passwordSource: "remote",
    },
    "the password from gateway.remote.password was refused",
    "repair it: openclaw config set gateway.remote.password <password> ",
  ],
  [
    "device token of a person",
    "AUTH_DEVICE_TOKEN_MISMATCH",
    { deviceToken: "s" },
    OPERATOR,
    "the stored device token was refused and dropped",
    "repair it: openclaw connect --operator <line> ",
  ],
  [
    "device token of a node",
    "AUTH_DEVICE_TOKEN_MISMATCH",
    { deviceToken: "s" },
    NODE,
    "the stored device token was refused and dropped",
    "repair it: openclaw connect <line> ",
  ],
  [
    "device token beside a shared one",
    "AUTH_DEVICE_TOKEN_MISMATCH",
    { token: "t", deviceToken: "s" },
    { ...OPERATOR, tokenSource: "env" },
    "the token from OPENCLAW_GATEWAY_TOKEN was refused",
    "repair it: export OPENCLAW_GATEWAY_TOKEN=<token> ",
  ],
  [
    "join line",
    "AUTH_BOOTSTRAP_TOKEN_INVALID",
    { bootstrapToken: "s" },
    NODE,
    "the secret of the join line was refused: used up, expired, revoked, or made for a person",
    "repair it: openclaw connect <line> ",
  ],
  [
    "join line of a person",
    "AUTH_BOOTSTRAP_TOKEN_INVALID",
    { bootstrapToken: "s" },
    OPERATOR,
    "the secret of the join line was refused: used up, expired, revoked, or made for a node",
    "repair it: openclaw connect --operator <line> ",
  ],
  [
    "a node that was given nothing",
    "AUTH_TOKEN_MISSING",
    {},
    NODE,
    "no token is configured here: export OPENCLAW_GATEWAY_TOKEN=<token>",
    "or join with a line: openclaw connect <line> ",
  ],
  [
    "a node that was given nothing, where a password is wanted",
    "AUTH_PASSWORD_MISSING",
    {},
    NODE,
    "no password is configured here: export OPENCLAW_GATEWAY_PASSWORD=<password>",
    "or join with a line: openclaw connect <line> ",
  ],
  [
    "nothing left after a dropped token",
    "AUTH_TOKEN_MISSING",
    {},
    { ...NODE, droppedToken: true },
    "the stored device token was refused and dropped, and no shared secret is configured",
    "repair it: openclaw connect <line> ",
  ],
];

for (const [name, code, auth, facts, said, repair] of cases) {
  Deno.test(`token drift: ${name}`, () => {
    const refused = new OpenclawError(code, "unauthorized", { details: { code }, exitCode: 78 });
    const told = withRepair(withSent(refused, auth), facts) as OpenclawError;
    assertStringIncludes(told.hint ?? "", said);
    assertStringIncludes(told.hint ?? "", repair);
    assertEquals([told.code, told.message, told.exitCode], [code, "unauthorized", 78]);
  });
}

Deno.test("token drift: other errors stay as they are", () => {
  const lost = new OpenclawError("CONNECTION_LOST", "gone", { hint: "wait" });
  assertEquals(withSent(lost, { token: "s" }), lost);
  assertEquals(withRepair(lost, NODE), lost);
  const narrow = new OpenclawError("AUTH_SCOPE_MISMATCH", "asks for more than it has");
  assertEquals(withSent(narrow, { deviceToken: "s" }), narrow, "the token stays");
  const limited = new OpenclawError("AUTH_RATE_LIMITED", "later");
  assertEquals(isOpenclawError(limited) && refusedCredential(limited, NODE), undefined);
});
