/**
 * Version numbers: of the wire protocol and of this program. Source: gateway-protocol.md 2.4, decision 9.
 */

/** Protocol versions this program serves. */
export type ProtocolVersion = 3 | 4;

/** Version told on the wire: calendar style, compatible with the reference's comparisons (decision 9). */
export const WIRE_VERSION = "2026.9.6";
/** Version of this program, printed by `--version`. */
export const OWN_VERSION = "0.1.0";

/** The highest version in the client's range that is served, or `undefined` when there is none. */
export function negotiate(minProtocol: number, maxProtocol: number): ProtocolVersion | undefined {
  if (minProtocol <= 4 && 4 <= maxProtocol) return 4;
  if (minProtocol <= 3 && 3 <= maxProtocol) return 3;
  return undefined;
}
