/**
 * Command text: how an argv is shown and compared on the wire, and how a word is quoted for a person.
 * The text is for reading and for binding only; what runs is always the argv (pattern "string judged is not the argv").
 */
import { baseName } from "./reading/paths.ts";

const NEEDS_QUOTES = /[\s"]/;
const SHELL_NAMES = new Set(["sh", "bash", "zsh", "dash", "ash", "ksh", "fish"]);

/** Canonical text of an argv. Source: node-host.md 5.2. */
export function commandText(argv: readonly string[]): string {
  return argv.map((word) =>
    word === "" ? '""' : NEEDS_QUOTES.test(word) ? `"${word.replaceAll('"', '\\"')}"` : word
  ).join(" ");
}

/** Whether {@linkcode commandText} of this argv can come from no other argv: nothing in it needed an escape. */
export function textIsUnambiguous(argv: readonly string[]): boolean {
  return argv.every((word) => !/["\\]/.test(word));
}

/**
 * The inline script of a shell wrapper, shown instead of the whole text; `null` when an `env` with assignments
 * precedes the shell or when non-blank arguments follow the script (X21). Source: node-host.md 5.2.
 */
export function commandPreview(argv: readonly string[]): string | null {
  const name = baseName(argv[0] ?? "");
  if (!SHELL_NAMES.has(name)) return null;
  const flag = argv[1] ?? "";
  const script = argv[2];
  if (!/^-[a-z]*c[a-z]*$/.test(flag) || script === undefined || script.startsWith("-")) return null;
  return argv.slice(3).some((word) => word.trim() !== "") ? null : script;
}

/** Details of a refused `rawCommand`. */
export interface RawMismatch {
  readonly code: "RAW_COMMAND_MISMATCH";
  readonly rawCommand: string;
  readonly inferred: string;
  readonly formattedArgv: string;
}

/** Compares caller-given text with the argv; `undefined` when it fits (X24). Source: node-host.md 5.1 `rawCommand`. */
export function checkRawCommand(
  argv: readonly string[],
  rawCommand: string | null | undefined,
): RawMismatch | undefined {
  if (rawCommand === undefined || rawCommand === null) return undefined;
  const text = commandText(argv);
  const preview = commandPreview(argv);
  if (rawCommand === text || (preview !== null && rawCommand === preview)) return undefined;
  return {
    code: "RAW_COMMAND_MISMATCH",
    rawCommand,
    inferred: preview ?? text,
    formattedArgv: text,
  };
}

/**
 * A word quoted so that a POSIX shell reads it back unchanged; plain words stay as they are. For display only. What a
 * person on Windows pastes (paths, patterns) gets double quotes, which cmd.exe and PowerShell read alike.
 */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !word.startsWith("=")) return word;
  const everywhere = /^[\w@+=:,./\\ ()~*?-]+$/.test(word) && !/\\(?:\\|$)/.test(word);
  if (everywhere && /^=|\\/.test(word)) return `"${word}"`;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
