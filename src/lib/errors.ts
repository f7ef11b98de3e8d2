/**
 * The one class for expected failures. Owns its shape and how it is rendered as data;
 * printing it belongs to `cli/terminal/output.ts`, sending it to `gateway/dispatch.ts`.
 */

/** Optional facts of an {@linkcode OpenclawError}. */
export interface ErrorFacts {
  /** Next step: one command that can be pasted, or one question. */
  readonly hint?: string;
  /** What caused this failure; never shown to a remote peer. */
  readonly cause?: unknown;
  /** Whether the same call may succeed later without any change. Default `false`. */
  readonly retryable?: boolean;
  /** How long to wait before the next try, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Safe details for programs; must be JSON and hold no secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Process exit code of a command that ends with this error. Default 1. */
  readonly exitCode?: number;
}

/**
 * An expected failure. `code` is stable, upper snake and listed in `protocol/errors.ts`.
 * The message says what was tried, on what and why it failed: sentence case, no full stop, no secret.
 */
export class OpenclawError extends Error {
  override readonly name = "OpenclawError";
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly exitCode: number;

  constructor(code: string, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.hint = facts.hint;
    this.retryable = facts.retryable ?? false;
    this.retryAfterMs = facts.retryAfterMs;
    this.details = facts.details;
    this.exitCode = facts.exitCode ?? 1;
  }
}

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s*[\r\n]+\s*/g, " ").trim();
}

/** Whether `error` is an {@linkcode OpenclawError} with one of `codes` (any code when none is given). */
export function isOpenclawError(error: unknown, ...codes: string[]): error is OpenclawError {
  return error instanceof OpenclawError && (codes.length === 0 || codes.includes(error.code));
}
