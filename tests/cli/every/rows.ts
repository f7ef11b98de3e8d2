/**
 * One row per command of the tree: a command line that works against a real gateway with a paired node, and one that
 * fails, both with `--json`. Words such as `{node}` are filled in from the scene (`every_command_test.ts`).
 */

/** How one command is tried. */
export interface Row {
  readonly path: string;
  /** Words behind the path for a run that succeeds; a text in place of them says where success is shown instead. */
  readonly works: readonly string[] | string;
  /** Words for a run that fails, with no gateway listening. */
  readonly fails: readonly string[];
  /** Exit code of that failure; default 1. */
  readonly code?: number;
  /** Runs in a process of its own: it starts others of this very program. */
  readonly own?: boolean;
  /** State directory of the successful run; default the gateway's. */
  readonly state?: "node" | "fresh";
  /** Several JSON documents, one per line. */
  readonly lines?: boolean;
}

const NODE = ["--node", "build-1"];
const SERVICES = "no service manager in tests: tests/e2e/stay_up/service_test.ts";

/** In this order: later rows use up what earlier ones left. */
export const ROWS: readonly Row[] = [
  {
    path: "quickstart",
    works: ["--once", "--", "true"],
    fails: ["--", "true"],
    code: 2,
    own: true,
  },
  {
    path: "gateway run",
    works: "stays: tests/e2e/gateway_run_test.ts",
    fails: ["--password-file", "{none}"],
    code: 78,
  },
  { path: "gateway call", works: ["health"], fails: ["health"] },
  { path: "gateway health", works: [], fails: [] },
  { path: "gateway status", works: [], fails: ["--timeout", "soon"] },
  { path: "gateway cert show", works: [], fails: [] },
  { path: "gateway fingerprint", works: [], fails: [] },
  { path: "gateway discover", works: ["--timeout", "100ms"], fails: ["--timeout", "soon"] },
  { path: "gateway probe", works: [], fails: ["--timeout", "soon"] },
  { path: "gateway install", works: ["--print"], fails: ["--print", "--wrapper", "{none}"] },
  { path: "gateway start", works: SERVICES, fails: [] },
  { path: "gateway stop", works: [], fails: ["--system=yes"], code: 2, state: "fresh" },
  { path: "gateway restart", works: SERVICES, fails: [] },
  { path: "gateway uninstall", works: [], fails: ["--system=yes"], code: 2 },
  {
    path: "node run",
    works: "stays: tests/e2e/main_job_test.ts",
    fails: ["--tls-fingerprint", "abc"],
  },
  { path: "node identity", works: [], fails: ["--profile", "../x"], code: 2, state: "node" },
  { path: "node status", works: [], fails: ["--profile", "../x"], code: 2, state: "node" },
  {
    path: "node install",
    works: ["--print"],
    fails: ["--print", "--tls-fingerprint", "abc"],
    state: "node",
  },
  { path: "node start", works: SERVICES, fails: [] },
  { path: "node stop", works: [], fails: ["--system=yes"], code: 2 },
  { path: "node restart", works: SERVICES, fails: [] },
  { path: "node uninstall", works: [], fails: ["--system=yes"], code: 2 },
  { path: "devices list", works: [], fails: [] },
  { path: "devices approve", works: ["{request-1}"], fails: ["{request-1}"] },
  { path: "devices reject", works: ["{request-2}"], fails: ["{request-2}"] },
  {
    path: "devices rename",
    works: ["--device", "{device-1}", "--name", "spare"],
    fails: ["--device", "x", "--name", "y"],
  },
  {
    path: "devices rotate",
    works: ["--device", "{device-1}", "--role", "node"],
    fails: ["--device", "x", "--role", "node"],
  },
  {
    path: "devices revoke",
    works: ["--device", "{device-1}", "--role", "node"],
    fails: ["--device", "x", "--role", "node"],
  },
  { path: "devices remove", works: ["{device-1}"], fails: ["x"] },
  { path: "devices join-code", works: ["--name", "later"], fails: [] },
  { path: "connect", works: "stays: tests/e2e/join/join_test.ts", fails: ["nonsense!"] },
  { path: "nodes run", works: [...NODE, "--", "true"], fails: [...NODE, "--", "true"], code: 255 },
  { path: "nodes status", works: [], fails: [] },
  { path: "nodes list", works: [], fails: [] },
  { path: "nodes describe", works: NODE, fails: NODE },
  { path: "nodes pending", works: [], fails: [] },
  { path: "nodes approve", works: ["{surface-3}"], fails: ["x"] },
  { path: "nodes reject", works: ["{surface-4}"], fails: ["x"] },
  {
    path: "nodes rename",
    works: ["--node", "{device-3}", "--name", "third"],
    fails: [...NODE, "--name", "x"],
  },
  { path: "nodes remove", works: ["--node", "{device-3}"], fails: NODE },
  {
    path: "nodes invoke",
    works: [...NODE, "--command", "system.which", "--params", '{"bins":["sh"]}'],
    fails: [...NODE, "--command", "system.which"],
  },
  { path: "approvals get", works: NODE, fails: NODE },
  {
    path: "approvals set",
    works: [...NODE, "--file", "{policy}"],
    fails: [...NODE, "--file", "{none}"],
  },
  {
    path: "approvals allowlist add",
    works: [...NODE, "/usr/bin/true"],
    fails: [...NODE, "/usr/bin/true"],
  },
  {
    path: "approvals allowlist remove",
    works: [...NODE, "/usr/bin/true"],
    fails: [...NODE, "/usr/bin/true"],
  },
  { path: "approvals explain", works: [...NODE, "--", "uname"], fails: [...NODE, "--", "uname"] },
  { path: "approvals test", works: ["--file", "{policy}"], fails: ["--file", "{none}"] },
  {
    path: "approvals grants add",
    works: [...NODE, "--runs", "1", "--", "/usr/bin/true"],
    fails: [...NODE, "--runs", "1", "--", "/usr/bin/true"],
  },
  { path: "approvals grants list", works: NODE, fails: NODE },
  { path: "approvals grants revoke", works: [...NODE, "{grant}"], fails: [...NODE, "x"] },
  { path: "approvals pending", works: [], fails: [] },
  { path: "approvals resolve", works: ["{approval}", "deny"], fails: ["x", "deny"] },
  { path: "config get", works: ["gateway.port"], fails: ["gateway.nothing"] },
  {
    path: "config set",
    works: ["gateway.controlUi.basePath", "/board"],
    fails: ["gateway.port", "abc"],
  },
  { path: "config unset", works: ["gateway.controlUi.basePath"], fails: ["gateway.port"] },
  { path: "config file", works: [], fails: ["--profile", "../x"], code: 2 },
  { path: "config validate", works: [], fails: ["--profile", "../x"], code: 2 },
  { path: "config schema", works: ["gateway.port"], fails: ["gateway.nothing"] },
  { path: "health", works: [], fails: [] },
  { path: "status", works: [], fails: ["--timeout", "soon"] },
  { path: "logs", works: ["--limit", "3"], fails: [], lines: true },
  { path: "doctor", works: [], fails: ["--timeout", "soon"] },
  {
    path: "tunnel run",
    works: "stays: tests/e2e/remote/ssh_test.ts",
    fails: ["ssh://-oProxyCommand=x"],
    code: 2,
  },
  {
    path: "tunnel install",
    works: ["--print", "gw.example"],
    fails: ["--print", "ssh://-oProxyCommand=x"],
    code: 2,
  },
  {
    path: "tunnel status",
    works: "needs a tunnel: tests/e2e/remote/ssh_test.ts",
    fails: ["--profile", "../x"],
    code: 2,
  },
  { path: "tunnel start", works: SERVICES, fails: [] },
  { path: "tunnel stop", works: [], fails: ["--profile", "../x"], code: 2 },
  { path: "tunnel restart", works: SERVICES, fails: [] },
  { path: "tunnel uninstall", works: [], fails: ["--profile", "../x"], code: 2 },
  { path: "import", works: "needs a state directory: tests/e2e/import_test.ts", fails: ["{none}"] },
  { path: "completion", works: ["bash"], fails: ["tcsh"], code: 2 },
  { path: "devices clear", works: ["--yes", "--pending"], fails: [] },
  { path: "gateway cert renew", works: ["--now"], fails: [] },
];

