/**
 * Secrets of every shape: what the gateway reads from file or environment is what a command line sends from the same
 * text; and how the two kinds meet the two modes.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cli } from "../../cli/support.ts";
import { withGateway } from "../../support/gateway.ts";
import { connectParams } from "../../support/wire.ts";

const SHAPES: readonly (readonly [name: string, secret: string])[] = [
  ["plain", "tok-0123456789"],
  ["blanks around it", "  tok-0123456789 \t"],
  ["a line break at its end, as from a file", "tok-0123456789\n"],
  ["blanks inside", "tok 0123 456789"],
  ["letters of several alphabets and an emoji", "tök-Ключ-鍵-🦀-0123"],
  ["the same letter composed and decomposed is not the same", "to\u0301k-0123456789"],
  ["quotes, backslashes, dollars", `"tok'\\$(x)\`y\`-0123456789`],
  ["a no-break blank at its end", "tok-0123456789\u00a0"],
  ["4 KiB", "k".repeat(4096)],
  ["control characters inside", "tok\u0001\u001b[2J0123456789"],
];

for (const [name, secret] of SHAPES) {
  for (const kind of ["token", "password"] as const) {
    Deno.test(`a ${kind} with ${name} opens the gateway that has it`, () =>
      withGateway(async ({ gateway, state }) => {
        const health = (value: string) =>
          cli(["health", "--json"], {
            env: {
              ...state.env as Record<string, string>,
              OPENCLAW_GATEWAY_PORT: String(gateway.port),
              [`OPENCLAW_GATEWAY_${kind.toUpperCase()}`]: value,
            },
          });
        const right = await health(secret);
        assertEquals(right.code, 0, right.stderr);
        const wrong = await health(`x${secret.trim().slice(1)}`);
        // After a wrong token the device's own lets it in; a wrong password is just wrong.
        assertEquals(wrong.code, kind === "token" ? 0 : 1, wrong.stderr);
        assert(!(wrong.stdout + wrong.stderr).includes(secret.trim().slice(1)), "never shown");
      }, {
        flags: { token: undefined },
        config: { gateway: { auth: { mode: kind, [kind]: secret } } },
      }));
  }
}

const MODES: readonly (readonly [
  name: string,
  mode: "token" | "password",
  auth: Record<string, string> | undefined,
  expect: string,
])[] = [
  ["both right for mode token", "token", { token: "tok-1", password: "pw-1" }, "token"],
  ["both right for mode password", "password", { token: "tok-1", password: "pw-1" }, "password"],
  [
    "mode token: a wrong token beside a right password",
    "token",
    { token: "no", password: "pw-1" },
    "token_mismatch",
  ],
  ["mode password: a wrong password beside a right token", "password", {
    token: "tok-1",
    password: "no",
  }, "password_mismatch"],
  [
    "mode token: the other kind's secret is not the token",
    "token",
    { password: "pw-1" },
    "token_mismatch",
  ],
  [
    "mode password: the other kind's secret is not the password",
    "password",
    { token: "tok-1" },
    "password_mismatch",
  ],
  [
    "mode password: an empty password was not sent",
    "password",
    { password: "" },
    "password_missing",
  ],
  ["mode token: an empty token was not sent", "token", { token: "" }, "token_missing"],
  ["mode token: blanks are a guess", "token", { token: "   " }, "token_mismatch"],
  [
    "mode token: the right token with a blank behind it",
    "token",
    { token: "tok-1 " },
    "token_mismatch",
  ],
  ["mode token: the right token in capitals", "token", { token: "TOK-1" }, "token_mismatch"],
  ["mode token: the right token and a NUL", "token", { token: "tok-1\u0000" }, "token_mismatch"],
  ["mode token: the first half", "token", { token: "tok" }, "token_mismatch"],
];

Deno.test("a guess longer than any secret is refused as a parameter, before anything is compared", () =>
  withGateway(async ({ open }) => {
    const wire = await open();
    await wire.challenge();
    const params = connectParams({ auth: { token: "t".repeat(4097) } });
    const { error } = await wire.request("connect", params);
    assertStringIncludes(error?.message ?? "", "invalid connect params");
  }));

for (const [name, mode, auth, expected] of MODES) {
  Deno.test(`both secrets configured, ${name}`, () =>
    withGateway(async ({ open }) => {
      const wire = await open();
      await wire.challenge();
      const { ok, payload, error } = await wire.request("connect", connectParams({ auth }));
      const found = ok ? payload.auth.method : error?.details?.authReason ?? error?.details?.code;
      // An empty secret is no secret: without a device, a device is asked for.
      const reason = expected.endsWith("_missing") && found === "DEVICE_IDENTITY_REQUIRED"
        ? expected
        : found;
      assertEquals(reason, expected);
    }, {
      flags: { token: undefined },
      config: {
        gateway: { auth: { mode, token: "tok-1", password: "pw-1" } },
      },
    }));
}
