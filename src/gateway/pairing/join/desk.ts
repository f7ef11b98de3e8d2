/**
 * Join codes as the HTTP server and the methods see them. Types only: the desk is `codes.ts`.
 */

/** Answer of `GET /j/<code>`. Source: gateway-protocol.md 15.3. */
export interface JoinAnswer {
  readonly status: 200 | 404;
  /** JSON text. */
  readonly body: string;
}

/** The part of the join desk the HTTP handler uses. */
export interface JoinDesk {
  /**
   * Redeems a join URL once: the same object as in the setup code, afterwards `{"error":"not_found"}` as for an unknown
   * code (I16). The caller throttles by address (`device-join`) and counts every 404 as a failure.
   */
  fetchJoinPayload(code: string): Promise<JoinAnswer>;
}
