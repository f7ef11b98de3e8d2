/**
 * Digests that bind a rule to exact words: the v4 `argPattern` form, the exact-argv pattern of decision 19 and the
 * old exact-text pattern. Lengths stand before each item, so two different argvs never share an input.
 */
import { sha256Hex, utf8 } from "../lib/bytes.ts";

const V4_PREFIX = "sha256:cwd-argv:v1:";

function lengthPrefixed(items: readonly string[]): string {
  return items.map((item) => `${utf8(item).length}\0${item}\0`).join("");
}

/** `sha256:cwd-argv:v1:<hex>` over cwd and the arguments after argv[0]. Source: node-host.md 7.4 `argPattern`. */
export async function argPatternDigest(cwd: string, args: readonly string[]): Promise<string> {
  const input = lengthPrefixed([cwd]) + `${args.length}\0` + lengthPrefixed(args);
  return V4_PREFIX + await sha256Hex(input);
}

/** What an exact-argv rule is bound to. */
export interface ExactFacts {
  readonly cwd: string;
  readonly args: readonly string[];
  /** Absolute path argv[0] stands for, so that `curl` and the pinned `/usr/bin/curl` of a plan are one command. */
  readonly file: string;
  /** Content hash of a script operand, when there is one: a rewritten script is another command (A07). */
  readonly operandHash: string | undefined;
}

/** Hex digest of the `=argv:<hex>` pattern. Source: decisions.md 19. */
export function exactArgvDigest(facts: ExactFacts): Promise<string> {
  const head = ["openclaw-exact-argv-v1", facts.cwd, facts.file, facts.operandHash ?? ""];
  return sha256Hex(lengthPrefixed(head) + `${facts.args.length}\0` + lengthPrefixed(facts.args));
}

/** First 16 hex digits of the SHA-256 of the canonical text, as in `=command:<hex>`. Source: node-host.md 7.6. */
export async function exactTextDigest(text: string): Promise<string> {
  return (await sha256Hex(text)).slice(0, 16);
}
