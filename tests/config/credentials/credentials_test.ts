/** One named test per row of the credential tables (config-and-credentials.md 5.1-5.5), and the rules around them. */
import { assert, assertEquals } from "@std/assert";
import type { AuthMode } from "../../../src/config/credentials/auth_mode.ts";
import {
  type Candidate,
  type CredentialKind,
  type CredentialSource,
  type CredentialSurface,
  decideCredentials,
} from "../../../src/config/credentials/credentials.ts";
import { Secret } from "../../../src/lib/secret.ts";

const SOURCES = ["flag", "env", "auth", "remote"] as const;
const value = (text: string): Candidate => ({ state: "value", secret: new Secret(text) });
const ref: Candidate = { state: "ref", ref: { source: "env", provider: undefined, id: "X" } };
const unset: Candidate = { state: "unset" };

/** Facts in which exactly `configured` (e.g. "env.token") have a value, `refs` a reference. */
function facts(
  surface: CredentialSurface,
  configured: readonly string[],
  refs: readonly string[] = [],
  authMode: AuthMode = "token",
) {
  const of = (source: CredentialSource, kind: CredentialKind) => {
    const name = `${source}.${kind}`;
    return refs.includes(name) ? ref : configured.includes(name) ? value(name) : unset;
  };
  const places = Object.fromEntries(
    SOURCES.map((s) => [s, { token: of(s, "token"), password: of(s, "password") }]),
  ) as Record<CredentialSource, Record<CredentialKind, Candidate>>;
  return { surface, authMode, places };
}

const ALL = SOURCES.flatMap((source) => [`${source}.token`, `${source}.password`]);
const without = (...names: string[]) => ALL.filter((name) => !names.includes(name));

function winners(...args: Parameters<typeof facts>): string {
  const { token, password } = decideCredentials(facts(...args));
  return `${token?.source ?? "-"} ${password?.source ?? "-"}`;
}

interface Row {
  readonly name: string;
  readonly surface: CredentialSurface;
  readonly configured: readonly string[];
  /** Winning sources of token and password. */
  readonly wins: string;
  readonly authMode?: AuthMode;
}

const NO_FLAGS = without("flag.token", "flag.password");
const ROWS: readonly Row[] = [
  {
    name: "5.1 --token: only it, no password from elsewhere",
    surface: "explicit",
    configured: without("flag.password"),
    wins: "flag -",
  },
  {
    name: "5.1 --password: only it, no token from elsewhere",
    surface: "explicit",
    configured: without("flag.token"),
    wins: "- flag",
  },
  {
    name: "5.1 --token and --password: both",
    surface: "explicit",
    configured: ALL,
    wins: "flag flag",
  },
  {
    name: "5.1 --url: environment and config never (N24)",
    surface: "url-flag",
    configured: NO_FLAGS,
    wins: "- -",
  },
  {
    name: "5.1 OPENCLAW_GATEWAY_URL: the environment",
    surface: "url-env",
    configured: NO_FLAGS,
    wins: "env env",
  },
  {
    name: "5.1 OPENCLAW_GATEWAY_URL: config never",
    surface: "url-env",
    configured: ["auth.token", "auth.password", "remote.token", "remote.password"],
    wins: "- -",
  },
  {
    name: "5.1 neither, and nothing configured: connects without",
    surface: "local",
    configured: [],
    wins: "- -",
  },
  {
    name: "5.1 neither, remote and nothing configured: connects without",
    surface: "remote",
    configured: [],
    wins: "- -",
  },
  { name: "5.2 local: environment first", surface: "local", configured: NO_FLAGS, wins: "env env" },
  {
    name: "5.2 local: then gateway.auth",
    surface: "local",
    configured: ["auth.token", "auth.password", "remote.token", "remote.password"],
    wins: "auth auth",
  },
  {
    name: "5.2 local: gateway.remote only when gateway.auth is unset",
    surface: "local",
    configured: ["remote.token", "remote.password"],
    wins: "remote remote",
  },
  {
    name: "5.2 local: token and password are decided independently",
    surface: "local",
    configured: ["env.token", "auth.password"],
    wins: "env auth",
  },
  {
    name: "5.2 local: remote password never under trusted-proxy",
    surface: "local",
    configured: ["remote.token", "remote.password"],
    wins: "remote -",
    authMode: "trusted-proxy",
  },
  {
    name: "5.2 gateway service: gateway.auth before the environment",
    surface: "local-service",
    configured: NO_FLAGS,
    wins: "auth auth",
  },
  {
    name: "5.2 gateway service: then the environment",
    surface: "local-service",
    configured: ["env.token", "env.password", "remote.token"],
    wins: "env env",
  },
  {
    name: "5.2 gateway service: never gateway.remote",
    surface: "local-service",
    configured: ["remote.token", "remote.password"],
    wins: "- -",
  },
  {
    name: "5.3 remote: token from gateway.remote, password from the environment",
    surface: "remote",
    configured: NO_FLAGS,
    wins: "remote env",
  },
  {
    name: "5.3 remote: token from the environment, password from gateway.remote",
    surface: "remote",
    configured: ["env.token", "remote.password", "auth.token", "auth.password"],
    wins: "env remote",
  },
  {
    name: "5.3 remote: gateway.auth last",
    surface: "remote",
    configured: ["auth.token", "auth.password"],
    wins: "auth auth",
  },
  {
    name: "5.3 strict probe: token from gateway.remote only",
    surface: "probe-remote",
    configured: ["env.token", "auth.token"],
    wins: "- -",
  },
  {
    name: "5.3 strict probe: gateway.remote wins",
    surface: "probe-remote",
    configured: NO_FLAGS,
    wins: "remote remote",
  },
  {
    name: "5.3 strict probe: environment's password only without remote credentials",
    surface: "probe-remote",
    configured: ["env.password", "auth.password"],
    wins: "- env",
  },
  {
    name: "5.3 strict probe: a remote token keeps the environment's password here",
    surface: "probe-remote",
    configured: ["env.password", "remote.token"],
    wins: "remote -",
  },
  {
    name: "5.4 node, local: environment first",
    surface: "node-local",
    configured: NO_FLAGS,
    wins: "env env",
  },
  {
    name: "5.4 node, local: then gateway.auth",
    surface: "node-local",
    configured: ["auth.token", "auth.password", "remote.token"],
    wins: "auth auth",
  },
  {
    name: "5.4 node, local: gateway.remote is ignored",
    surface: "node-local",
    configured: ["remote.token", "remote.password"],
    wins: "- -",
  },
  {
    name: "5.4 node, remote: environment first",
    surface: "node-remote",
    configured: NO_FLAGS,
    wins: "env env",
  },
  {
    name: "5.4 node, remote: then gateway.remote",
    surface: "node-remote",
    configured: ["remote.token", "remote.password", "auth.token"],
    wins: "remote remote",
  },
  {
    name: "5.4 node, remote: then gateway.auth",
    surface: "node-remote",
    configured: ["auth.token", "auth.password"],
    wins: "auth auth",
  },
  {
    name: "5.4 node with a stored device token: config is skipped",
    surface: "node-saved",
    configured: ["auth.token", "remote.token", "auth.password"],
    wins: "- -",
  },
  {
    name:
      "5.4 node with a stored device token: a credential of the environment counts all the same",
    surface: "node-saved",
    configured: ["env.token", "auth.token", "remote.token"],
    wins: "env -",
  },
  { name: "5.5 server: the flag first", surface: "server", configured: ALL, wins: "flag flag" },
  {
    name: "5.5 server: gateway.auth before the environment",
    surface: "server",
    configured: NO_FLAGS,
    wins: "auth auth",
  },
  {
    name: "5.5 server: then the environment",
    surface: "server",
    configured: ["env.token", "env.password", "remote.token"],
    wins: "env env",
  },
  {
    name: "5.5 server: never gateway.remote",
    surface: "server",
    configured: ["remote.token", "remote.password"],
    wins: "- -",
  },
];

