/**
 * Programs that need no rule as long as they only read their input: an option table for each, everything not in the table
 * is refused, and no word may name a file (X29, X30). They count only in trusted directories (X32).
 * Source: node-host.md 7.4 "Safe bins".
 */
import { baseName } from "../reading/paths.ts";
import { inTrustedDirectory, type Resolved, SYSTEM_DIRS } from "../reading/resolve.ts";

/** Options of a program that make it a filter and nothing else. */
export interface SafeBinProfile {
  /** Letters of short options without a value. */
  readonly flags?: string;
  /** Letters of short options with a value. */
  readonly valueFlags?: string;
  /** Long options without a value. */
  readonly longFlags?: readonly string[];
  /** Long options with a value. */
  readonly longValueFlags?: readonly string[];
  /** Whether `-5` and `+5` are counts. */
  readonly counts?: boolean;
  /** How many words may stand besides options; they must not be file names. Default 0. */
  readonly minPositional?: number;
  readonly maxPositional?: number;
  /** Words besides options are text for the program, not file names, so `/` and `*` are fine in them. */
  readonly positionalIsText?: boolean;
  /** An option that takes the place of one positional word, as `-e` of grep does. */
  readonly replacesPositional?: string;
}

const PROFILES: Readonly<Record<string, SafeBinProfile>> = {
  cut: {
    flags: "snz",
    valueFlags: "bcdf",
    longFlags: ["complement", "only-delimited", "zero-terminated"],
    longValueFlags: ["bytes", "characters", "fields", "delimiter", "output-delimiter"],
  },
  uniq: {
    flags: "cduizD",
    valueFlags: "fsw",
    longFlags: [
      "count",
      "repeated",
      "unique",
      "ignore-case",
      "zero-terminated",
      "all-repeated",
      "group",
    ],
    longValueFlags: ["skip-fields", "skip-chars", "check-chars"],
  },
  head: {
    flags: "qvz",
    valueFlags: "nc",
    longFlags: ["quiet", "silent", "verbose", "zero-terminated"],
    longValueFlags: ["lines", "bytes"],
    counts: true,
  },
  tail: {
    flags: "qvz",
    valueFlags: "nc",
    longFlags: ["quiet", "silent", "verbose", "zero-terminated"],
    longValueFlags: ["lines", "bytes"],
    counts: true,
  },
  tr: {
    flags: "cCdst",
    longFlags: ["complement", "delete", "squeeze-repeats", "truncate-set1"],
    minPositional: 1,
    maxPositional: 2,
    positionalIsText: true,
  },
  wc: { flags: "cmlLw", longFlags: ["bytes", "chars", "lines", "max-line-length", "words"] },
  grep: {
    flags: "ivwxconhHsqlLEFGPabzyZU",
    valueFlags: "eABCm",
    longFlags: [
      "ignore-case",
      "invert-match",
      "word-regexp",
      "line-regexp",
      "count",
      "only-matching",
      "line-number",
      "no-filename",
      "with-filename",
      "no-messages",
      "quiet",
      "silent",
      "files-with-matches",
      "files-without-match",
      "extended-regexp",
      "fixed-strings",
      "basic-regexp",
      "perl-regexp",
      "text",
      "byte-offset",
      "null-data",
      "null",
      "line-buffered",
      "color",
      "colour",
      "no-ignore-case",
    ],
    longValueFlags: ["regexp", "after-context", "before-context", "context", "max-count"],
    maxPositional: 1,
    minPositional: 1,
    positionalIsText: true,
    replacesPositional: "e",
  },
  sort: {
    flags: "nrufdghiMVbcCsmRz",
    valueFlags: "ktS",
    longFlags: [
      "numeric-sort",
      "reverse",
      "unique",
      "ignore-case",
      "dictionary-order",
      "general-numeric-sort",
      "human-numeric-sort",
      "ignore-nonprinting",
      "month-sort",
      "version-sort",
      "ignore-leading-blanks",
      "check",
      "stable",
      "merge",
      "random-sort",
      "zero-terminated",
    ],
    longValueFlags: ["key", "field-separator", "buffer-size", "parallel", "sort"],
  },
};

