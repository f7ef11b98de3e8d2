/**
 * config-and-credentials.md 1, the table of variables: one test for each row, and that nothing else is read. The
 * discovery variables' own effects are in `tests/e2e/remote/discovery_test.ts`.
 */
import { assert, assertEquals } from "@std/assert";
import { decideTarget } from "../../../src/config/credentials/target.ts";
import { type Env, readEnv } from "../../../src/config/env.ts";
import { loadServerPlan } from "../../../src/config/server/server_plan.ts";
import { serviceNames } from "../../../src/service/plan.ts";
import { cli } from "../../cli/support.ts";
import { type TempState, tempState } from "../temp_state.ts";

/** Variables of a row, and what shows their effect. */
type Row = readonly [names: readonly string[], shows: () => Promise<void>];

async function filesAre(env: Record<string, string>, file: string, words: string[] = []) {
  await using state = await tempState();
  const shown = await cli([...words, "config", "file"], { env: { HOME: state.home, ...env } });
  assertEquals(shown.stdout, `${file.replace("~", state.home)}\n`, shown.stderr);
}

async function port(text: string): Promise<[number, string]> {
  await using state = await tempState({ OPENCLAW_GATEWAY_PORT: text }, "{gateway: {port: 2222}}");
  const { port, portSource } = await plan(state);
  return [port, portSource];
}

async function plan(state: TempState) {
  const loaded = await state.load();
  return await loadServerPlan({ flags: {}, env: state.env, paths: state.paths, loaded });
}

async function target(env: Env) {
  await using state = await tempState(env);
  return await decideTarget({
    flags: {},
    env: state.env,
    loaded: await state.load(),
    paths: state.paths,
  });
}

const coloured = async (env: Record<string, string>, terminal: boolean) => {
  const { stderr } = await cli(["nothing"], { env: { HOME: "/nonexistent", ...env }, terminal });
  return stderr.includes("\x1b[");
};

