/**
 * One look at a gateway for the status commands: who was asked, and how far it came. "Not running" and "reached but
 * refused" need different next steps, so they have different words. Source: cli.md 6, 8.
 */
import { isOpenclawError, type OpenclawError } from "../../lib/errors.ts";
import type { Session } from "../../client/session.ts";
import { type CliTarget, type Gateway, targetOf, withGateway } from "./connect.ts";
import { coversScope } from "../../protocol/scopes.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "./rpc_flags.ts";

/** How far a look came. */
export type Reach =
  /** A session stood. */
  | "reachable"
  /** A gateway answered and did not let this machine in. */
  | "refused"
  /** Something answered, but no session with a gateway came of it. */
  | "no session"
  /** Nobody answered. */
  | "unreachable"
  /** Nothing was sent: the address or the credentials do not allow it. */
  | "not tried";

/** By error code; what is not listed is a gateway's own word. */
const REACH: Readonly<Record<string, Reach>> = Object.assign(Object.create(null), {
  CONNECTION_REFUSED: "unreachable",
  CONNECTION_FAILED: "unreachable",
  CONNECT_TIMEOUT: "unreachable",
  DNS_FAILED: "unreachable",
  CONNECTION_LOST: "no session",
  HANDSHAKE_FAILED: "no session",
  HANDSHAKE_TIMEOUT: "no session",
  HTTP_REFUSED: "no session",
  NOT_A_GATEWAY: "no session",
  REQUEST_TIMEOUT: "no session",
  TLS_FAILED: "no session",
  TLS_NOT_SPOKEN: "no session",
  TLS_PIN_MISMATCH: "no session",
  TLS_UNTRUSTED: "no session",
  CERTIFICATE_UNREADABLE: "not tried",
  CONFIG_INVALID: "not tried",
  DEVICE_KEY_UNUSABLE: "not tried",
  DISK_FULL: "not tried",
  ENDPOINT_MALFORMED: "not tried",
  FILE_FAILED: "not tried",
  FILE_TOO_BIG: "not tried",
  FILE_UNSAFE: "not tried",
  GATEWAY_REMOTE_URL_MISSING: "not tried",
  GATEWAY_SECRET_REF_UNAVAILABLE: "not tried",
  GATEWAY_URL_CREDENTIALS_MISSING: "not tried",
  PIN_MALFORMED: "not tried",
  PLAINTEXT_REFUSED: "not tried",
  STATE_READ_ONLY: "not tried",
  TLS_PIN_WITHOUT_TLS: "not tried",
  TOKEN_STORE_UNREADABLE: "not tried",
});

/** How far an attempt came that ended with this error. */
export function reachOf({ code }: Pick<OpenclawError, "code">): Reach {
  return REACH[code] ?? (/^(SSH|TUNNEL)_/.test(code) ? "unreachable" : "refused");
}

/** What an operator with these scopes can do, in one word. Source: cli.md 6. */
export function capabilityOf(scopes: readonly string[]): string {
  if (coversScope(scopes, "operator.admin")) return "admin_capable";
  if (coversScope(scopes, "operator.write")) return "write_capable";
  return coversScope(scopes, "operator.read") ? "read_only" : "connected_no_operator_scope";
}

/** What a look found. */
export interface Look<T> {
  readonly reach: Reach;
  /** `undefined` when no gateway could be decided on. */
  readonly target: CliTarget | undefined;
  /** From dial to hello, milliseconds. */
  readonly latencyMs: number | null;
  readonly hello: Session["hello"] | undefined;
  readonly answer: T | undefined;
  readonly error: OpenclawError | undefined;
}

/** Connects with the gateway's own credentials only, reads, and hangs up. An expected failure is part of the result. */
export async function lookAtGateway<T>(
  values: RpcValues,
  io: Io,
  read: (gateway: Gateway) => Promise<T>,
): Promise<Look<T>> {
  let target: CliTarget | undefined;
  let met: Pick<Look<T>, "latencyMs" | "hello"> = { latencyMs: null, hello: undefined };
  const needs = { scopes: ["operator.read"], strict: true };
  try {
    target = await targetOf(io, values, needs);
    const startMs = performance.now();
    return await withGateway(io, values, needs, async (gateway) => {
      met = {
        latencyMs: Math.round(performance.now() - startMs),
        hello: gateway.session.hello,
      };
      const answer = await read(gateway);
      return { reach: "reachable", target, ...met, answer, error: undefined };
    });
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    const reach = met.hello ? "reachable" : reachOf(error);
    return { reach, target, ...met, answer: undefined, error };
  }
}
