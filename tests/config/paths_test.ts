/** Places on disk and the typed environment: every row of the variable table. */
import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { parsePortText, readEnv } from "../../src/config/env.ts";
import { checkProfile, statePaths } from "../../src/config/paths.ts";
import { OpenclawError } from "../../src/lib/errors.ts";

const HOME = "/home/ada";

Deno.test("statePaths() follows home, state dir, profile and config path in their order", () => {
  const rows: [string, Record<string, string>, string | undefined, string, string][] = [
    ["default", {}, undefined, "/home/ada/.openclaw", "/home/ada/.openclaw/openclaw.json"],
    [
      "OPENCLAW_HOME",
      { OPENCLAW_HOME: "/srv/x" },
      undefined,
      "/srv/x/.openclaw",
      "/srv/x/.openclaw/openclaw.json",
    ],
    [
      "OPENCLAW_HOME with ~",
      { OPENCLAW_HOME: "~/h" },
      undefined,
      "/home/ada/h/.openclaw",
      "/home/ada/h/.openclaw/openclaw.json",
    ],
    [
      "OPENCLAW_STATE_DIR",
      { OPENCLAW_STATE_DIR: "~/s" },
      undefined,
      "/home/ada/s",
      "/home/ada/s/openclaw.json",
    ],
    [
      "state dir and OPENCLAW_HOME",
      { OPENCLAW_STATE_DIR: "~/s", OPENCLAW_HOME: "/srv/x" },
      undefined,
      "/srv/x/s",
      "/srv/x/s/openclaw.json",
    ],
    [
      "OPENCLAW_PROFILE",
      { OPENCLAW_PROFILE: "Work" },
      undefined,
      "/home/ada/.openclaw-work",
      "/home/ada/.openclaw-work/openclaw.json",
    ],
    [
      "--profile wins over the variable",
      { OPENCLAW_PROFILE: "a" },
      "b",
      "/home/ada/.openclaw-b",
      "/home/ada/.openclaw-b/openclaw.json",
    ],
    [
      "profile default",
      { OPENCLAW_PROFILE: "default" },
      undefined,
      "/home/ada/.openclaw",
      "/home/ada/.openclaw/openclaw.json",
    ],
    [
      "state dir wins over profile",
      { OPENCLAW_STATE_DIR: "/s", OPENCLAW_PROFILE: "a" },
      undefined,
      "/s",
      "/s/openclaw.json",
    ],
    [
      "OPENCLAW_CONFIG_PATH",
      { OPENCLAW_CONFIG_PATH: "~/c.json5" },
      undefined,
      "/home/ada/.openclaw",
      "/home/ada/c.json5",
    ],
    [
      "blank counts as unset",
      { OPENCLAW_STATE_DIR: " ", OPENCLAW_CONFIG_PATH: "" },
      undefined,
      "/home/ada/.openclaw",
      "/home/ada/.openclaw/openclaw.json",
    ],
  ];
  if (Deno.build.os === "windows") return;
  for (const [name, env, profile, stateDir, configFile] of rows) {
    const paths = statePaths({ HOME, ...env }, { profile });
    assertEquals([paths.stateDir, paths.configFile], [stateDir, configFile], name);
    assertEquals(paths.configBackupFile, `${configFile}.bak`);
    assertEquals(paths.tlsCertFile, join(stateDir, "gateway/tls/gateway-cert.pem"));
    assertEquals(paths.deviceKeyFile, join(stateDir, "identity/device.json"));
  }
});

Deno.test("checkProfile() refuses names that would leave their folder", () => {
  for (const name of ["../x", "a/b", "-a", "_a", ".", "a b", "x".repeat(65), "ä"]) {
    const error = assertThrows(() => checkProfile(name), OpenclawError);
    assertEquals([error.code, error.exitCode], ["PROFILE_INVALID", 2], name);
  }
  assertEquals(checkProfile("x".repeat(64)), "x".repeat(64));
});

Deno.test("parsePortText() accepts three shapes and ignores the rest", () => {
  const rows: [string, number | undefined][] = [
    ["18789", 18789],
    ["host:18789", 18789],
    ["127.0.0.1:1", 1],
    ["[::1]:65535", 65535],
    ["0", undefined],
    ["65536", undefined],
    ["::1:18789", undefined],
    ["18789x", undefined],
    ["-1", undefined],
    ["1e4", undefined],
    ["", undefined],
  ];
  for (const [text, port] of rows) assertEquals(parsePortText(text), port, text);
});

Deno.test("readEnv() types the variables; blank and unknown values count as unset", () => {
  const settings = readEnv({
    HOME,
    OPENCLAW_GATEWAY_PORT: "h:1234",
    OPENCLAW_GATEWAY_URL: " wss://g:1 ",
    OPENCLAW_GATEWAY_TOKEN: "  ",
    OPENCLAW_GATEWAY_PASSWORD: " pw ",
    OPENCLAW_ALLOW_INSECURE_PRIVATE_WS: "true",
    OPENCLAW_HANDSHAKE_TIMEOUT_MS: "2500",
    OPENCLAW_SERVICE_KIND: "other",
    OPENCLAW_DISABLE_BONJOUR: "1",
  });
  assertEquals(settings.gatewayPort, 1234);
  assertEquals(settings.gatewayUrl, "wss://g:1");
  assertEquals(settings.gatewayToken, undefined);
  assertEquals(settings.gatewayPassword?.reveal(), "pw");
  assertEquals(settings.allowInsecurePrivateWs, false, "only 1 breaks the glass");
  assertEquals(settings.handshakeTimeoutMs, 2500);
  assertEquals(settings.serviceKind, undefined);
  assertEquals(settings.disableBonjour, true);
  assertEquals(readEnv({ OPENCLAW_ALLOW_INSECURE_PRIVATE_WS: "1" }).allowInsecurePrivateWs, true);
  assertEquals(readEnv({ OPENCLAW_HANDSHAKE_TIMEOUT_MS: "-5" }).handshakeTimeoutMs, undefined);
});
