/** One `openclaw.json` shared with the real releases: they judge it as we say they do, and read what we edit. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { parseConfigPath } from "../../src/config/text/config_path.ts";
import { editConfig, setConfigValue } from "../../src/config/file/edit.ts";
import { loadConfig } from "../../src/config/file/load.ts";
import { statePaths } from "../../src/config/paths.ts";
import { referenceRefusals } from "../../src/config/file/show.ts";
import { Home } from "../support/reference.ts";
import { Matrix } from "./matrix.ts";

/** Every key some release refuses, beside keys all of them know. */
const ALL_KEYS = {
  gateway: {
    port: 18789,
    handshakeTimeoutMs: 5,
    reload: { debounceMs: 100, mode: "hot" },
    tailscale: { mode: "off", resetOnExit: true },
    nodes: {
      allowCommands: ["x"],
      denyCommands: [],
      commands: { allow: [], deny: [] },
      pairing: { autoApproveLocal: true, sshVerify: false },
    },
    remote: { remotePort: 1, sshHostKeyPolicy: "strict" },
    controlUi: { dangerouslyDisableDeviceAuth: false, basePath: "" },
    trustedProxies: [],
  },
  nodeHost: { maxConcurrentRuns: 3, env: { pass: [] } },
  discovery: { wideArea: { enabled: true, domain: "x." } },
  secrets: {
    resolution: { maxProviderConcurrency: 4 },
    providers: {
      p: { source: "file", path: "/x", allowInsecurePath: true },
      e: { source: "exec", command: "/x", allowSymlinkCommand: true },
    },
  },
  tools: { exec: { security: "deny", ask: "off", safeBinProfiles: { x: { minPositional: 1 } } } },
  browser: { enabled: true },
};

const COMMENTED = `// edited by hand
{
  gateway: {
    port: 18789, // the default
    auth: { mode: 'token', token: "abc" },
  },
}
`;

/** Dotted paths of an issue: the reference names the parent and lists keys in the message. */
function pathsOf(issue: { path: string; message: string }): string[] {
  const keys = /^Unrecognized keys?: (.*)$/.exec(issue.message)?.[1];
  if (keys === undefined) return [issue.path];
  return keys.split(", ").map((key) => `${issue.path}.${JSON.parse(key)}`);
}

/** Of two paths one of which lies in the other, the outer one: a whole unknown object is named once. */
function outermost(paths: readonly string[], roots: readonly string[]): string[] {
  const found = paths.map((path) => roots.find((root) => path.startsWith(`${root}.`)) ?? path);
  return [...new Set(found)].sort();
}

for (const kind of ["v3", "v4"] as const) {
  Deno.test({
    name: `configuration shared with ${kind}`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (t) => {
      const matrix = new Matrix("shared openclaw.json", kind);
      const home = await Home.make(kind);
      const paths = statePaths(home.env);
      const file = join(home.stateDir, "openclaw.json");
      const write = (text: string) => Deno.writeTextFile(file, text);
      try {
        await matrix.scenario(t, "config validate refuses what --reference lists", async () => {
          await write(JSON.stringify(ALL_KEYS));
          const { stdout } = await home.run(["config", "validate", "--json"]);
          const { issues } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as {
            issues: { path: string; message: string }[];
          };
          const theirs = issues.flatMap(pathsOf);
          const release = kind === "v3" ? /2026\.4\.29|every release/ : /2026\.9\.6|every release/;
          const ours = referenceRefusals(await loadConfig(paths, home.env))
            .filter((issue) => release.test(issue.message)).map((issue) => issue.path);
          assertEquals(outermost(ours, theirs), [...theirs].sort());
        });
        await matrix.scenario(t, "config get reads what we edited in place", async () => {
          await write(COMMENTED);
          const place = { paths, env: home.env };
          await setConfigValue(place, "gateway.port", 19001);
          await setConfigValue(place, "gateway.bind", "lan");
          await editConfig(place, [{ op: "unset", path: parseConfigPath("gateway.auth.token") }]);
          const get = async (path: string) =>
            (await home.run(["config", "get", path])).stdout.trim();
          assertEquals(await get("gateway.port"), "19001");
          assertEquals(await get("gateway.bind"), "lan");
          assertEquals(JSON.parse(await get("gateway.auth")), { mode: "token" });
        });
        await matrix.scenario(t, "we read what config set wrote", async () => {
          const { code, stderr } = await home.run(["config", "set", "gateway.port", "19002"]);
          assertEquals(code, 0, stderr);
          const { config, issues } = await loadConfig(paths, home.env);
          assertEquals([config.gateway.port, config.gateway.bind, issues], [19002, "lan", []]);
        });
      } finally {
        await matrix.write();
        await home.remove();
      }
    },
  });
}
