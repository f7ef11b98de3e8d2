/** The handshake machine, without a socket: each row is one conversation. */
import { assert, assertEquals } from "@std/assert";
import type { SecretVerdict } from "../../../src/gateway/auth/auth.ts";
import { stepHandshake, WAITING } from "../../../src/gateway/handshake/handshake.ts";
import type {
  CredentialVerdict,
  HandshakeEffect,
  HandshakeFacts,
  HandshakeInput,
  HandshakeState,
  ProofVerdict,
} from "../../../src/gateway/handshake/types.ts";
import type { Admission } from "../../../src/gateway/pairing/desk.ts";
import { judgePeer } from "../../../src/gateway/peers/peer_facts.ts";

const NOW = 1_795_243_868_044;
const NONCE = "611a920c-830c-4bb6-887b-2a02a95b127a";
const NO_PROXIES = { trustedProxies: [], allowRealIpFallback: false };
const LOCAL = judgePeer("127.0.0.1", { host: "127.0.0.1:18789" }, NO_PROXIES);
const REMOTE = judgePeer("192.0.2.77", { host: "gw:18789" }, NO_PROXIES);

const facts = (change: Partial<HandshakeFacts> = {}): HandshakeFacts => ({
  nonce: NONCE,
  nowMs: NOW,
  phase: "ready",
  peer: LOCAL,
  origins: { allowedOrigins: [], hostHeaderFallback: false },
  ...change,
});

const DEVICE = { id: "d1", publicKey: "k1", signature: "s1", signedAt: NOW, nonce: NONCE };
type Change = Record<string, unknown>;
const params = (change: Change = {}): Change => ({
  minProtocol: 4,
  maxProtocol: 4,
  client: { id: "cli", mode: "cli", version: "1", platform: "linux" },
  role: "operator",
  scopes: ["operator.read"],
  auth: { token: "t" },
  ...change,
});
const node = (change: Change = {}) =>
  params({
    role: "node",
    scopes: [],
    client: { id: "node-host", mode: "node", version: "1", platform: "linux" },
    device: DEVICE,
    ...change,
  });

const frame = (value: Change, method = "connect"): HandshakeInput => ({
  kind: "frame",
  read: { kind: "request", frame: { type: "req", id: "1", method, params: value } },
});

const OK_TOKEN: SecretVerdict = { ok: true, method: "token" };
const WRONG: SecretVerdict = { ok: false, reason: "token_mismatch", guessed: true };
const MISSING: SecretVerdict = { ok: false, reason: "token_missing", guessed: false };
const GOOD_PROOF: ProofVerdict = { idMatches: true, signatureValid: true };
const ADMITTED: Admission = { kind: "admitted", tokenScopes: [] };

interface Talk {
  readonly params: Change;
  readonly facts?: Partial<HandshakeFacts>;
  readonly secret?: SecretVerdict;
  readonly proof?: ProofVerdict;
  readonly credentials?: CredentialVerdict;
  readonly admission?: Admission;
}

/** Plays a conversation: each question of the machine is answered from `talk`. */
function play(talk: Talk): { state: HandshakeState; effects: HandshakeEffect[] } {
  const env = facts(talk.facts);
  const all: HandshakeEffect[] = [];
  let { state, effects } = stepHandshake(WAITING, frame(talk.params), env);
  for (let turn = 0; turn < 5; turn++) {
    all.push(...effects);
    const input = answer(effects.at(-1), talk);
    if (!input) break;
    ({ state, effects } = stepHandshake(state, input, env));
  }
  return { state, effects: all };
}

function answer(effect: HandshakeEffect | undefined, talk: Talk): HandshakeInput | undefined {
  switch (effect?.do) {
    case "check": {
      const proof = talk.params.device ? talk.proof ?? GOOD_PROOF : undefined;
      return { kind: "checked", secret: talk.secret ?? OK_TOKEN, proof };
    }
    case "check-credentials":
      return { kind: "credentials", verdict: talk.credentials ?? { kind: "refused" } };
    case "admit":
      return { kind: "admission", admission: talk.admission ?? ADMITTED };
    default:
      return undefined;
  }
}