const ROWS: Readonly<Record<string, Row>> = {
  "OPENCLAW_HOME replaces the user home for every ~": [["OPENCLAW_HOME"], async () => {
    await filesAre({ OPENCLAW_HOME: "/srv/x" }, "/srv/x/.openclaw/openclaw.json");
    await filesAre(
      { OPENCLAW_HOME: "/srv/x", OPENCLAW_STATE_DIR: "~/s" },
      "/srv/x/s/openclaw.json",
    );
  }],
  "OPENCLAW_STATE_DIR is the state dir; ~ expands": [["OPENCLAW_STATE_DIR"], async () => {
    await filesAre({ OPENCLAW_STATE_DIR: "~/s" }, "~/s/openclaw.json");
    await filesAre({ OPENCLAW_STATE_DIR: "/s", OPENCLAW_PROFILE: "a" }, "/s/openclaw.json");
  }],
  "OPENCLAW_PROFILE and --profile suffix state dir and service": [
    ["OPENCLAW_PROFILE"],
    async () => {
      await filesAre({ OPENCLAW_PROFILE: "Work" }, "~/.openclaw-work/openclaw.json");
      await filesAre({ OPENCLAW_PROFILE: "a" }, "~/.openclaw-b/openclaw.json", ["--profile", "b"]);
      await filesAre({ OPENCLAW_PROFILE: "default" }, "~/.openclaw/openclaw.json");
      assertEquals(serviceNames("gateway", "work").systemdUnit, "openclaw-gateway-work.service");
      assertEquals(serviceNames("node", undefined).systemdUnit, "openclaw-node.service");
    },
  ],
  "OPENCLAW_CONFIG_PATH is the config file": [["OPENCLAW_CONFIG_PATH"], async () => {
    await filesAre({ OPENCLAW_CONFIG_PATH: "~/c.json5" }, "~/c.json5");
    await filesAre({ OPENCLAW_CONFIG_PATH: "~/c.json5", OPENCLAW_PROFILE: "a" }, "~/c.json5");
  }],
  "OPENCLAW_GATEWAY_PORT wins over config; invalid is ignored": [
    ["OPENCLAW_GATEWAY_PORT"],
    async () => {
      for (const text of ["3333", "host:3333", "[::1]:3333", " 3333 "]) {
        assertEquals(await port(text), [3333, "env"], text);
      }
      for (const text of ["0", "65536", "x", "::1:3333", "3333x", "-1", "", "1e4"]) {
        assertEquals(await port(text), [2222, "config"], text);
      }
    },
  ],
  "OPENCLAW_GATEWAY_URL overrides the URL, source env": [
    ["OPENCLAW_GATEWAY_URL", "OPENCLAW_GATEWAY_TOKEN"],
    async () => {
      const found = await target({
        OPENCLAW_GATEWAY_URL: "wss://g.example:1",
        OPENCLAW_GATEWAY_TOKEN: "t",
      });
      assertEquals([found.url, found.source], ["wss://g.example:1", "env"]);
    },
  ],
  "OPENCLAW_GATEWAY_TOKEN, OPENCLAW_GATEWAY_PASSWORD: credentials; blank = unset; no other name": [
    ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"],
    async () => {
      const both = await target({ OPENCLAW_GATEWAY_TOKEN: "t", OPENCLAW_GATEWAY_PASSWORD: "p" });
      assertEquals([both.credentials.token?.reveal(), both.credentials.password?.reveal()], [
        "t",
        "p",
      ]);
      const blank = await target({
        OPENCLAW_GATEWAY_TOKEN: "  ",
        OPENCLAW_GATEWAY_PASSWORD: "",
        GATEWAY_TOKEN: "x",
        CLAWDBOT_GATEWAY_TOKEN: "x",
        MOLTBOT_GATEWAY_TOKEN: "x",
      });
      assertEquals([blank.credentials.token, blank.credentials.password], [undefined, undefined]);
    },
  ],
  "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS: only 1": [["OPENCLAW_ALLOW_INSECURE_PRIVATE_WS"], () => {
    const allowed = (value: string) =>
      readEnv({ OPENCLAW_ALLOW_INSECURE_PRIVATE_WS: value }).allowInsecurePrivateWs;
    assertEquals(["1", "true", "yes", "0", "", "2"].map(allowed), [
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
    return Promise.resolve();
  }],
  "OPENCLAW_HANDSHAKE_TIMEOUT_MS: default 15000, wins over config": [[
    "OPENCLAW_HANDSHAKE_TIMEOUT_MS",
  ], async () => {
    const rows = [["{}", "", 15_000], ["{}", "2500", 2_500], ["{}", "-1", 15_000], [
      "{}",
      "x",
      15_000,
    ]]
      .concat([["{gateway: {handshakeTimeoutMs: 700}}", "", 700], [
        "{gateway: {handshakeTimeoutMs: 700}}",
        "2500",
        2_500,
      ]]);
    for (const [config, value, limit] of rows) {
      await using state = await tempState(
        { OPENCLAW_HANDSHAKE_TIMEOUT_MS: `${value}` },
        `${config}`,
      );
      assertEquals((await plan(state)).handshakeTimeoutMs, limit, `${config} ${value}`);
    }
  }],
  "discovery variables": [
    [
      "OPENCLAW_DISABLE_BONJOUR",
      "OPENCLAW_SSH_PORT",
      "OPENCLAW_TAILNET_DNS",
      "OPENCLAW_CLI_PATH",
      "OPENCLAW_MDNS_HOSTNAME",
      "OPENCLAW_WIDE_AREA_DOMAIN",
    ],
    () => {
      const found = readEnv({
        OPENCLAW_DISABLE_BONJOUR: "1",
        OPENCLAW_SSH_PORT: "2222",
        OPENCLAW_TAILNET_DNS: " gw.ts.net ",
        OPENCLAW_CLI_PATH: "/bin/openclaw",
        OPENCLAW_MDNS_HOSTNAME: "gw",
        OPENCLAW_WIDE_AREA_DOMAIN: "wide.test",
      });
      assertEquals(
        [
          found.disableBonjour,
          found.sshPort,
          found.tailnetDns,
          found.cliPath,
          found.mdnsHostname,
          found.wideAreaDomain,
        ],
        [true, 2222, "gw.ts.net", "/bin/openclaw", "gw", "wide.test"],
      );
      return Promise.resolve();
    },
  ],
  "NO_COLOR, FORCE_COLOR: output": [[], async () => {
    assertEquals(await coloured({}, true), true);
    assertEquals(await coloured({}, false), false);
    assertEquals(await coloured({ NO_COLOR: "1" }, true), false);
    assertEquals(await coloured({ FORCE_COLOR: "1" }, false), true);
    assertEquals(await coloured({ FORCE_COLOR: "0" }, false), false);
    assertEquals(await coloured({ FORCE_COLOR: "1", NO_COLOR: "1" }, true), false);
  }],
};

for (const [name, [, shows]] of Object.entries(ROWS)) {
  Deno.test(`section 1 variable ${name}`, { ignore: Deno.build.os === "windows" }, shows);
}

/** Of ours, beyond the table: what services and development set. */
const OWN = ["OPENCLAW_SERVICE_KIND", "OPENCLAW_SSH_CONFIG", "OPENCLAW_DEBUG"];

Deno.test("section 1: exactly the variables of the table are read", () => {
  const read = new Set<string>();
  const env = new Proxy<Record<string, string>>({}, {
    get(_, name) {
      read.add(String(name));
      return undefined;
    },
  });
  readEnv(env);
  const rows = Object.values(ROWS).flatMap(([names]) => names);
  const ours = [...read].filter((name) => name.startsWith("OPENCLAW_"));
  assertEquals(ours.toSorted(), [...new Set([...rows, ...OWN])].toSorted());
  assert(
    [...read].every((name) => /^(?:OPENCLAW_|HOME$|USERPROFILE$)/.test(name)),
    [...read].join(),
  );
});
