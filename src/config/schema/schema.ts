/**
 * Every configuration key this project knows, as one tree, and the typed configuration read from it. Keys of the
 * wider product stand in `foreign` lists: kept byte for byte, never judged. Source: config-and-credentials.md 2.
 */
import { bool, int, list, oneOf, record, str } from "../../lib/schema.ts";
import type { ConfigPath } from "../text/config_path.ts";
import { gatewaySection } from "./schema_gateway.ts";
import {
  type ConfigNode,
  filledStr,
  key,
  type KeyNode,
  keyOr,
  listOf,
  mapOf,
  type Output,
  readNode,
  type ReadReport,
  section,
} from "./schema_kit.ts";

const ENV_NAME = /^[A-Z][A-Z0-9_]{0,127}$/;
const texts = () => list(str());
const programs = { fileOnly: true } as const;
const client = { reload: "none" } as const;

const provider = section({
  source: key(oneOf("env", "file", "exec"), { summary: "Kind of provider", ...programs }),
  allowlist: key(list(str({ pattern: ENV_NAME }), { max: 256 }), {
    summary: "env: names that may be read; unset = all",
    ...programs,
  }),
  path: key(filledStr(), { summary: "file: absolute path", ...programs }),
  mode: key(oneOf("json", "singleValue"), {
    summary: "file: what is in it; default json",
    ...programs,
  }),
  maxBytes: keyOr(int({ min: 1, max: 20_971_520 }), 1_048_576, {
    summary: "file: largest size",
    ...programs,
  }),
  timeoutMs: keyOr(int({ min: 1, max: 120_000 }), 5_000, { summary: "Longest wait", ...programs }),
  command: key(filledStr(), { summary: "exec: absolute path of the program", ...programs }),
  args: keyOr(list(str({ max: 1024 }), { max: 128 }), [], {
    summary: "exec: its arguments",
    ...programs,
  }),
  env: keyOr(record(str(), { max: 128 }), {}, { summary: "exec: its environment", ...programs }),
  passEnv: keyOr(list(str({ pattern: ENV_NAME }), { max: 128 }), [], {
    summary: "exec: variables handed on",
    ...programs,
  }),
  trustedDirs: keyOr(list(filledStr(), { max: 64 }), [], {
    summary: "exec: folders the program must be in; empty = any",
    ...programs,
  }),
  allowSymlinkCommand: keyOr(bool(), false, {
    summary: "exec: the program may be a link",
    only: "v3",
    ...programs,
  }),
  allowInsecurePath: keyOr(bool(), false, {
    summary: "Skip the owner and mode checks",
    only: "v3",
    ...programs,
  }),
  jsonOnly: keyOr(bool(), true, { summary: "exec: output is the JSON answer", ...programs }),
  noOutputTimeoutMs: key(int({ min: 1, max: 120_000 }), {
    summary: "exec: longest silence",
    ...programs,
  }),
  maxOutputBytes: keyOr(int({ min: 1, max: 20_971_520 }), 1_048_576, {
    summary: "exec: largest output",
    ...programs,
  }),
}, ["pluginIntegration"]);

const secrets = section({
  providers: mapOf(provider),
  defaults: section({
    env: key(str(), { summary: "Alias used by env references without one" }),
    file: key(str(), { summary: "Alias used by file references without one" }),
    exec: key(str(), { summary: "Alias used by exec references without one" }),
  }, ["store"]),
  resolution: section({
    maxProviderConcurrency: keyOr(int({ min: 1, max: 16 }), 4, {
      summary: "Providers asked at the same time",
      only: "v3",
    }),
    maxRefsPerProvider: keyOr(int({ min: 1, max: 4096 }), 512, {
      summary: "References per provider",
      only: "v3",
    }),
    maxBatchBytes: keyOr(int({ min: 1, max: 5_242_880 }), 262_144, {
      summary: "Largest request to a provider",
      only: "v3",
    }),
  }),
}, ["egressProxy"]);

const exec = section({
  security: key(oneOf("deny", "allowlist", "full"), { summary: "What may run", ...client }),
  ask: key(oneOf("off", "on-miss", "always"), { summary: "When a person is asked", ...client }),
  node: key(str(), { summary: "Node of nodes run without --node", ...client }),
  strictInlineEval: key(bool(), { summary: "Refuse code in arguments", ...client }),
  safeBins: key(texts(), { summary: "Filters that read stdin only", fileOnly: true, ...client }),
  safeBinTrustedDirs: keyOr(texts(), [], {
    summary: "Folders of these filters",
    fileOnly: true,
    ...client,
  }),
  safeBinProfiles: mapOf(section({
    minPositional: key(int({ min: 0 }), { summary: "Fewest operands", ...programs, ...client }),
    maxPositional: key(int({ min: 0 }), { summary: "Most operands", ...programs, ...client }),
    allowedValueFlags: key(texts(), {
      summary: "Flags with a value let through",
      ...programs,
      ...client,
    }),
    deniedFlags: key(texts(), { summary: "Flags refused", ...programs, ...client }),
  })),
}, [
  ...["host", "mode", "pathPrepend", "commandHighlighting", "grantExpiryDays", "reviewer"],
  ...["backgroundMs", "approvalRunningNoticeMs", "timeoutSeconds", "timeoutSec", "cleanupMs"],
  ...["notifyOnExit", "notifyOnExitEmptySuccess", "applyPatch"],
]);

