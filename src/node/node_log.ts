/**
 * What the node host says about its connection, one line per event, and the state that goes with it. Pure: problem in,
 * words out. The phrases are those of node-host.md 3.2, on which people's scripts match.
 */
import type { Problem } from "../client/keep_connected.ts";
import { isOpenclawError, messageOf } from "../lib/errors.ts";
import type { LogLevel } from "../lib/log.ts";
import { showableWithin } from "../lib/text.ts";
import type { NodeRuntime } from "./files/runtime_file.ts";

/** One line and the state it stands for. */
export interface ProblemReport {
  readonly level: Exclude<LogLevel, "debug">;
  readonly message: string;
  readonly state: NodeRuntime["state"];
  readonly requestId?: string;
}

/** Describes a failed attempt or a lost session; `undefined` = not worth a line (a gateway that is just starting). */
export function describeProblem(problem: Problem): ProblemReport | undefined {
  const { error, verdict, closed } = problem;
  if (verdict.kind === "soon" && verdict.quiet && !closed) return undefined;
  const code = isOpenclawError(error) ? error.code : "UNKNOWN";
  if (code === "PAIRING_REQUIRED") return pairingReport(error);
  if (closed) {
    // N32: the reason is the peer's text.
    const reason = showableWithin(closed.reason, 200) || "no reason given";
    return {
      level: "warn",
      message: `node host gateway closed (${closed.code}): ${reason}`,
      state: "waiting",
    };
  }
  return { level: "error", message: failureText(error, code), state: "waiting" };
}

/** The line of an error that ends the process or delays the next attempt. */
export function failureText(error: unknown, code: string): string {
  const text = messageOf(error);
  const hint = isOpenclawError(error) && error.hint ? `; ${error.hint}` : "";
  if (!/^AUTH_/.test(code)) return `node host gateway connect failed: ${text}${hint}`;
  const unauthorized = text.startsWith("unauthorized") ? text : `unauthorized: ${text}`;
  return `node host gateway connect failed: authentication failed: ${unauthorized} detail=${code}${hint}`;
}

function pairingReport(error: unknown): ProblemReport {
  const requestId = isOpenclawError(error) ? error.details?.["requestId"] : undefined;
  const text = messageOf(error);
  const words = text.startsWith("pairing required") ? text : `pairing required: ${text}`;
  if (typeof requestId !== "string") {
    return {
      level: "warn",
      message: `${words}; approve it on the gateway: openclaw devices approve --latest`,
      state: "pairing",
    };
  }
  return {
    level: "warn",
    message:
      `${words} (requestId: ${requestId}); approve it on the gateway: openclaw devices approve ${requestId}`,
    state: "pairing",
    requestId,
  };
}
