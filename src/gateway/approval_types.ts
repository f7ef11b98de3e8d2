/**
 * Open exec approvals as the methods and the server see them. Types only: the desk is `approval_desk.ts`.
 */
import type { Principal } from "./principal.ts";

/** What a reviewer can answer. */
export type ApprovalDecision = "allow-once" | "allow-always" | "deny";

/** Who asked or answered: one live connection. */
export interface ApprovalParty {
  readonly connId: string;
  readonly principal: Principal;
}

/** The desk as the server sees it; methods use the class itself. */
export interface ApprovalDesk {
  /** Open requests, for status. */
  readonly open: number;
  /** A connection ended: requests that only it waits for stay until they expire; reviewers are recounted. */
  disconnected(connId: string): void;
  /** Cancels every open request, for shutdown. */
  stop(): void;
}
