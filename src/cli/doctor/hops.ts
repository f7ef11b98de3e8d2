/**
 * The hops from this machine to a gateway and on to a command on a node, and what a diagnosis is. Types and data only.
 */

/** The hops in the order they are passed. */
export const HOPS = [
  "config",
  "name",
  "route",
  "tcp",
  "tls",
  "pin",
  "upgrade",
  "challenge",
  "credential",
  "pairing",
  "surface",
  "policy",
  "run",
] as const;

/** One hop. */
export type Hop = typeof HOPS[number];

/** What a failure code means. */
export interface Diagnosis {
  readonly hop: Hop;
  readonly cause: string;
  /** One command to paste; `<…>` are facts filled in by the caller. */
  readonly command?: string;
}
