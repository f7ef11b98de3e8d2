/**
 * What a credential in the configuration can be: a value, or a reference to where the value is. Owns the shape
 * and its checks; fetching a referenced value is `secrets/secret_ref.ts`.
 */
import { isObject } from "../../lib/objects.ts";
import { Secret, secretOf } from "../../lib/secret.ts";

/** What `config get` and the RPC show instead of a secret. Rejected as input. Source: section 3. */
export const REDACTED = "__OPENCLAW_REDACTED__";

/** Where a secret comes from. Source: config-and-credentials.md 4. */
export interface SecretRef {
  readonly source: "env" | "file" | "exec";
  /** Alias of an entry of `secrets.providers`; `undefined` = `secrets.defaults.<source>`, else `default`. */
  readonly provider: string | undefined;
  readonly id: string;
}

/** A credential as configured. */
export type SecretInput =
  | { readonly kind: "value"; readonly secret: Secret }
  | {
    readonly kind: "ref";
    readonly ref: SecretRef;
    /** Written as `${NAME}`: unresolved, it counts as unset instead of failing. Source: section 1. */
    readonly placeholder: boolean;
  };

const ALIAS = /^[a-z][a-z0-9_-]{0,63}$/;
const ENV_ID = /^[A-Z][A-Z0-9_]{0,127}$/;
const EXEC_ID = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}$/;
const FILE_ID = /^(?:\/(?:[^~]|~[01])*|value)$/s;

/** Whether `alias` may name a provider. */
function isProviderAlias(alias: string): boolean {
  return ALIAS.test(alias);
}

/** What is wrong with the id of a reference, or `undefined`. Source: section 4 table. */
function refIdProblem(source: SecretRef["source"], id: string): string | undefined {
  if (source === "env") return ENV_ID.test(id) ? undefined : "id must be an upper-case name";
  if (source === "file") {
    return FILE_ID.test(id) ? undefined : 'id must be a JSON pointer ("/a/b") or "value"';
  }
  const dotted = id.split("/").some((part) => part === "." || part === "..");
  return EXEC_ID.test(id) && !dotted ? undefined : "id has characters that are not allowed";
}

/** A credential from its configured value, or the text of what is wrong. `undefined` = unset (blank). */
export function parseSecretInput(value: unknown): SecretInput | undefined | string {
  if (typeof value === "string") return textInput(value);
  if (!isObject(value)) return "Invalid input: expected text or a secret reference";
  const { source, provider, id, ...rest } = value;
  const extra = Object.keys(rest)[0];
  if (extra !== undefined) return `Unrecognized key: ${JSON.stringify(extra)}`;
  if (source !== "env" && source !== "file" && source !== "exec") {
    return 'Invalid input (allowed: "env", "file", "exec") for source';
  }
  if (provider !== undefined && (typeof provider !== "string" || !isProviderAlias(provider))) {
    return "Invalid input: provider must be a lower-case name";
  }
  if (typeof id !== "string") return "Invalid input: id must be text";
  const problem = refIdProblem(source, id);
  if (problem !== undefined) return `Invalid input: ${problem}`;
  return { kind: "ref", ref: { source, provider, id }, placeholder: false };
}

function textInput(value: string): SecretInput | undefined | string {
  if (value.trim() === REDACTED) {
    return `Invalid input: ${REDACTED} is what is shown instead of a secret, not a secret`;
  }
  const name = /^\$\{([A-Z][A-Z0-9_]{0,127})\}$/.exec(value.trim())?.[1];
  if (name !== undefined) {
    return {
      kind: "ref",
      ref: { source: "env", provider: undefined, id: name },
      placeholder: true,
    };
  }
  const secret = secretOf(value);
  return secret ? { kind: "value", secret } : undefined;
}
