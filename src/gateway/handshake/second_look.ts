/**
 * Judges what lets a connection in by what is in force when it gets in. A whois, a hash and above all the disk take their
 * time: the secret may be another by then, or the device's token reach less far, and a session that is not live yet is
 * ended by nobody (I12, I14).
 */
import { coversAll } from "../../protocol/scopes.ts";
import {
  type AuthPolicy,
  checkSecret,
  type SecretQuestion,
  type SecretVerdict,
} from "../auth/auth.ts";
import type { Admitted } from "../pairing/desk.ts";
import type { Gate } from "./gate.ts";
import type { Grant } from "./types.ts";

/** A verdict on the shared credentials, and the policy it was given by. */
export interface Judged {
  readonly secret: SecretVerdict;
  readonly policy: AuthPolicy;
}

type Judges = Pick<Gate, "auth" | "throttle">;

/** Judges the shared credentials by the policy that is in force when the verdict is there. */
export async function judgeSecret(question: SecretQuestion, gate: Judges): Promise<Judged> {
  for (;;) {
    const policy = gate.auth();
    const secret = await checkSecret(question, policy, gate.throttle);
    if (policy === gate.auth()) return { secret, policy };
  }
}

/** An admission that is on disk, and what it rests on. */
export interface SecondLook {
  readonly question: SecretQuestion;
  readonly grant: Grant;
  readonly admitted: Admitted;
  /** Of {@linkcode judgeSecret}. */
  readonly policy: AuthPolicy | undefined;
}

/** Whether the grant still rests on something. Counts no guess: the secret was right when it was sent. */
export async function stillHolds(look: SecondLook, gate: Judges): Promise<boolean> {
  const { question, grant, admitted, policy } = look;
  if (grant.method === "bootstrap-token") return true;
  if (grant.method === "device-token") {
    return question.role === "node" || coversAll(admitted.tokenScopes, grant.scopes);
  }
  if (policy === gate.auth()) return true;
  const { secret } = await judgeSecret(question, gate);
  return secret.ok && secret.method === grant.method;
}
