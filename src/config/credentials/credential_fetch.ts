/**
 * From a credential decision to the credentials: fetches the references that won, and only those. A reference
 * without a value stops the command; nothing of lower priority takes its place. Source: config-and-credentials.md 4.
 */
import { OpenclawError } from "../../lib/errors.ts";
import { Secret } from "../../lib/secret.ts";
import type {
  CredentialChoice,
  CredentialDecision,
  CredentialKind,
  CredentialSource,
  IgnoredCredential,
} from "./credentials.ts";
import type { FetcherFacts } from "../secrets/secret_ref.ts";

/** What a client sends, and where it came from. */
export interface Credentials {
  readonly token: Secret | undefined;
  readonly password: Secret | undefined;
  readonly tokenSource: CredentialSource | undefined;
  readonly passwordSource: CredentialSource | undefined;
  readonly ignored: readonly IgnoredCredential[];
  /** Set when a reference could not be fetched and the caller asked to go on without it. */
  readonly unavailable: readonly UnavailableSecret[];
}

/** A reference that has no value now. */
export interface UnavailableSecret {
  /** Warning code of strict probes. */
  readonly code: "auth_secretref_unresolved";
  readonly kind: CredentialKind;
  /** Config path, e.g. `gateway.remote.token`. */
  readonly path: string;
  readonly reason: string;
}

/** What to do about a reference without a value: stop, or go on without any credential of that kind. */
export type OnUnavailable = "stop" | "without";

/** Fetches what the decision points to. Throws `GATEWAY_SECRET_REF_UNAVAILABLE`. */
export async function fetchCredentials(
  decision: CredentialDecision,
  facts: FetcherFacts,
  onUnavailable: OnUnavailable = "stop",
): Promise<Credentials> {
  const unavailable: UnavailableSecret[] = [];
  const one = async (kind: CredentialKind) => {
    const choice = decision[kind];
    const found = choice && await secretOfChoice(choice, facts);
    if (!found || found instanceof Secret) return found;
    if (onUnavailable === "stop") throw secretUnavailable(choice.name, found.problem);
    unavailable.push({
      code: "auth_secretref_unresolved",
      kind,
      path: choice.name,
      reason: found.problem,
    });
    return undefined;
  };
  const [token, password] = await Promise.all([one("token"), one("password")]);
  return {
    token,
    password,
    tokenSource: token && decision.token?.source,
    passwordSource: password && decision.password?.source,
    ignored: decision.ignored,
    unavailable,
  };
}

async function secretOfChoice(choice: CredentialChoice, facts: FetcherFacts) {
  if (choice.input.state === "value") return choice.input.secret;
  // Most configurations hold no references: what starts programs is loaded only for those that do.
  const { fetchSecrets } = await import("../secrets/secret_ref.ts");
  const [found] = await fetchSecrets(facts, [choice.input.ref]);
  if (!found) return { problem: "no answer" };
  return "secret" in found ? found.secret : found;
}

/** The error for a configured reference without a value. `path` is where it is configured. */
function secretUnavailable(path: string, reason: string): OpenclawError {
  return new OpenclawError(
    "GATEWAY_SECRET_REF_UNAVAILABLE",
    `${path} is a secret reference that is unavailable: ${reason}`,
    {
      hint: `make the reference available, or: openclaw config set ${path} <value>`,
      details: { path, reason },
    },
  );
}
