/** A token that was typed is the one that is meant: no stored one steps in for it. Source: cli.md 1. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { tempState } from "../../config/temp_state.ts";
import { TOKEN, withGateway } from "../../support/gateway.ts";
import { cli } from "../support.ts";

Deno.test("health --token with a wrong one fails, also where a device token is stored", () =>
  withGateway(async ({ gateway }) => {
    const config = `{gateway: {port: ${gateway.port}, auth: {token: "${TOKEN}"}}}`;
    await using state = await tempState({}, config);
    const health = (args: string[] = [], more: Record<string, string> = {}) =>
      cli(["health", ...args], { env: { ...state.env as Record<string, string>, ...more } });
    const paired = await health();
    assertEquals(paired.code, 0, paired.stderr);
    const typed = await health(["--token", "wrong"]);
    assertEquals(typed.code, 1, typed.stdout);
    assertStringIncludes(typed.stderr, "token mismatch");
    assertStringIncludes(typed.stderr, "the token from --token was refused");
    // One that was left in the environment is not typed: the stored one may help out (config-and-credentials.md 5.6).
    const left = await health([], { OPENCLAW_GATEWAY_TOKEN: "old" });
    assertEquals(left.code, 0, left.stderr);
  }));
