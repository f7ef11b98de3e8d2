/**
 * The command line as other programs know it: every command and flag that scripts written for OpenClaw may use is
 * understood, under its name. More may exist; nothing here may go.
 */
import { assert, assertEquals } from "@std/assert";
import { TREE } from "../../../src/cli/commands/mod.ts";
import { flagName } from "../../../src/cli/grammar/command.ts";
import { parseCommandLine } from "../../../src/cli/grammar/parse.ts";

/** Flags of every command that talks to a gateway. */
const RPC = "url token password timeout tls-fingerprint json";

const CONTRACT: Readonly<Record<string, string>> = {
  "node run": "host port tls tls-fingerprint node-id display-name no-tls context-path pair",
  "node install":
    "host port tls tls-fingerprint node-id display-name no-tls context-path runtime force json",
  "node status": "json",
  "node start": "json",
  "node stop": "json",
  "node restart": "json",
  "node uninstall": "json",
  "node identity": "json",
  "devices list": RPC,
  "devices approve": `latest yes ${RPC}`,
  "devices reject": RPC,
  "devices remove": RPC,
  "devices clear": `yes pending ${RPC}`,
  "devices rotate": `device role scope no-scopes ${RPC}`,
  "devices revoke": `device role ${RPC}`,
  "devices rename": `device name ${RPC}`,
  "nodes status": `connected last-connected ${RPC}`,
  "nodes list": `connected last-connected ${RPC}`,
  "nodes describe": `node ${RPC}`,
  "nodes pending": RPC,
  "nodes approve": RPC,
  "nodes reject": RPC,
  "nodes remove": `node ${RPC}`,
  "nodes rename": `node name ${RPC}`,
  "nodes invoke": `node command params invoke-timeout idempotency-key ${RPC}`,
  "nodes run":
    "node cwd env command-timeout invoke-timeout needs-screen-recording agent ask security raw " +
    RPC,
  "approvals get": `node gateway ${RPC}`,
  "approvals set": `node gateway file stdin ${RPC}`,
  "approvals allowlist add": `node gateway agent ${RPC}`,
  "approvals allowlist remove": `node gateway agent ${RPC}`,
  "approvals pending": RPC,
  "approvals resolve": RPC,
  "gateway run": "port bind auth token password password-file tailscale tailscale-reset-on-exit " +
    "allow-unconfigured force verbose ws-log compact tls json",
  "gateway status": `no-probe require-rpc deep ${RPC}`,
  "gateway health": RPC,
  "gateway probe": `ssh ssh-identity ssh-auto ${RPC}`,
  "gateway call": `params expect-final ${RPC}`,
  "gateway discover": "timeout json",
  "gateway install": "port token runtime wrapper force json",
  "gateway start": "json",
  "gateway stop": "json",
  "gateway restart": "json",
  "gateway uninstall": "json",
  "gateway fingerprint": "json",
  "config file": "json",
  "config get": "json reveal",
  "config set": "strict-json dry-run ref-source ref-provider ref-id batch-json batch-file json",
  "config unset": "json",
  "config validate": "json reference",
  "health": `verbose ${RPC}`,
  "status": `deep all ${RPC}`,
  "logs": `follow limit max-bytes interval plain no-color local-time ${RPC}`,
  "quickstart": "once json",
};

/** Names that are flags of every command. */
const GLOBAL = ["profile", "dev", "no-color", "version", "help"];

for (const [path, flags] of Object.entries(CONTRACT)) {
  Deno.test(`openclaw ${path} takes ${flags}`, () => {
    const command = TREE.at(path.split(" "));
    assert(command?.run, "there is no such command");
    const known = new Set([
      ...GLOBAL,
      ...(command.json === false ? [] : ["json"]),
      ...Object.entries(command.flags).flatMap(([key, flag]) => {
        const name = flagName(key, flag);
        return flag.kind === "bool" ? [name, `no-${name}`] : [name];
      }),
    ]);
    assertEquals(flags.split(" ").filter((flag) => !known.has(flag)), []);
  });
}

const SAME: readonly (readonly [line: string, path: string])[] = [
  ["gateway --port 1", "gateway run"],
  ["approvals --node build-1", "approvals get"],
  ["exec-approvals get --node build-1", "approvals get"],
  ["exec-approvals --gateway", "approvals get"],
  ["--profile work --no-color status", "status"],
  ["node run --no-tls", "node run"],
  ["devices approve abc --url ws://127.0.0.1:1 --token x", "devices approve"],
];
for (const [line, path] of SAME) {
  Deno.test(`openclaw ${line} is openclaw ${path}`, () => {
    const parsed = parseCommandLine(line.split(" "), TREE);
    assertEquals(parsed.kind === "run" ? parsed.command.path.join(" ") : parsed.kind, path);
  });
}
