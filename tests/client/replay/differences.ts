/**
 * Where our client, command line and node host do otherwise than the recorded ones, and why: the one table of the replay
 * tests in this folder. A row that no longer happens fails, too.
 */
/** Place in a recording → reason. */
export type Rows = Readonly<Record<string, string>>;

/** A pattern over "recording: place" → reason, for what differs everywhere for one reason. */
export type Rules = readonly (readonly [RegExp, string])[];

const NEVER = "our client cannot be made to send this; what it makes of the answer is compared";
const LEGACY = "a node on protocol 3 names no device family, as the newer reference does (2.4)";

/** The session library against every recorded client. */
export const SESSION_RULES: Rules = [
  [
    /^v3-.* connect device\.signedAt$/,
    "decision 10: always the challenge's time, never the own clock",
  ],
  [/-hs-(stale|future)-signed-at: .* device\.signedAt$/, NEVER],
  [
    /-hs-(bad-public-key|device-id-mismatch|empty-nonce|omitted-nonce|wrong-nonce|wrong-signature): /,
    NEVER,
  ],
  [/-hs-(first-frame-not-\w+|missing-client|unknown-extra-param|protocol-too-(new|old)): /, NEVER],
  [/-hs-oversized-preauth-70KiB: /, NEVER],
  [/devtoken-v2-signature connect device\.signature$/, "signed in the newer layout only (3.2)"],
  [
    /wrong-token-plus-devicetoken connect auth$/,
    "the stored token goes beside a refused shared one on the second attempt only (node-host.md 3)",
  ],
  [
    /^v3-(scripted-node-lifecycle|shutdown-sigterm): node\S* connect (client\.deviceFamily|device\.signature)$/,
    LEGACY,
  ],
  [
    /^v4-legacy-v3-node-on-v4-gateway: v3-node connect protocol$/,
    "greeted with protocol 4 our node comes back with 4 (2.4)",
  ],
];

/** Connections that our client opens more than once. */
export const DIALS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "v4-legacy-v3-node-on-v4-gateway": { "v3-node": 2 },
};

/** How our client goes on after a refusal or a close (node-host.md 3.1; decisions 6, 11, 31). */
export const VERDICTS: Rows = {
  AUTH_BOOTSTRAP_TOKEN_INVALID: "fatal",
  AUTH_TOKEN_MISMATCH: "fatal",
  AUTH_TOKEN_MISSING: "fatal",
  // The reference stops here; a dropped token or an upgrade of the other side can help, so ours asks again slowly.
  AUTH_DEVICE_TOKEN_MISMATCH: "slow",
  AUTH_SCOPE_MISMATCH: "slow",
  DEVICE_IDENTITY_REQUIRED: "slow",
  PROTOCOL_MISMATCH: "slow",
  AUTH_RATE_LIMITED: "after",
  PAIRING_REQUIRED: "pairing",
  // The gateway starts: asked again at its pace.
  UNAVAILABLE: "soon",
  HTTP_REFUSED: "soon",
  CONNECTION_LOST: "backoff",
  SERVICE_RESTART: "backoff",
  CONTROL_UI_ORIGIN_NOT_ALLOWED: "backoff",
  DEVICE_AUTH_DEVICE_ID_MISMATCH: "backoff",
  DEVICE_AUTH_NONCE_MISMATCH: "backoff",
  DEVICE_AUTH_NONCE_REQUIRED: "backoff",
  DEVICE_AUTH_SIGNATURE_EXPIRED: "backoff",
  DEVICE_AUTH_SIGNATURE_INVALID: "backoff",
  INVALID_REQUEST: "backoff",
};

const ONE = "one connection per command line, where the recorded ones open one per call";
const OUTCOME = "an answered probe is a success, also when the answer is a missing scope";
const OWN_STATUS = "our status asks for what it shows: health and nodes";

/** Our command line against the recorded ones, everywhere. */
export const CLI_RULES: Rules = [
  [/: connections$/, ONE],
  [
    /: connect client$/,
    "one client id for all commands; both references let it call everything here",
  ],
  [/^v4-\S+: connect device$/, "our command line always proves its key, so that it can be paired"],
  [
    /^v3-(health-json|gateway-probe|status-deep|status-deep-with-node): connect device$/,
    "as above",
  ],
  [/-gateway-call-unknown: connect scopes$/, "scopes of the wider product are not asked for"],
  [/-gateway-probe: (exit code|message)$/, OUTCOME],
  [/-gateway-status: calls$/, "the answer to status is what tells a gateway from another server"],
  [/-status-deep(-with-node)?: (calls|health params)$/, OWN_STATUS],
  [
    /-approvals-get-(gateway|node): calls$/,
    "shows the policy file; the gateway's own configuration is `config get`",
  ],
];

/** Our command line against single recordings. */
export const CLI_ROWS: Readonly<Record<string, Rows>> = {
  "v3-devices-approve-cli-forbidden": { calls: "what is approved is shown first" },
  "v4-approvals-pending": { calls: "plugin and model approvals are parts of the wider product" },
  "v4-approvals-resolve": { calls: "the method that both versions have" },
  "v4-devices-approve": { calls: "asks for admin at once instead of being denied first" },
  "v4-gateway-probe": {
    calls: "asks for all four figures; the recorded one stops at the first refusals",
  },
  "v4-health-json": { calls: "asked once" },
  "v4-nodes-approve": {
    calls: "asks for admin at once, so the list that tells the scopes is not needed",
  },
};

/** Our node host against the recorded ones. */
export const NODE_RULES: Rules = [
  [/ connect (caps|commands)$/, "this node serves commands; it has no browser, models or desktop"],
  [/ connect (pathEnv|client\.instanceId)$/, "another machine"],
  [/^v3-\S+ \S+ connect client\.version$/, "decision 9: one version on the wire"],
  [/^v3-\S+ \S+ connect device\.signedAt$/, "decision 10: always the challenge's time"],
  [/ payload\.(path|hash)$/, "another file at another place"],
  [/ payload\.file\.socket(\.path)?$/, "this node has no approvals socket; a given one is kept"],
  [
    / system\.run\.error\.message$/,
    "begins the same, then says which rule refused and what would allow it",
  ],
  [/ system\.run\.prepare payload\.plan\.agentId$/, "the agent whose policy was applied is named"],
  [
    /^v4-\S+ \S+ system\.run\.prepare payload\.plan\.cwd$/,
    "no directory was asked for; it is bound when the plan runs",
  ],
  [/ payload\.plan\.policySnapshot$/, "the policy in force is read when the plan runs"],
  [
    / payload\.allowAlwaysCoverage\.patterns\.0$/,
    "decision 19: exact command and directory as one digest",
  ],
];
