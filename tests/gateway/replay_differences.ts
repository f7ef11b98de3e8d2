/** Where our answers differ from the recorded ones, and why. Read by `replay_test.ts`. */

/** Fields of successful answers that we leave out on purpose. */
const KNOWN_SHAPES: readonly (readonly [RegExp, string])[] = [
  [
    /eventLoop|processMemory|workerPools|shutdownBudget/,
    "process figures of the reference's runtime",
  ],
  [
    /canvasHostUrl|controlUi|pluginSurfaceUrls|updateAvailable|updateSchedule/,
    "parts of the wider product",
  ],
  [/recoveryMigrationAllowed|recoveryScope|controlUiBuildSource|buildId/, "optional and opaque"],
  [/^\/snapshot\/presence\/0|^\/snapshot\/health/, "the gateway's machine and plugins"],
  [
    /nodeVersion|cpuModel|\/disk|defaultAgentUtilityModel|hostDesktop/,
    "no Node, no agents, no desktop here",
  ],
  [/^\/counts\/(?!totalActive)/, "no queues, agents or cron jobs to count"],
  [/^\/(parsed|sourceConfig|resolved|runtimeConfig|config)\//, "another configuration"],
  [/^\/file\/|^\/resolvedDefaults$/, "another approvals file; the defaults are in `file`"],
  [/modelRuntime/, "no models here"],
  [/memoryPlugin/, "no memory plugin here"],
  [/heartbeat|\/agents|\/sessions|bindingsIncludeOwned|agentRosterIncludeOwned/, "no agents here"],
];

/** Whether a missing field is one of the known ones. */
export const isKnownShape = (path: string): boolean =>
  KNOWN_SHAPES.some(([pattern]) => pattern.test(path));

type Rows = Readonly<Record<string, string>>;

const NO_PAGE = "unknown paths are 404";
const SUPERSET = "decision 2.4 of the protocol page: one gateway serves protocols 3 and 4";
const OWNER = "decision 1: an owner keeps the scopes it asks for, with every client id";
const THROTTLE = "the throttle is always on, as in the newer reference";
const DETAILS_4 = "a version mismatch has the newer reference's details for everybody";
const NO_FILE = "there is no approvals file yet in the fresh state directory, so no hash is needed";
const NO_TOOLS = "this gateway has no tools of its own";
const EARLIER = "the older reference knew only protocol 3; ours serves the newer methods on both";

const httpOfBoth: Rows = {
  "GET /ready": "no event-loop figures",
  "GET /readyz": "no event-loop figures",
  "GET /readyz forwarded bearer": "no event-loop figures",
  "POST /tools/invoke bearer": NO_TOOLS,
  "GET /__openclaw__/canvas/ bearer": NO_PAGE,
};

const ELSEWHERE = "an approval that was opened outside the recording";
const SAYS_MORE = "the same code; the text also says which request waits";

/** `gateway` configuration that a recording needs; every one trusts the proxy it came through. */
export const CONFIGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  // Decision 2: only an explicit setting approves local nodes by themselves, as the reference did here.
  "v4-scripted-node-lifecycle": { nodes: { pairing: { autoApproveLocal: true } } },
};

/** Recording → answer → reason. */
export const DIFFERENCES: Readonly<Record<string, Rows>> = {
  "v3-auth-rate-limit-remote": {
    "try-11 connect": THROTTLE,
    "try-11 close": THROTTLE,
    "try-12 connect": THROTTLE,
    "try-12 close": THROTTLE,
    "right-token-while-locked connect": THROTTLE,
  },
  "v3-handshake": {
    "protocol-other-cli connect": SUPERSET,
    "protocol-other-cli close": SUPERSET,
    "protocol-too-new connect": DETAILS_4,
    "protocol-too-old connect": DETAILS_4,
  },
  "v4-handshake": {
    "protocol-other-cli connect": SUPERSET,
    "protocol-other-cli close": SUPERSET,
  },
  "v3-http-endpoints": {
    ...httpOfBoth,
    "GET /startup": EARLIER,
    "GET /startup forwarded": EARLIER,
    "GET /startupz": EARLIER,
    "GET /startupz forwarded": EARLIER,
    "GET /no-such-path": NO_PAGE,
    "GET /v1/models bearer": NO_PAGE,
    "GET /j/ABCDEF12": EARLIER,
  },
  "v4-http-endpoints": httpOfBoth,
  "v3-rpc-errors": {
    "c1 last-heartbeat": "no heartbeat ever ran",
    "c1 system.info": EARLIER,
    "c1 invalid": "one missing key is named, as in the newer reference",
    "c2 device.pair.rename": EARLIER,
    "c2 node.pair.request": "one store: nodes that are not paired cannot be named",
    "c2 approval.get": EARLIER,
    "c2 exec.approvals.set": NO_FILE,
    "c2 gateway.restart.preflight": EARLIER,
  },
  "v4-exec-approval-flow": {
    "reviewer exec.approval.list": ELSEWHERE,
    "reviewer approval.history": "no paging: the history is short",
  },
  "v3-exec-approval-flow": {
    "reviewer approval.get": EARLIER,
    "requester event exec.approval.resolved": ELSEWHERE,
  },
  "v4-scripted-node-lifecycle": {
    "node-1 node.event": SAYS_MORE,
    "node-1 node.pending.pull": SAYS_MORE,
    "node-1 node.pending.drain": SAYS_MORE,
    "operator node.invoke": SAYS_MORE,
  },
  "v3-gateway-probe": {
    "c5 status": OWNER,
    "c5 system-presence": OWNER,
    "c5 config.get": OWNER,
  },
  "v3-status-deep": { "c2 system-presence": OWNER },
  "v4-gateway-probe": { "c8 status": OWNER, "c8 system-presence": OWNER },
  "v4-status-deep": { "c4 system-presence": OWNER },
  "v4-rpc-errors": {
    "c1 last-heartbeat": "no heartbeat ever ran",
    "c2 exec.approvals.set": NO_FILE,
  },
};
