/**
 * Token drift told in full: which credential a gateway refused, where it came from, and the one command that repairs
 * it. The command line and the node tell the same story. Source: config-and-credentials.md 5; gateway-protocol.md 7.2.
 */
import { isOpenclawError, OpenclawError } from "../lib/errors.ts";
import type { WireAuth } from "./connect_plan.ts";

/** What was refused: a shared secret, a token the gateway gave this device, or the secret of a join line. */
type Sent = "token" | "password" | "device token" | "join line";

/** Where a shared secret came from, as `config/credentials/credentials.ts` names it. */
type Source = "flag" | "env" | "auth" | "remote";

/** What the story depends on besides the error. */
export interface CredentialFacts {
  readonly role: "operator" | "node";
  readonly tokenSource: Source | undefined;
  readonly passwordSource: Source | undefined;
  /** A stored device token was refused right before and is gone. */
  readonly droppedToken?: boolean;
}

/** Not `AUTH_SCOPE_MISMATCH`: that token is good, and kept; it carries less than was asked for. */
const REFUSED = /^AUTH_(?!SCOPE_).*(MISMATCH|INVALID)$/;
const MISSING = /^AUTH_(TOKEN|PASSWORD)_MISSING$/;

/** Notes in `details.sent` which credential a refused connect carried; other errors stay as they are. */
export function withSent(error: unknown, auth: WireAuth): unknown {
  if (!isOpenclawError(error) || !REFUSED.test(error.code)) return error;
  const sent = sentIn(auth, error.code);
  if (sent === undefined) return error;
  return reworded(error, error.hint, { ...error.details, sent });
}

/** A device token goes beside a shared secret only after that one was refused: the secret is what needs repair. */
function sentIn(auth: WireAuth, code: string): Sent | undefined {
  if (auth.password !== undefined && (auth.token === undefined || /PASSWORD/.test(code))) {
    return "password";
  }
  if (auth.token !== undefined) return "token";
  if (auth.deviceToken !== undefined) return "device token";
  return auth.bootstrapToken === undefined ? undefined : "join line";
}

/** The same error with the story as its hint; errors that are not about credentials stay as they are. */
export function withRepair(error: unknown, facts: CredentialFacts): unknown {
  if (!isOpenclawError(error)) return error;
  const story = refusedCredential(error, facts);
  return story === undefined ? error : reworded(error, story, error.details);
}

/** "the token from OPENCLAW_GATEWAY_TOKEN was refused; repair it: …", or `undefined` for other errors. */
export function refusedCredential(
  error: OpenclawError,
  facts: CredentialFacts,
): string | undefined {
  if (facts.droppedToken && MISSING.test(error.code)) {
    return `the stored device token was refused and dropped, and no shared secret is configured; ${
      joinAgain(facts)
    }`;
  }
  if (facts.role === "node" && MISSING.test(error.code)) {
    const kind = error.code === "AUTH_PASSWORD_MISSING" ? "password" : "token";
    const variable = `OPENCLAW_GATEWAY_${kind.toUpperCase()}`;
    return `no ${kind} is configured here: export ${variable}=<${kind}>, or join with a line: openclaw connect <line> ` +
      `("openclaw devices join-code" on the gateway's machine prints it)`;
  }
  const sent = error.details?.sent;
  if (sent === "token" || sent === "password") return sharedSecret(sent, facts);
  if (sent === "device token") {
    return `the stored device token was refused and dropped; ${joinAgain(facts)}`;
  }
  if (sent === "join line") {
    const other = facts.role === "operator" ? "a node (no --operator)" : "a person (--operator)";
    return `the secret of the join line was refused: used up, expired, revoked, or made for ${other}; ${
      joinAgain(facts)
    }`;
  }
  return undefined;
}

function sharedSecret(kind: "token" | "password", facts: CredentialFacts): string {
  const source = kind === "token" ? facts.tokenSource : facts.passwordSource;
  const [name, repair] = placeOf(kind, source ?? "env");
  return `the ${kind} from ${name} was refused; repair it: ${repair} ` +
    `("openclaw config get gateway.auth.${kind} --reveal" on the gateway's machine prints it)`;
}

function placeOf(kind: "token" | "password", source: Source): [name: string, repair: string] {
  if (source === "flag") return [`--${kind}`, `--${kind} <${kind}>`];
  if (source === "env") {
    const variable = `OPENCLAW_GATEWAY_${kind.toUpperCase()}`;
    return [variable, `export ${variable}=<${kind}>`];
  }
  const path = `gateway.${source}.${kind}`;
  return [path, `openclaw config set ${path} <${kind}>`];
}

function joinAgain({ role }: CredentialFacts): string {
  const flag = role === "operator" ? " --operator" : "";
  return `repair it: openclaw connect${flag} <line> ` +
    `("openclaw devices join-code${flag}" on the gateway's machine prints it)`;
}

function reworded(
  error: OpenclawError,
  hint: string | undefined,
  details: OpenclawError["details"],
): OpenclawError {
  const { retryAfterMs } = error;
  return new OpenclawError(error.code, error.message, {
    cause: error.cause,
    exitCode: error.exitCode,
    retryable: error.retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  });
}
