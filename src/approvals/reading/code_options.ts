/**
 * Ordinary programs with options that run other programs: `find -exec`, `tar --to-command`, `git -c core.pager`.
 * An allowlist entry for the program does not cover such a use (class of X15, X30): the inner command of `find` and
 * `xargs` is judged on its own, the rest needs an exact rule or an approval.
 */
import { type Refusal, refusal } from "../facts.ts";
import { baseName } from "./paths.ts";
import { sedRunsNothing } from "./sed_script.ts";

/** A command inside another's arguments, from `start` up to `end` (exclusive); more arguments are added at run time. */
export interface NestedCommand {
  readonly start: number;
  readonly end: number;
}

/** What the arguments of an ordinary program hide. */
export interface CodeOptions {
  readonly refusal?: Refusal;
  readonly nested: readonly NestedCommand[];
}

type Reader = (argv: readonly string[]) => string | undefined;

const SAFE_GIT_KEYS =
  /^(?:user\.(?:name|email|signingkey)|color\.[a-z.]+|advice\.[a-z]+|init\.defaultbranch|safe\.directory|core\.(?:autocrlf|quotepath|longpaths|filemode|ignorecase|abbrev|eol|safecrlf|compression|preloadindex)|commit\.gpgsign|tag\.gpgsign|gc\.auto|log\.[a-z]+|diff\.(?:renames|context|algorithm|noprefix|mnemonicprefix)|merge\.(?:conflictstyle|ff|renames)|pull\.(?:rebase|ff)|push\.(?:default|autosetupremote)|rebase\.(?:autostash|autosquash)|fetch\.prune|protocol\.version|http\.(?:postbuffer|version|lowspeedlimit|lowspeedtime)|status\.[a-z]+|pack\.[a-z]+|index\.[a-z]+|feature\.[a-z]+|maintenance\.auto)$/;

/** Reads long options by any unambiguous or ambiguous prefix of at least three letters, as getopt_long does. */
function longOption(argv: readonly string[], names: readonly string[]): string | undefined {
  return argv.slice(1).find((word) => {
    const option = /^--([a-z][a-z0-9-]+)/.exec(word)?.[1];
    return option !== undefined && option.length >= 3 &&
      names.some((name) => name.startsWith(option));
  });
}

function shortOption(argv: readonly string[], shape: RegExp): string | undefined {
  return argv.slice(1).find((word) => shape.test(word));
}

const git: Reader = (argv) => {
  for (let i = 1; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (
      word === "-c" &&
      !SAFE_GIT_KEYS.test((argv[i + 1] ?? "").split("=")[0]?.toLowerCase() ?? "") &&
      beforeVerb(argv, i)
    ) {
      return `-c ${argv[i + 1] ?? ""}`;
    }
    if (/^-c./.test(word) && beforeVerb(argv, i)) return word;
    if (
      /^(?:--exec-path=|--config-env|--upload-pack|--receive-pack|--exec(?:=|$)|--extcmd|--open-files-in-pager|--ext-diff|--textconv|--template|--tool|--config(?:=|$)|--upload-p|--receive-p)/
        .test(word)
    ) return word;
    if (/^(?:ext|fd)::/.test(word)) return word;
  }
  const at = argv.findIndex((_, i) => i > 0 && beforeVerb(argv, i) && isVerb(argv, i));
  const verb = argv[at] ?? "";
  const rest = argv.slice(at + 1);
  if (verb === "submodule" && rest.includes("foreach")) return "submodule foreach";
  if (verb === "bisect" && rest.includes("run")) return "bisect run";
  if (
    /^(?:filter-branch|difftool|mergetool|credential|daemon|send-email|instaweb|web--browse|gui|citool)$/
      .test(verb)
  ) return verb;
  if (verb === "rebase" && rest.some((word) => /^(?:-x|-i|--interactive)/.test(word))) {
    return "rebase with commands";
  }
  if (verb === "grep" && rest.some((word) => /^-O/.test(word))) return "grep -O";
  if (/^(?:clone|fetch|pull|ls-remote)$/.test(verb) && rest.some((word) => /^-u/.test(word))) {
    return `${verb} -u`;
  }
  if (
    verb === "config" &&
    rest.some((word) =>
      /^[a-z]/i.test(word) && word.includes(".") && !SAFE_GIT_KEYS.test(word.toLowerCase())
    ) && rest.filter((word) => !word.startsWith("-")).length > 1
  ) {
    return "config of a key that may name a program";
  }
  return undefined;
};