/** `refused: <top code> <details.code or message>, <close code> <reason>` or `welcome: …`. */
function outcome(talk: Talk): string {
  const last = play(talk).effects.at(-1);
  if (last?.do === "refuse") {
    const detail = last.error?.details?.code ?? last.error?.message ?? "";
    return `${last.error?.code ?? "-"} ${detail} | ${last.code} ${last.reason}`;
  }
  if (last?.do === "welcome") {
    const { method, owner, scopes, needsPairing } = last.grant;
    return `welcome ${method}${owner ? " owner" : ""}${needsPairing ? " paired" : ""} [${scopes}]`;
  }
  return `waits for ${last?.do}`;
}

const ROWS: readonly [name: string, talk: Talk, wanted: string][] = [
  [
    "an owner without a device keeps its scopes",
    { params: params() },
    "welcome token owner [operator.read]",
  ],
  [
    "an owner with a device is paired",
    { params: params({ device: DEVICE }) },
    "welcome token owner paired [operator.read]",
  ],
  [
    "a helper of the command line on the gateway host skips pairing",
    {
      params: params({
        client: { id: "gateway-client", mode: "backend", version: "1", platform: "linux" },
        device: DEVICE,
      }),
    },
    "welcome token owner [operator.read]",
  ],
  [
    "I01: a remote shared token without a device gets no scopes",
    { params: params({ scopes: ["operator.admin"] }), facts: { peer: REMOTE } },
    "welcome token []",
  ],
  [
    "I01: an Origin header takes the owner's scopes away",
    {
      params: params({ scopes: ["operator.admin"] }),
      facts: {
        peer: judgePeer(
          "127.0.0.1",
          { origin: "http://localhost:1", host: "localhost:1" },
          NO_PROXIES,
        ),
      },
    },
    "welcome token []",
  ],
  [
    "I01: a proxy header takes the owner's scopes away",
    {
      params: params({ scopes: ["operator.admin"] }),
      facts: { peer: { ...LOCAL, local: false, attribution: "trusted-proxy" } },
    },
    "welcome token []",
  ],
  [
    "mode none makes nobody an owner",
    { params: params({ auth: undefined }), secret: { ok: true, method: "none" } },
    "welcome none []",
  ],
  [
    "a scope header of the proxy bounds a device-less browser (N08)",
    {
      params: params({
        client: { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" },
        scopes: ["operator.admin", "operator.read"],
      }),
      facts: {
        peer: {
          ...REMOTE,
          origin: "https://ui.example",
        },
        origins: { allowedOrigins: ["https://ui.example"], hostHeaderFallback: false },
      },
      secret: {
        ok: true,
        method: "trusted-proxy",
        proxyScopes: ["operator.read"],
        proxyVouches: true,
      },
    },
    "welcome trusted-proxy [operator.read]",
  ],
  [
    "N08: a scope header that nobody declared as the proxy's gives nothing",
    {
      params: params({
        client: { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" },
        scopes: ["operator.admin"],
      }),
      facts: {
        peer: { ...REMOTE, origin: "https://ui.example" },
        origins: { allowedOrigins: ["https://ui.example"], hostHeaderFallback: false },
      },
      secret: { ok: true, method: "trusted-proxy", proxyScopes: ["operator.admin"] },
    },
    "welcome trusted-proxy []",
  ],
  [
    "N08: without a scope header a device-less proxy session has no scopes",
    {
      params: params({
        client: { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" },
        scopes: ["operator.admin"],
      }),
      facts: {
        peer: { ...REMOTE, origin: "https://ui.example" },
        origins: { allowedOrigins: ["https://ui.example"], hostHeaderFallback: false },
      },
      secret: { ok: true, method: "trusted-proxy" },
    },
    "welcome trusted-proxy []",
  ],
  [
    "I02: trusted-proxy identity does not replace the device of a command line",
    {
      params: params(),
      facts: { peer: REMOTE },
      secret: { ok: true, method: "trusted-proxy", proxyScopes: ["operator.admin"] },
    },
    "NOT_PAIRED DEVICE_IDENTITY_REQUIRED | 1008 device identity required",
  ],
  [
    "I02: a wrong token without a device is an auth failure",
    { params: params(), secret: WRONG },
    "INVALID_REQUEST AUTH_TOKEN_MISMATCH | 1008 unauthorized: gateway token mismatch (use this gateway's gateway.auth.token or pair the device)",
  ],
  [
    "I02: nothing sent and no device asks for the device",
    { params: params({ auth: undefined }), secret: MISSING },
    "NOT_PAIRED DEVICE_IDENTITY_REQUIRED | 1008 device identity required",
  ],
  [
    "I02: a node without a device is refused whatever its token",
    { params: node({ device: undefined }) },
    "NOT_PAIRED DEVICE_IDENTITY_REQUIRED | 1008 device identity required",
  ],
  [
    "a remote Control UI without a device",
    {
      params: params({
        client: { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" },
      }),
      facts: {
        peer: { ...REMOTE, origin: "http://10.0.0.1:1", host: "10.0.0.1:1" },
      },
    },
    "INVALID_REQUEST CONTROL_UI_DEVICE_IDENTITY_REQUIRED | 1008 control ui requires device identity (use HTTPS or localhost secure context)",
  ],
  [
    "N02: a wrong secret of a local Control UI is an auth failure, so that it is counted",
    {
      params: params({
        client: { id: "openclaw-control-ui", mode: "webchat", version: "1", platform: "web" },
      }),
      facts: { peer: { ...LOCAL, origin: "http://localhost:18789", host: "localhost:18789" } },
      secret: WRONG,
    },
    "INVALID_REQUEST AUTH_TOKEN_MISMATCH | 1008 unauthorized: gateway token mismatch (open the dashboard URL and paste the token in Control UI settings)",
  ],
  ["a paired node", { params: node() }, "welcome token owner paired []"],
  [
    "a node that states scopes gets none",
    { params: node({ scopes: ["operator.admin"] }) },
    "welcome token owner paired []",
  ],
  [
    "a device token when the shared token is missing",
    {
      params: node({ auth: { deviceToken: "d" } }),
      secret: MISSING,
      credentials: { kind: "device", verdict: { ok: true, generation: 1 } },
    },
    "welcome device-token paired []",
  ],
  [
    "a device token on loopback makes nobody an owner",
    {
      params: params({ auth: { deviceToken: "d" }, device: DEVICE }),
      secret: MISSING,
      credentials: { kind: "device", verdict: { ok: true, generation: 1 } },
    },
    "welcome device-token paired [operator.read]",
  ],
  [
    "a wrong device token",
    {
      params: node({ auth: { deviceToken: "d" } }),
      secret: MISSING,
      credentials: { kind: "refused", reason: "device_token_mismatch" },
    },
    "INVALID_REQUEST AUTH_DEVICE_TOKEN_MISMATCH | 1008 unauthorized: device token mismatch (rotate/reissue device token)",
  ],
  [
    "a device token that does not cover the scopes, protocol 4",
    {
      params: params({ auth: { deviceToken: "d" }, device: DEVICE }),
      secret: MISSING,
      credentials: { kind: "refused", reason: "scope_mismatch" },
    },
    "INVALID_REQUEST AUTH_SCOPE_MISMATCH | 1008 unauthorized: device token scope mismatch (re-pair or approve scope upgrade)",
  ],
  [
    "a device token that does not cover the scopes, protocol 3",
    {
      params: params({
        minProtocol: 3,
        maxProtocol: 3,
        auth: { deviceToken: "d" },
        device: DEVICE,
      }),
      secret: MISSING,
      credentials: { kind: "refused", reason: "scope_mismatch" },
    },
    "INVALID_REQUEST AUTH_DEVICE_TOKEN_MISMATCH | 1008 unauthorized: device token mismatch (rotate/reissue device token)",
  ],
  [
    "a bootstrap token wins over a right shared token",
    {
      params: node({ auth: { token: "t", bootstrapToken: "b" } }),
      credentials: { kind: "bootstrap", ticket: { setupId: "s" } },
    },
    "welcome bootstrap-token owner paired []",
  ],
  [
    "a bad bootstrap token beside a right shared token does not matter",
    { params: node({ auth: { token: "t", bootstrapToken: "b" } }) },
    "welcome token owner paired []",
  ],
  [
    "no credentials with a device",
    { params: node({ auth: undefined }), secret: MISSING },
    "INVALID_REQUEST AUTH_TOKEN_MISSING | 1008 unauthorized: gateway token missing (provide gateway auth token)",
  ],
  [
    "I22: a device id that is not the key's",
    { params: node(), proof: { idMatches: false, signatureValid: true } },
    "INVALID_REQUEST DEVICE_AUTH_DEVICE_ID_MISMATCH | 1008 device identity mismatch",
  ],
  [
    "I20: a signature over something else",
    { params: node(), proof: { idMatches: true, signatureValid: false } },
    "INVALID_REQUEST DEVICE_AUTH_SIGNATURE_INVALID | 1008 device signature invalid",
  ],
  [
    "the signature problem is told before the wrong token",
    { params: node(), secret: WRONG, proof: { idMatches: true, signatureValid: false } },
    "INVALID_REQUEST DEVICE_AUTH_SIGNATURE_INVALID | 1008 device signature invalid",
  ],
  [
    "I19: the nonce of another socket",
    { params: node({ device: { ...DEVICE, nonce: "00000000-0000-4000-8000-000000000001" } }) },
    "INVALID_REQUEST DEVICE_AUTH_NONCE_MISMATCH | 1008 device nonce mismatch",
  ],
  [
    "a blank nonce",
    { params: node({ device: { ...DEVICE, nonce: "  " } }) },
    "INVALID_REQUEST DEVICE_AUTH_NONCE_REQUIRED | 1008 device nonce required",
  ],
  [
    "a signature 120,001 ms old",
    { params: node({ device: { ...DEVICE, signedAt: NOW - 120_001 } }) },
    "INVALID_REQUEST DEVICE_AUTH_SIGNATURE_EXPIRED | 1008 device signature expired",
  ],
  ["a signature 120,000 ms old", {
    params: node({ device: { ...DEVICE, signedAt: NOW - 120_000 } }),
  }, "welcome token owner paired []"],
  [
    "a signature 120,001 ms ahead",
    { params: node({ device: { ...DEVICE, signedAt: NOW + 120_001 } }) },
    "INVALID_REQUEST DEVICE_AUTH_SIGNATURE_EXPIRED | 1008 device signature expired",
  ],
  [
    "an unknown role",
    { params: params({ role: "admin" }) },
    "INVALID_REQUEST invalid role | 1008 invalid role",
  ],
  [
    "a protocol below",
    { params: params({ minProtocol: 1, maxProtocol: 2 }) },
    "INVALID_REQUEST PROTOCOL_MISMATCH | 1002 protocol mismatch",
  ],
  [
    "a protocol above",
    { params: params({ minProtocol: 5, maxProtocol: 9 }) },
    "INVALID_REQUEST PROTOCOL_MISMATCH | 1002 protocol mismatch",
  ],
  [
    "the version is told before the role",
    { params: params({ minProtocol: 5, maxProtocol: 9, role: "admin" }) },
    "INVALID_REQUEST PROTOCOL_MISMATCH | 1002 protocol mismatch",
  ],
  [
    "the reserved worker mode",
    { params: params({ client: { id: "test", mode: "worker", version: "1", platform: "x" } }) },
    "INVALID_REQUEST invalid-handshake | 1008 invalid-handshake",
  ],
  [
    "N01: a foreign Origin is refused before the secret is looked at",
    {
      params: params(),
      facts: { peer: { ...LOCAL, origin: "https://evil.example", host: "127.0.0.1:18789" } },
    },
    "INVALID_REQUEST CONTROL_UI_ORIGIN_NOT_ALLOWED | 1008 origin not allowed (open the Control UI from the gateway host or allow it in gateway.controlUi.allowedOrigins)",
  ],
  [
    "N03: a rebound name in Host and Origin",
    {
      params: params(),
      facts: {
        peer: { ...LOCAL, origin: "http://evil.example:18789", host: "evil.example:18789" },
      },
    },
    "INVALID_REQUEST CONTROL_UI_ORIGIN_NOT_ALLOWED | 1008 origin not allowed (open the Control UI from the gateway host or allow it in gateway.controlUi.allowedOrigins)",
  ],
  [
    "a gateway that starts",
    { params: params(), facts: { phase: "starting" } },
    "UNAVAILABLE gateway starting; retry shortly | 1013 gateway starting",
  ],
  [
    "a gateway that stops",
    { params: params(), facts: { phase: "stopping" } },
    "UNAVAILABLE gateway restart in progress | 1013 gateway restart in progress",
  ],
  [
    "bad params",
    { params: { minProtocol: 4, maxProtocol: 4 } },
    "INVALID_REQUEST invalid connect params: must have required property 'client' | 1008 invalid connect params: must have required property 'client'",
  ],
  [
    "a locked address",
    {
      params: params(),
      secret: { ok: false, reason: "rate_limited", guessed: false, retryAfterMs: 5 },
    },
    "INVALID_REQUEST AUTH_RATE_LIMITED | 1008 unauthorized: too many failed authentication attempts (retry later)",
  ],
  [
    "pairing required",
    {
      params: node(),
      admission: {
        kind: "pairing-required",
        reason: "not-paired",
        requestId: "r1",
        text: "device is not approved yet",
        remediationHint: "h",
        deviceId: "d1",
        requestedRole: "node",
        requestedScopes: [],
      },
    },
    "NOT_PAIRED PAIRING_REQUIRED | 1008 pairing required: device is not approved yet (requestId: r1)",
  ],
];

for (const [name, talk, wanted] of ROWS) {
  Deno.test(`handshake: ${name}`, () => {
    assertEquals(outcome(talk), wanted);
  });
}

Deno.test("handshake: the first frame must be JSON, a request, and connect", () => {
  const env = facts();
  const step = (input: HandshakeInput) => stepHandshake(WAITING, input, env).effects;
  assertEquals(step({ kind: "frame", read: { kind: "not-json" } }), [
    { do: "refuse", id: undefined, error: undefined, code: 1000, reason: "" },
  ]);
  const invalid = { kind: "invalid", id: "x", detail: "at root: must be object" } as const;
  assertEquals(step({ kind: "frame", read: invalid }), [
    { do: "refuse", id: undefined, error: undefined, code: 1008, reason: "invalid request frame" },
  ]);
  const [refusal] = step(frame({}, "health"));
  assert(refusal?.do === "refuse");
  assertEquals(refusal.error?.message, "invalid handshake: first request must be connect");
  assertEquals(refusal.code, 1008);
});

Deno.test("handshake: a certain refusal asks for no signature check", () => {
  const old = { ...DEVICE, signedAt: NOW - 200_000 };
  const { effects } = stepHandshake(WAITING, frame(node({ device: old })), facts());
  assert(effects[0]?.do === "check");
  assertEquals(effects[0].signed, []);
});

Deno.test("handshake: the signed text holds what was sent, in both layouts", () => {
  const sent = node({ auth: { deviceToken: "dt", bootstrapToken: "bt", password: "pw" } });
  const { effects } = stepHandshake(WAITING, frame(sent), facts());
  assert(effects[0]?.do === "check");
  assertEquals(effects[0].signed, [
    `v3|d1|node-host|node|node||${NOW}|dt|${NONCE}|linux|`,
    `v2|d1|node-host|node|node||${NOW}|dt|${NONCE}`,
  ]);
});

Deno.test("I19: a machine that is live or over cannot be entered again", () => {
  const live = play({ params: params() }).state;
  assertEquals(live, { kind: "live" });
  assertEquals(stepHandshake(live, frame(params()), facts()), { state: live, effects: [] });
  const over = play({ params: params({ role: "x" }) }).state;
  assertEquals(over, { kind: "over" });
  assertEquals(stepHandshake(over, frame(params()), facts()), { state: over, effects: [] });
});

// G5: every state with every input; only the fitting ones move, and none but `admission` or a complete check admits.
Deno.test("G5: every pair of state and input either fits or changes nothing", () => {
  const states: HandshakeState[] = [WAITING];
  const talk: Talk = { params: node({ auth: { deviceToken: "d" } }), secret: MISSING };
  let current = stepHandshake(WAITING, frame(talk.params), facts());
  states.push(current.state);
  current = stepHandshake(
    current.state,
    { kind: "checked", secret: MISSING, proof: GOOD_PROOF },
    facts(),
  );
  states.push(current.state);
  const verdict = { kind: "device", verdict: { ok: true, generation: 1 } } as const;
  current = stepHandshake(current.state, { kind: "credentials", verdict }, facts());
  states.push(current.state);
  current = stepHandshake(current.state, { kind: "admission", admission: ADMITTED }, facts());
  states.push(current.state, { kind: "over" });
  assertEquals(states.map((s) => s.kind), [
    "waiting",
    "checking",
    "credentials",
    "admitting",
    "live",
    "over",
  ]);
  const inputs: HandshakeInput[] = [
    frame(talk.params),
    { kind: "checked", secret: OK_TOKEN, proof: GOOD_PROOF },
    { kind: "credentials", verdict },
    { kind: "admission", admission: ADMITTED },
    { kind: "timeout" },
    { kind: "closed" },
    { kind: "failed", error: { code: "UNAVAILABLE", message: "m" } },
  ];
  const fits = {
    waiting: "frame",
    checking: "checked",
    credentials: "credentials",
    admitting: "admission",
  };
  for (const state of states) {
    for (const input of inputs) {
      const next = stepHandshake(state, input, facts());
      const name = `${state.kind} × ${input.kind}`;
      if (state.kind === "live" || state.kind === "over") {
        assertEquals(next, { state, effects: [] }, name);
      } else if (["timeout", "closed", "failed"].includes(input.kind)) {
        assertEquals(next.state.kind, "over", name);
      } else if (fits[state.kind] !== input.kind) {
        assertEquals(next, { state, effects: [] }, name);
      }
      const welcomed = next.effects.some((effect) => effect.do === "welcome");
      assertEquals(welcomed, state.kind === "admitting" && input.kind === "admission", name);
    }
  }
});

Deno.test("a waiting node is told to poll (decision 6)", () => {
  const { effects } = play({
    params: node(),
    admission: {
      kind: "pairing-required",
      reason: "not-paired",
      requestId: "r1",
      text: "device is not approved yet",
      remediationHint: "h",
      deviceId: "d1",
      requestedRole: "node",
      requestedScopes: [],
      waiting: {
        recommendedNextStep: "wait_then_retry",
        retryable: true,
        pauseReconnect: false,
        retryAfterMs: 1500,
      },
    },
  });
  const last = effects.at(-1);
  assert(last?.do === "refuse");
  assertEquals(last.error, {
    code: "NOT_PAIRED",
    message: "pairing required: device is not approved yet",
    retryable: true,
    retryAfterMs: 1500,
    details: {
      code: "PAIRING_REQUIRED",
      reason: "not-paired",
      requestId: "r1",
      remediationHint: "h",
      deviceId: "d1",
      requestedRole: "node",
      recommendedNextStep: "wait_then_retry",
      retryable: true,
      pauseReconnect: false,
      retryAfterMs: 1500,
    },
  });
});
