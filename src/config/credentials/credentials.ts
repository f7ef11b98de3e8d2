/**
 * Which token and which password count: ONE table, every row of config-and-credentials.md 5 in it. Pure;
 * fetching what a reference points to is `credential_fetch.ts`. Attack stopped: a credential meant for one gateway
 * reaching another (N24).
 */
import type { Secret } from "../../lib/secret.ts";
import type { AuthMode } from "./auth_mode.ts";
import type { SecretInput, SecretRef } from "../schema/secret_input.ts";

/** The two kinds; decided independently, both may be sent. */
export type CredentialKind = "token" | "password";
/** Where a credential can come from: the command line, `OPENCLAW_GATEWAY_*`, `gateway.auth.*`, `gateway.remote.*`. */
export type CredentialSource = "flag" | "env" | "auth" | "remote";

/** The situation. Source: config-and-credentials.md 5.1-5.5. */
export type CredentialSurface =
  /** `--token` or `--password` given, whatever the target. */
  | "explicit"
  /** `--url` without them. */
  | "url-flag"
  /** `OPENCLAW_GATEWAY_URL` without them. */
  | "url-env"
  | "local"
  /** The process is the managed gateway service. */
  | "local-service"
  | "remote"
  /** Strict probe of `configRemote` and `sshTunnel`. */
  | "probe-remote"
  | "node-local"
  | "node-remote"
  /** The saved endpoint with a stored device token and no credential in the environment. */
  | "node-saved"
  /** The gateway itself: what it accepts. Source: section 5.5. */
  | "server";

/** A credential in one place. A placeholder whose variable is not set counts as unset. */
export type Candidate =
  | { readonly state: "unset"; readonly note?: string }
  | { readonly state: "value"; readonly secret: Secret }
  | { readonly state: "ref"; readonly ref: SecretRef };

/** Everything the decision depends on. */
export interface CredentialFacts {
  readonly surface: CredentialSurface;
  /** Auth mode of the local gateway as configured or inferred; excludes references of the other kind. */
  readonly authMode: AuthMode;
  readonly places: Readonly<
    Record<CredentialSource, Readonly<Record<CredentialKind, Candidate>>>
  >;
}

interface Step {
  readonly source: CredentialSource;
  /** Reason why the step is skipped in this situation, or `undefined`. */
  readonly unless?: (facts: CredentialFacts) => string | undefined;
}

const set = (candidate: Candidate) => candidate.state !== "unset";
const flag: Step = { source: "flag" };
const env: Step = { source: "env" };
const auth: Step = { source: "auth" };
const remote: Step = { source: "remote" };
/** 5.2: the remote password never stands in for a local one behind a trusted proxy. */
const remoteUnlessProxy: Step = {
  source: "remote",
  unless: (facts) => facts.authMode === "trusted-proxy" ? "auth mode is trusted-proxy" : undefined,
};
/** 5.3: with either remote credential configured, the environment's password stays here. */
const envUnlessRemote: Step = {
  source: "env",
  unless: ({ places }) =>
    set(places.remote.token) || set(places.remote.password)
      ? "the remote gateway has credentials of its own"
      : undefined,
};

/** First set step wins. */
const CREDENTIAL_TABLE: Readonly<
  Record<CredentialSurface, Readonly<Record<CredentialKind, readonly Step[]>>>
> = {
  "explicit": { token: [flag], password: [flag] },
  "url-flag": { token: [flag], password: [flag] },
  "url-env": { token: [env], password: [env] },
  "local": { token: [env, auth, remote], password: [env, auth, remoteUnlessProxy] },
  "local-service": { token: [auth, env], password: [auth, env] },
  "remote": { token: [remote, env, auth], password: [env, remote, auth] },
  "probe-remote": { token: [remote], password: [remote, envUnlessRemote] },
  "node-local": { token: [env, auth], password: [env, auth] },
  "node-remote": { token: [env, remote, auth], password: [env, remote, auth] },
  "node-saved": { token: [env], password: [env] },
  "server": { token: [flag, auth, env], password: [flag, auth, env] },
};

/** Why a configured source does not count at all on a surface. */
const OUTSIDE: Readonly<Record<CredentialSurface, string>> = {
  "explicit": "--token or --password is given",
  "url-flag": "--url never uses stored credentials",
  "url-env": "OPENCLAW_GATEWAY_URL uses credentials of the environment only",
  "local": "not used for the local gateway",
  "local-service": "not used by the gateway service",
  "remote": "not used for the remote gateway",
  "probe-remote": "only the remote gateway's own credentials are sent to it",
  "node-local": "a node of the local gateway ignores gateway.remote",
  "node-remote": "not used by the node",
  "node-saved": "the stored device token is used",
  "server": "gateway.remote never configures a gateway",
};