const GIT_GLOBAL_VALUED = /^(?:-c|-C|--git-dir|--work-tree|--namespace|--super-prefix)$/;

function isVerb(argv: readonly string[], at: number): boolean {
  return !(argv[at] ?? "").startsWith("-") && !GIT_GLOBAL_VALUED.test(argv[at - 1] ?? "");
}

/** Whether the word at `at` stands before or at git's sub-command. */
function beforeVerb(argv: readonly string[], at: number): boolean {
  for (let i = 1; i < at; i++) if (isVerb(argv, i)) return false;
  return true;
}

const tar: Reader = (argv) =>
  longOption(argv, [
    "to-command",
    "checkpoint-action",
    "use-compress-program",
    "rsh-command",
    "rmt-command",
    "info-script",
    "new-volume-script",
  ]) ??
    shortOption(argv, /^-[a-zA-Z]*[IF]/) ??
    (/^[A-Za-z]*[IF]/.test(argv[1] ?? "") ? argv[1] : undefined);

const ssh: Reader = (argv) => {
  const at = argv.findIndex((word) => /^-(?:o|F|S|[46AaCfGgKkMNnqsTtVvXxYy]+o)/.test(word));
  return at > 0 ? `${argv[at]} ${argv[at + 1] ?? ""}`.trim() : undefined;
};

const rsync: Reader = (argv) => {
  const long = longOption(argv, ["rsh", "rsync-path", "config"]);
  if (long !== undefined && !/^--rsh=ssh$/.test(long)) return long;
  const at = argv.findIndex((word) => /^-[a-zA-Z]*e/.test(word) && !word.startsWith("--"));
  if (at < 0) return undefined;
  const value = /e(.*)$/.exec(argv[at] ?? "")?.[1] || argv[at + 1] || "";
  return /^ssh(?: -p \d+| -[46Cqv]+)*$/.test(value) ? undefined : `-e ${value}`;
};