const nodeHost = section({
  browserProxy: section({
    enabled: keyOr(bool(), true, { summary: "Offer this host's browser", ...client }),
    allowProfiles: keyOr(texts(), [], {
      summary: "Browser profiles offered; empty = all",
      ...client,
    }),
  }),
  env: section({
    pass: keyOr(list(str({ pattern: /^[A-Za-z_][A-Za-z0-9_]*$/ })), [], {
      summary: "Variables of the block list that commands get all the same",
      only: "ours",
      fileOnly: true,
      ...client,
    }),
  }),
  maxConcurrentRuns: keyOr(int({ min: 1, max: 256 }), 16, {
    summary: "Commands that run at the same time",
    only: "ours",
    ...client,
  }),
}, ["autoUpdate", "agentRuns", "workerRuns", "mcp", "skills"]);

const ANY_AGENT_KEYS = [
  ...["name", "default", "description", "workspace", "agentDir", "model", "models", "skills"],
  ...["identity", "groupChat", "subagents", "sandbox", "heartbeat", "runtime", "params"],
];

/** Root keys of the wider product. */
const FOREIGN = [
  ...["$schema", "meta", "env", "wizard", "diagnostics", "logging", "update", "telemetry", "ui"],
  ...["auth", "accessGroups", "acp", "models", "worktreeRoot", "worktreeAcceleration", "security"],
  ...[
    "bindings",
    "broadcast",
    "attachments",
    "messages",
    "tts",
    "commands",
    "approvals",
    "session",
  ],
  ...[
    "cron",
    "transcripts",
    "hooks",
    "channels",
    "talk",
    "cloudWorkers",
    "desktop",
    "memory",
    "mcp",
  ],
  ...["skills", "plugins", "surfaces", "proxy", "cli", "crestodian", "audio", "media", "web"],
  ...["commitments", "canvasHost"],
];

/** The whole file. */
export const configSchema = section({
  gateway: gatewaySection,
  nodeHost,
  browser: section({
    enabled: keyOr(bool(), true, { summary: "Use browsers at all", ...client }),
  }),
  tools: section({ exec }),
  agents: section({
    list: listOf(section({
      id: key(str(), { summary: "Name of the agent", ...client }),
      tools: section({ exec }),
    }, ANY_AGENT_KEYS)),
  }, ["defaults"]),
  discovery: section({
    mdns: section({
      mode: keyOr(oneOf("off", "minimal", "full"), "minimal", {
        summary: "What is announced on the local network",
        reload: "listen",
      }),
    }),
    wideArea: section({
      enabled: key(bool(), { summary: "Use wide-area DNS-SD", only: "v3", reload: "listen" }),
      domain: key(str(), { summary: "Domain of wide-area DNS-SD", reload: "listen" }),
    }),
  }),
  secrets,
}, FOREIGN);

/** Objects that hold keys of ours beside free ones of the wider product: unknown keys there are not ours to judge. */
const OPEN_SECTIONS = /^(?:browser|tools|agents|agents\.list\.\d+(?:\.tools)?)$/;

/** The typed configuration: defaults filled in, `undefined` where a key is unset and has none. */
export type Config = Output<typeof configSchema>;
/** One provider of `secrets.providers`. */
export type SecretProvider = Config["secrets"]["providers"][string];

/** Reads a parsed file. Issues are errors; unknown keys are left to the caller (decision 28). */
export function readConfig(value: unknown, report: ReadReport = { issues: [], unknown: [] }): {
  readonly config: Config;
  readonly report: ReadReport;
} {
  const config = readNode(configSchema, value, "", report);
  const unknown = report.unknown.filter((item) => !OPEN_SECTIONS.test(item.path));
  return { config, report: { issues: report.issues, unknown } };
}

/** The node a path leads to; `undefined` for unknown and foreign paths. */
export function schemaAt(path: ConfigPath): ConfigNode | undefined {
  let node: ConfigNode | undefined = configSchema;
  for (const step of path) {
    if (node?.kind === "section") {
      node = Object.hasOwn(node.members, step) ? node.members[step] : undefined;
    } else if (node?.kind === "map") node = node.item;
    else if (node?.kind === "list") node = typeof step === "number" ? node.item : undefined;
    else return undefined;
  }
  return node;
}

/** The key a path lies in or under (`gateway.trustedProxies[0]` → `gateway.trustedProxies`). */
export function keyAt(path: ConfigPath): KeyNode<unknown> | undefined {
  for (let length = path.length; length > 0; length--) {
    const node = schemaAt(path.slice(0, length));
    if (node) return node.kind === "key" ? node : undefined;
  }
  return undefined;
}