for (const row of ROWS) {
  Deno.test(`decideCredentials() ${row.name}`, () => {
    assertEquals(winners(row.surface, row.configured, [], row.authMode ?? "token"), row.wins);
  });
}

Deno.test("decideCredentials() names every configured loser with a reason and no value", () => {
  const { ignored } = decideCredentials(facts("local", NO_FLAGS));
  assertEquals(ignored.map(({ name, reason }) => `${name}: ${reason}`), [
    "gateway.auth.token: OPENCLAW_GATEWAY_TOKEN comes first",
    "gateway.remote.token: OPENCLAW_GATEWAY_TOKEN comes first",
    "gateway.auth.password: OPENCLAW_GATEWAY_PASSWORD comes first",
    "gateway.remote.password: OPENCLAW_GATEWAY_PASSWORD comes first",
  ]);
  const outside = decideCredentials(facts("url-flag", ["env.token"])).ignored;
  assertEquals(outside.map((item) => item.reason), ["--url never uses stored credentials"]);
  assert(!JSON.stringify(decideCredentials(facts("local", ALL))).includes('auth.token"}'));
});

Deno.test("section 4: a reference that could win is returned, nothing of lower priority replaces it", () => {
  const { token } = decideCredentials(facts("local", ["remote.token"], ["auth.token"]));
  assertEquals([token?.source, token?.input.state], ["auth", "ref"]);
});

Deno.test("5.4: an unresolved gateway.auth reference of a node is returned to fail, gateway.remote never takes its place", () => {
  for (const surface of ["node-local", "node-remote"] as const) {
    const { token } = decideCredentials(facts(surface, [], ["auth.token"]));
    assertEquals([token?.source, token?.input.state], ["auth", "ref"], surface);
  }
  const { token } = decideCredentials(facts("node-local", ["remote.token"], ["auth.token"]));
  assertEquals(token?.source, "auth");
});

Deno.test("section 4: a reference behind a set value is inactive", () => {
  const { token, ignored } = decideCredentials(facts("local", ["env.token"], ["auth.token"]));
  assertEquals(token?.source, "env");
  assertEquals(ignored.map((item) => item.name), ["gateway.auth.token"]);
});

Deno.test("section 4: the auth mode makes references of the other kind inactive", () => {
  const both = ["auth.token", "auth.password"];
  const rows: [AuthMode, string][] = [
    ["token", "auth -"],
    ["password", "- auth"],
    ["none", "- -"],
    ["trusted-proxy", "- auth"],
  ];
  for (const [mode, wins] of rows) {
    assertEquals(winners("server", [], both, mode), wins, mode);
    assertEquals(winners("local", [], both, mode), wins, mode);
  }
});

Deno.test("section 4: the local auth mode says nothing about references of the remote gateway", () => {
  assertEquals(winners("remote", [], ["remote.token"], "password"), "remote -");
});

Deno.test("section 1: a placeholder without its variable is unset and told", () => {
  const base = facts("local", ["remote.token"]);
  const note = "environment variable NOPE is not set";
  const auth = { ...base.places.auth, token: { state: "unset", note } as const };
  const { token, ignored } = decideCredentials({ ...base, places: { ...base.places, auth } });
  assertEquals(token?.source, "remote");
  assertEquals(ignored, [{
    kind: "token",
    source: "auth",
    name: "gateway.auth.token",
    reason: note,
  }]);
});