const editor: Reader = (argv) =>
  shortOption(argv, /^(?:-[a-zA-Z]*[cSsuUiWwr]|--cmd|--remote|--startuptime|\+)/);

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["git", git],
  ["tar", tar],
  ["gtar", tar],
  ["bsdtar", tar],
  ["ssh", ssh],
  ["scp", ssh],
  ["sftp", ssh],
  ["rsync", rsync],
  ["sed", (argv) => sedRunsNothing(argv) ? undefined : "a script that is not plainly harmless"],
  ["gsed", (argv) => sedRunsNothing(argv) ? undefined : "a script that is not plainly harmless"],
  ["vim", editor],
  ["vi", editor],
  ["nvim", editor],
  ["view", editor],
  ["ex", editor],
  [
    "less",
    (argv) =>
      shortOption(argv, /^(?:\+|-[a-zA-Z]*[kK])/) ??
        longOption(argv, ["lesskey-file", "lesskey-src", "lesskey-context"]),
  ],
  ["more", (argv) => shortOption(argv, /^\+/)],
  [
    "man",
    (argv) =>
      shortOption(argv, /^-[a-zA-Z]*[PHC]/) ??
        longOption(argv, [
          "pager",
          "html",
          "gxditview",
          "preprocessor",
          "config-file",
          "troff-device",
        ]),
  ],
  ["sort", (argv) => longOption(argv, ["compress-program"])],
  ["split", (argv) => longOption(argv, ["filter"])],
  ["install", (argv) => longOption(argv, ["strip-program"])],
  [
    "zip",
    (argv) => shortOption(argv, /^-[a-zA-Z]*T/) ?? longOption(argv, ["test", "unzip-command"]),
  ],
  ["cpio", (argv) => longOption(argv, ["rsh-command"])],
  [
    "wget",
    (argv) =>
      longOption(argv, ["use-askpass", "execute", "config"]) ?? shortOption(argv, /^-[a-zA-Z]*e/),
  ],
  [
    "tcpdump",
    (argv) => shortOption(argv, /^-[a-zA-Z]*z/) ?? longOption(argv, ["postrotate-command"]),
  ],
  ["gcc", (argv) => shortOption(argv, /^(?:-wrapper|-specs|-B|-fplugin|@)/)],
  ["g++", (argv) => shortOption(argv, /^(?:-wrapper|-specs|-B|-fplugin|@)/)],
  ["cc", (argv) => shortOption(argv, /^(?:-wrapper|-specs|-B|-fplugin|@)/)],
  ["go", (argv) => shortOption(argv, /^--?(?:exec|toolexec|vettool)(?:=|$)/)],
  ["cargo", (argv) => shortOption(argv, /^--config(?:=|$)/)],
  [
    "make",
    (argv) =>
      longOption(argv, ["eval"]) ??
        shortOption(argv, /^(?:SHELL|\.SHELLFLAGS|MAKE|MAKEFLAGS)[:+?]*=/),
  ],
  [
    "gmake",
    (argv) =>
      longOption(argv, ["eval"]) ??
        shortOption(argv, /^(?:SHELL|\.SHELLFLAGS|MAKE|MAKEFLAGS)[:+?]*=/),
  ],
  [
    "npm",
    (argv) => longOption(argv, ["script-shell", "node-options", "globalconfig", "userconfig"]),
  ],
  ["pnpm", (argv) => longOption(argv, ["script-shell", "shell-mode", "shell-emulator"])],
  ["ip", (argv) => argv.includes("exec") ? "netns exec" : undefined],
  ["psql", (argv) => argv.slice(1).find((word) => word.includes("\\!") || word.includes("\\|"))],
  [
    "sqlite3",
    (argv) =>
      argv.slice(1).find((word) => /\.(?:shell|system|load)|edit\(|load_extension/.test(word)),
  ],
  ["rg", (argv) => longOption(argv, ["pre", "hostname-bin"])],
  [
    "fd",
    (argv) => shortOption(argv, /^-[a-zA-Z]*[xX]/) ?? longOption(argv, ["exec", "exec-batch"]),
  ],
  [
    "fdfind",
    (argv) => shortOption(argv, /^-[a-zA-Z]*[xX]/) ?? longOption(argv, ["exec", "exec-batch"]),
  ],
]);

/** Looks for code in the arguments of an ordinary program. */
export function codeOptions(argv: readonly string[]): CodeOptions {
  const name = baseName(argv[0] ?? "");
  if (name === "find" || name === "gfind") return findCommands(argv);
  if (name === "xargs" || name === "gxargs") return xargsCommand(argv);
  const found = READERS.get(name)?.(argv);
  if (found === undefined) return { nested: [] };
  return hidden(name, found);
}

function hidden(name: string, found: string): CodeOptions {
  return {
    nested: [],
    refusal: refusal("code-option", `"${found}" can make ${name} run another program`, {
      hint: "leave the option out, or allow exactly this command",
    }),
  };
}

function findCommands(argv: readonly string[]): CodeOptions {
  const nested: NestedCommand[] = [];
  for (let i = 1; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (word === "-ok" || word === "-okdir" || word === "-execdir") return hidden("find", word);
    if (word !== "-exec") continue;
    const end = argv.findIndex((later, j) =>
      j > i && (later === ";" || (later === "+" && argv[j - 1] === "{}"))
    );
    if (end < 0 || end === i + 1) return hidden("find", word);
    nested.push({ start: i + 1, end });
    i = end;
  }
  return { nested };
}

const XARGS_FLAGS =
  /^(?:-[0rtx]+|--null|--no-run-if-empty|--verbose|--exit|-[nLPs]\d+|-I\S+|-d\S+|--(?:max-args|max-lines|max-procs|max-chars|delimiter|replace)=.+)$/;

function xargsCommand(argv: readonly string[]): CodeOptions {
  let at = 1;
  for (let word = argv[at]; word !== undefined && word.startsWith("-"); word = argv[at]) {
    if (/^-[nLPsId]$/.test(word)) at += 2;
    else if (XARGS_FLAGS.test(word)) at++;
    else return hidden("xargs", word);
  }
  // Without a command xargs runs echo from PATH; that would be a program nobody named.
  if (argv[at] === undefined) return hidden("xargs", "no command");
  return { nested: [{ start: at, end: argv.length }] };
}
