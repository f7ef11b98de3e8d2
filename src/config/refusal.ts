/**
 * Configuration refusals of a gateway: errors that no restart can heal, so that service managers stop retrying.
 * Source: config-and-credentials.md 8.
 */
import { OpenclawError } from "../lib/errors.ts";

/** Exit code of a refusal (`RestartPreventExitStatus=78`). */
export const CONFIG_REFUSAL_EXIT_CODE = 78;

/** A refusal with the command that ends it. */
export function refusal(code: string, message: string, hint: string): OpenclawError {
  return new OpenclawError(code, message, { hint, exitCode: CONFIG_REFUSAL_EXIT_CODE });
}

/** Throws an expected failure as a refusal, anything else as it is. */
export function throwAsRefusal(error: unknown): never {
  if (!(error instanceof OpenclawError)) throw error;
  const { code, message, hint, details } = error;
  throw new OpenclawError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
    cause: error,
    exitCode: CONFIG_REFUSAL_EXIT_CODE,
  });
}