/** Programs that run code given in their arguments; no configuration makes them safe. */
const NEVER_SAFE = /^(?:g|m|n)?awk$|^g?sed$|^jq$/;

/** Settings that decide whether a program counts as a safe bin. */
export interface SafeBinSettings {
  readonly safeBins: readonly string[];
  readonly safeBinTrustedDirs: readonly string[];
  readonly safeBinProfiles: Readonly<Record<string, SafeBinProfile>>;
}

/** `safe`, or why a listed program is not used safely; `undefined` when the program is not listed at all. */
export type SafeBinVerdict = { readonly safe: true } | {
  readonly safe: false;
  readonly why: string;
} | undefined;

/** Judges a command whose program may be a safe bin. */
export function judgeSafeBin(
  argv: readonly string[],
  resolved: Resolved,
  settings: SafeBinSettings,
): SafeBinVerdict {
  const name = baseName(resolved.path);
  if (!settings.safeBins.includes(name) || NEVER_SAFE.test(name)) return undefined;
  if (!inTrustedDirectory(resolved, [...SYSTEM_DIRS, ...settings.safeBinTrustedDirs])) {
    return { safe: false, why: `"${resolved.path}" is not in a trusted directory` };
  }
  const profile = Object.hasOwn(settings.safeBinProfiles, name)
    ? settings.safeBinProfiles[name]
    : PROFILES[name];
  if (!profile) return { safe: false, why: `no option table is known for "${name}"` };
  const why = firstUnsafe(argv.slice(1), profile);
  return why === undefined ? { safe: true } : { safe: false, why: `as a safe bin ${name} ${why}` };
}

interface Walk {
  readonly profile: SafeBinProfile;
  readonly args: readonly string[];
  at: number;
  replaced: number;
}

function firstUnsafe(args: readonly string[], profile: SafeBinProfile): string | undefined {
  const walk: Walk = { profile, args, at: 0, replaced: 0 };
  const positional: string[] = [];
  for (; walk.at < args.length; walk.at++) {
    const word = args[walk.at] ?? "";
    if (word === "--") {
      positional.push(...args.slice(walk.at + 1));
      break;
    }
    if (word === "-") continue;
    if (profile.counts && /^[-+]\d+$/.test(word)) continue;
    const problem = word.startsWith("--")
      ? longProblem(word, walk)
      : word.startsWith("-")
      ? shortProblem(word, walk)
      : undefined;
    if (problem !== undefined) return problem;
    if (!word.startsWith("-")) positional.push(word);
  }
  return positionalProblem(positional, walk);
}

function longProblem(word: string, walk: Walk): string | undefined {
  const [name = "", value] = word.slice(2).split(/=(.*)/s);
  if (walk.profile.longValueFlags?.includes(name)) {
    if (value === undefined) walk.at++;
    if (name === "regexp") walk.replaced++;
    return undefined;
  }
  return walk.profile.longFlags?.includes(name) ? undefined : `may not be given "${word}"`;
}

function shortProblem(word: string, walk: Walk): string | undefined {
  for (let i = 1; i < word.length; i++) {
    const letter = word.charAt(i);
    if (walk.profile.valueFlags?.includes(letter)) {
      if (i === word.length - 1) walk.at++;
      if (letter === walk.profile.replacesPositional) walk.replaced++;
      return undefined;
    }
    if (!walk.profile.flags?.includes(letter)) return `may not be given "${word}"`;
  }
  return undefined;
}

function positionalProblem(
  words: readonly string[],
  { profile, replaced }: Walk,
): string | undefined {
  const max = replaced > 0 ? 0 : profile.maxPositional ?? 0;
  const min = replaced > 0 ? 0 : profile.minPositional ?? 0;
  if (words.length > max) return `may not be given the file "${words[max]}"`;
  if (words.length < min) return "needs more words";
  if (profile.positionalIsText) return undefined;
  const odd = words.find((word) => /[/\\~*?[\]]/.test(word) || word.startsWith("."));
  return odd === undefined ? undefined : `may not be given "${odd}", which looks like a file`;
}
