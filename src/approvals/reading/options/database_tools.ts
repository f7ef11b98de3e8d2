/**
 * Database shells and other programs that take commands of their own language, some of which start programs. Owns which
 * words of theirs do so, and which of them read such commands from their input. Data for `tool_options.ts`.
 */
import { baseName, isInputPath } from "../paths.ts";
import type { ToolRule } from "./options.ts";

const SQLITE_HARMLESS =
  /^\.(?:tables?|schema|headers?|mode|databases|dump|indexes|indices|width|timer|stats|quit|exit|show|separator|nullvalue|bail|echo)\b[^|]*$/i;
const SQLITE_CODE = /^--?(?:cmd|init)$|edit\s*\(|load_extension|writefile|fts3_tokenizer/i;

/** Line by line: a dot command counts wherever a line begins. */
function sqliteWord(word: string): boolean {
  return SQLITE_CODE.test(word) || word.split("\n").map((line) => line.trim())
    .some((line) => line.startsWith(".") && !SQLITE_HARMLESS.test(line));
}

/** Rules of database shells. */
export const DATABASE_TOOLS: readonly ToolRule[] = [
  {
    names: /^(?:sqlite3?|sqlcipher|duckdb)$/,
    long: ["cmd", "init"],
    word: { test: sqliteWord },
  },
  {
    names: /^(?:mysql|mariadb)(?:dump|admin|slap|-dump|-admin|-slap)?$/,
    long: [
      "pager",
      "loose-pager",
      "pre-system",
      "post-system",
      "init-command",
      "defaults-file",
      "defaults-extra-file",
      "plugin-dir",
    ],
    word: /\\[!PTe.]|(?:^|[;\n=][^\S\n]*)(?:system|pager|tee|source|edit)\b/i,
  },
  { names: /^(?:usql|sqlplus|sqlcmd|isql)$/, word: /(?:^|[;\n])\s*(?:!|\\!|host\b|:!!)/i },
  {
    names: /^psql$/,
    long: ["file", "output", "log-file"],
    word:
      /\\[!|gioews]|^-[a-zA-Z]*[foL]|\b(?:to|from)\s+program\b|\/\*|--\s|^(?:-v|--set=|--variable=)?[A-Z]*(?:PAGER|EDITOR)/i,
  },
];

const READS_COMMANDS =
  /^(?:sqlite3?|psql|mysql|mariadb|sftp|ftp|lftp|ncftp|smbclient|debugfs|telnet|ed|red|mail|mailx|dc|usql|sqlplus|sqlcmd|isql|duckdb|sqlcipher)$/;

/** Editors take what is piped into them for keys or commands, whatever their options say. */
const EDITORS =
  /^(?:r?vi|r?vim|n?vi|nvim|g?vim|r?view|gview|g?vimdiff|evim|ex|vifm|kak|nex|elvis)$/;

const SQLITE_FLAGS =
  /^--?(?:header|noheader|csv|json|line|list|column|html|box|table|markdown|tabs|quote|ascii|batch|bail|readonly|echo|safe|stats|version|help|nofollow)$/;

/**
 * Whether a program would read commands, some of which start programs, from what is piped into it (X01). SQL or a script
 * given as an option or a second word takes the place of the input, except where it does not.
 */
export function readsCommands(argv: readonly string[]): boolean {
  const name = baseName(argv[0] ?? "");
  const args = argv.slice(1);
  if (EDITORS.test(name)) return true;
  // openssl reads sub-commands when it is given none.
  if (name === "openssl") return args.length === 0;
  if (!READS_COMMANDS.test(name)) return false;
  if (args.includes("-") || args.some(isInputPath)) return true;
  if (/^(?:sqlite|sqlcipher|duckdb)/.test(name)) {
    const options = args.filter((word) => word.startsWith("-"));
    // Another option could take a word, which is then neither the database nor SQL.
    if (!options.every((word) => SQLITE_FLAGS.test(word))) return true;
    return args.length - options.length < 2 && !options.some((word) => /^--?safe$/.test(word));
  }
  return !args.some((word) =>
    /^(?:-[a-zA-Z]*[bce]|--(?:batchfile|command|execute|version|help)(?:=|$))/.test(word)
  );
}