/** The credential that wins. */
export interface CredentialChoice {
  readonly source: CredentialSource;
  /** For people: `--token`, `OPENCLAW_GATEWAY_TOKEN`, `gateway.auth.token`, … */
  readonly name: string;
  readonly input: Exclude<Candidate, { state: "unset" }>;
}

/** A configured credential that is not used, and why; names only, never values. */
export interface IgnoredCredential {
  readonly kind: CredentialKind;
  readonly source: CredentialSource;
  readonly name: string;
  readonly reason: string;
}

/** The verdict. */
export interface CredentialDecision {
  readonly token: CredentialChoice | undefined;
  readonly password: CredentialChoice | undefined;
  readonly ignored: readonly IgnoredCredential[];
}

/** What a source is called in messages. */
function sourceName(source: CredentialSource, kind: CredentialKind): string {
  if (source === "flag") return `--${kind}`;
  if (source === "env") return `OPENCLAW_GATEWAY_${kind.toUpperCase()}`;
  return `gateway.${source}.${kind}`;
}

/** Applies the table. Never fails: a reference that wins is returned as such. */
export function decideCredentials(facts: CredentialFacts): CredentialDecision {
  const ignored: IgnoredCredential[] = [];
  const token = decideKind(facts, "token", ignored);
  const password = decideKind(facts, "password", ignored);
  return { token, password, ignored };
}

function decideKind(
  facts: CredentialFacts,
  kind: CredentialKind,
  ignored: IgnoredCredential[],
): CredentialChoice | undefined {
  const steps = CREDENTIAL_TABLE[facts.surface][kind];
  let winner: CredentialChoice | undefined;
  const skip = (source: CredentialSource, reason: string) =>
    ignored.push({ kind, source, name: sourceName(source, kind), reason });
  for (const step of steps) {
    const candidate = facts.places[step.source][kind];
    if (candidate.state === "unset") {
      if (candidate.note !== undefined) skip(step.source, candidate.note);
      continue;
    }
    const reason = winner
      ? `${winner.name} comes first`
      : step.unless?.(facts) ?? inactiveRef(facts, step.source, kind, candidate);
    if (reason !== undefined) skip(step.source, reason);
    else winner = { source: step.source, name: sourceName(step.source, kind), input: candidate };
  }
  for (const source of ["flag", "env", "auth", "remote"] as const) {
    const outside = !steps.some((step) => step.source === source);
    if (outside && set(facts.places[source][kind])) skip(source, OUTSIDE[facts.surface]);
  }
  return winner;
}

/**
 * Section 4: a reference that the auth mode excludes is not fetched and is no error. The mode is the local gateway's,
 * so it says nothing about `gateway.remote.*` on the way to another gateway.
 */
function inactiveRef(
  facts: CredentialFacts,
  source: CredentialSource,
  kind: CredentialKind,
  candidate: Candidate,
): string | undefined {
  if (candidate.state !== "ref") return undefined;
  const own = source === "auth" || (source === "remote" && facts.surface === "local");
  // Behind a trusted proxy a local direct caller may still show the password (section 9).
  const wanted = facts.authMode === kind ||
    (kind === "password" && facts.authMode === "trusted-proxy");
  return own && !wanted ? `auth mode is ${facts.authMode}` : undefined;
}

/** Places as the configuration and the environment fill them. */
export interface PlaceFacts {
  readonly flags?: { readonly [K in CredentialKind]?: Secret | undefined };
  readonly env: Readonly<Record<CredentialKind, Secret | undefined>>;
  readonly auth: Readonly<Record<CredentialKind, SecretInput | undefined>>;
  readonly remote: Readonly<Record<CredentialKind, SecretInput | undefined>>;
  /** Value of an environment variable, for `${NAME}` placeholders. */
  readonly variable: (name: string) => Secret | undefined;
}

/** Turns configured credentials into candidates. */
export function credentialPlaces(facts: PlaceFacts): CredentialFacts["places"] {
  const plain = (secret: Secret | undefined): Candidate =>
    secret ? { state: "value", secret } : { state: "unset" };
  const input = (value: SecretInput | undefined): Candidate => {
    if (!value) return { state: "unset" };
    if (value.kind === "value") return { state: "value", secret: value.secret };
    if (!value.placeholder) return { state: "ref", ref: value.ref };
    const secret = facts.variable(value.ref.id);
    if (secret) return { state: "value", secret };
    return { state: "unset", note: `environment variable ${value.ref.id} is not set` };
  };
  const both = <T>(
    of: { readonly [K in CredentialKind]?: T | undefined },
    read: (value: T | undefined) => Candidate,
  ) => ({ token: read(of.token), password: read(of.password) });
  return {
    flag: both(facts.flags ?? {}, plain),
    env: both(facts.env, plain),
    auth: both(facts.auth, input),
    remote: both(facts.remote, input),
  };
}