/** What a gateway or a node refuses: the exit code, a piece of what is said, and the beginning of the next command. */
interface Refusal {
  readonly line: readonly string[];
  /** Default 1. */
  readonly code?: number;
  readonly said: string;
  readonly hint: string;
}

const words = (text: string) => text.split(" ");

/** Refusals of a gateway that runs. */
export const REFUSALS: readonly Refusal[] = [
  {
    line: words("devices approve x"),
    said: 'unknown requestId: "x"',
    hint: "openclaw devices list",
  },
  {
    line: words("devices reject x"),
    said: 'unknown requestId: "x"',
    hint: "openclaw devices list",
  },
  { line: words("devices remove x"), said: 'unknown deviceId: "x"', hint: "openclaw devices list" },
  {
    line: words("devices rotate --device x --role node"),
    said: "unknown deviceId",
    hint: "openclaw devices list",
  },
  {
    line: words("nodes approve x"),
    said: 'unknown requestId: "x"',
    hint: "openclaw nodes pending",
  },
  { line: words("nodes reject x"), said: 'unknown requestId: "x"', hint: "openclaw nodes pending" },
  {
    line: words("nodes describe --node x"),
    said: 'unknown node: "x"',
    hint: "openclaw nodes status",
  },
  {
    line: words("nodes rename --node x --name y"),
    said: 'unknown node: "x"',
    hint: "openclaw nodes status",
  },
  {
    line: words("nodes run --node x -- true"),
    code: 255,
    said: 'unknown node: "x"',
    hint: "openclaw nodes status",
  },
  {
    line: words("nodes invoke --node build-1 --command no.such"),
    said: "node command not allowed",
    hint: "openclaw ",
  },
  {
    line: words("nodes invoke --node build-1 --command system.run"),
    said: "reserved for shell execution",
    hint: "openclaw nodes run",
  },
  {
    line: words("approvals resolve x deny"),
    said: 'unknown or expired approval id: "x"',
    hint: "openclaw approvals pending",
  },
  {
    line: words("approvals get --node x"),
    said: 'unknown node: "x"',
    hint: "openclaw nodes status",
  },
  {
    line: words("gateway call nothing"),
    said: "unknown method: nothing",
    hint: "openclaw gateway call --help",
  },
  {
    line: words("gateway call node.describe"),
    said: "nodeId",
    hint: "openclaw gateway call --help",
  },
  { line: words("gateway run"), said: "already runs on it", hint: "openclaw gateway status" },
];
