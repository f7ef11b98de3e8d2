/**
 * Operator scopes and what implies what. Pure; checking a caller belongs to `gateway/dispatch.ts`.
 * Source: gateway-protocol.md 10.
 */

/** Scopes this program's methods ask for. */
export type Scope =
  | "operator.read"
  | "operator.write"
  | "operator.admin"
  | "operator.approvals"
  | "operator.pairing"
  | "operator.talk.secrets"
  | "operator.questions"
  | "operator.talk";

/** What an owner holds. */
export const ALL_SCOPES: readonly Scope[] = [
  "operator.admin",
  "operator.approvals",
  "operator.pairing",
  "operator.read",
  "operator.write",
];

/** Whether a caller holding `granted` may do what needs `required`. Unknown scope strings mean nothing. */
export function coversScope(granted: readonly string[], required: string): boolean {
  if (granted.includes(required) || granted.includes("operator.admin")) return true;
  if (!granted.includes("operator.write")) return false;
  return required === "operator.read" || required === "operator.talk" ||
    required === "sessions.read" || required === "sessions.write";
}

/** The first of `required` that `granted` does not cover. */
export function missingScope(
  granted: readonly string[],
  required: readonly string[],
): string | undefined {
  return required.find((scope) => !coversScope(granted, scope));
}

/** Whether every scope of `asked` is covered by `granted` (I04, I06: nobody hands out more than they hold). */
export function coversAll(granted: readonly string[], asked: readonly string[]): boolean {
  return missingScope(granted, asked) === undefined;
}
