/**
 * Allowlist patterns: path globs and bare names. Matching compares code units, never folded or normalised forms
 * (X37 confusables); case counts except on Windows (X26). The matcher is a table walk, so no pattern can be slow.
 */
import type { ExecFacts, ExecPlatform } from "../facts.ts";

/** Longest pattern and path that are compared; longer ones never match. */
const MAX_LENGTH = 4096;

/** What a pattern text means. */
export type PatternKind = "path" | "name" | "all" | "exact-argv" | "exact-text" | "unknown";

/** Kind of a pattern: `*` alone, text with a slash or `~`, a bare name, or one of the `=…:` forms. Source: node-host.md 7.4, 7.6. */
export function patternKind(pattern: string): PatternKind {
  if (pattern === "*") return "all";
  if (pattern.startsWith("=argv:")) return "exact-argv";
  if (pattern.startsWith("=command:")) return "exact-text";
  if (pattern.startsWith("=")) return "unknown";
  return /[/\\~]/.test(pattern) ? "path" : "name";
}

type Token = { readonly kind: "char"; readonly char: string } | {
  readonly kind: "one" | "some" | "any";
};

function tokens(pattern: string): Token[] {
  const out: Token[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern.charAt(i);
    if (char === "?") out.push({ kind: "one" });
    else if (char !== "*") out.push({ kind: "char", char });
    else {
      let stars = 1;
      while (pattern.charAt(i + 1) === "*") {
        stars++;
        i++;
      }
      out.push({ kind: stars > 1 ? "any" : "some" });
    }
  }
  return out;
}

/** Whether `*` (one segment), `**` (across) and `?` (one non-slash) in `pattern` cover the whole of `text`. */
export function globMatches(pattern: string, text: string): boolean {
  if (pattern.length > MAX_LENGTH || text.length > MAX_LENGTH) return false;
  if (!/[*?]/.test(pattern)) return pattern === text;
  let reachable = new Uint8Array(text.length + 1);
  reachable[0] = 1;
  for (const token of tokens(pattern)) {
    reachable = step(token, text, reachable);
    if (!reachable.includes(1)) return false;
  }
  return reachable[text.length] === 1;
}

function step(token: Token, text: string, from: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const to = new Uint8Array(text.length + 1);
  const spans = token.kind === "some" || token.kind === "any";
  for (let i = 0; i <= text.length; i++) {
    if (spans) {
      const crosses = token.kind === "any" || text.charAt(i - 1) !== "/";
      to[i] = from[i] === 1 || (i > 0 && to[i - 1] === 1 && crosses) ? 1 : 0;
    } else if (i > 0 && from[i - 1] === 1) {
      const char = text.charAt(i - 1);
      to[i] = (token.kind === "char" ? char === token.char : char !== "/") ? 1 : 0;
    }
  }
  return to;
}

function comparable(text: string, platform: ExecPlatform): string {
  return platform === "windows" ? text.replaceAll("\\", "/").toLowerCase() : text;
}

/** Whether a path pattern covers one of `paths`; `~` or the home directory in front stands for its name and its real path. */
export function pathPatternMatches(
  pattern: string,
  paths: readonly string[],
  facts: Pick<ExecFacts, "platform" | "home" | "homeReal">,
): boolean {
  const { home, homeReal } = facts;
  const rest = /^~(?=[/\\]|$)/.test(pattern)
    ? pattern.slice(1)
    : pattern.startsWith(`${home}/`)
    ? pattern.slice(home.length)
    : undefined;
  const forms = rest === undefined ? [pattern] : [home + rest, homeReal + rest];
  return forms.some((form) =>
    paths.some((path) =>
      globMatches(comparable(form, facts.platform), comparable(path, facts.platform))
    )
  );
}

/** Whether a bare-name pattern covers the word as the caller wrote it: same name, and no slash in the word. */
export function namePatternMatches(pattern: string, word: string, platform: ExecPlatform): boolean {
  if (word.includes("/") || (platform === "windows" && word.includes("\\"))) return false;
  return globMatches(comparable(pattern, platform), comparable(word, platform)) ||
    (platform === "windows" &&
      comparable(word, platform).replace(/\.(?:exe|cmd|bat|com)$/, "") ===
        comparable(pattern, platform));
}
