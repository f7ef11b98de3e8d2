/**
 * Uses of git that run another program: configuration on the command line, helper programs named by an option, and
 * sub-commands that exist to run something. Configuration of the repository itself is outside; who allows git in a
 * directory trusts that directory's configuration.
 */
import { longOption } from "./options.ts";

const SAFE_GIT_KEYS =
  /^(?:user\.(?:name|email|signingkey)|color\.[a-z.]+|advice\.[a-z]+|init\.defaultbranch|safe\.directory|core\.(?:autocrlf|quotepath|longpaths|filemode|ignorecase|abbrev|eol|safecrlf|compression|preloadindex)|commit\.gpgsign|tag\.gpgsign|gc\.auto|log\.[a-z]+|diff\.(?:renames|context|algorithm|noprefix|mnemonicprefix)|merge\.(?:conflictstyle|ff|renames)|pull\.(?:rebase|ff)|push\.(?:default|autosetupremote)|rebase\.(?:autostash|autosquash)|fetch\.prune|protocol\.version|http\.(?:[^=\s]*\.)?extraheader|http\.(?:postbuffer|version|lowspeedlimit|lowspeedtime)|status\.[a-z]+|pack\.[a-z]+|index\.[a-z]+|feature\.[a-z]+|maintenance\.auto)$/;

const GLOBAL_VALUED = /^(?:-c|-C|--git-dir|--work-tree|--namespace|--super-prefix|--attr-source)$/;
/** Options in front of the sub-command that stand alone. Any other could take the next word, and hide the sub-command. */
const GLOBAL_FLAGS =
  /^(?:-[pPvh]|--(?:paginate|no-pager|no-replace-objects|bare|(?:literal|glob|noglob|icase)-pathspecs|no-optional-locks|no-lazy-fetch|no-advice|version|help|html-path|man-path|info-path|exec-path)|--(?:git-dir|work-tree|namespace|super-prefix|attr-source|list-cmds)=.*)$/;
const CODE_OPTIONS = [
  "upload-pack",
  "receive-pack",
  "exec",
  "extcmd",
  "open-files-in-pager",
  "ext-diff",
  "textconv",
  "template",
  "tool",
  "config",
];
const CODE_VERBS =
  /^(?:filter-branch|submodule--helper|imap-send|quiltimport|cvsexportcommit|cvsimport|archimport|difftool|mergetool|credential|daemon|send-email|instaweb|web--browse|gui|citool|remote-ext|remote-fd|shell|for-each-repo|cvsserver|hook|merge-index)$/;

/** The part of a git argv that can run another program; `undefined` when there is none. */
export function gitCode(argv: readonly string[]): string | undefined {
  let at = 1;
  for (let word = argv[at]; word !== undefined && word.startsWith("-"); word = argv[at]) {
    if (word === "-c" && !isSafeSetting(argv[at + 1] ?? "")) return `-c ${argv[at + 1] ?? ""}`;
    const isValued = GLOBAL_VALUED.test(word);
    if (!isValued && !GLOBAL_FLAGS.test(word)) return word;
    at += isValued ? 2 : 1;
  }
  const verb = argv[at] ?? "";
  const rest = argv.slice(at + 1);
  if (CODE_VERBS.test(verb)) return verb;
  const transport = rest.find((word) =>
    /(?:ext|fd)::|^(?:[^\s]*@|[a-z+]+:\/\/(?:[^/]*@)?)-/.test(word)
  );
  if (transport !== undefined) return transport;
  // "--text" is an option of its own, not a short form of "--textconv".
  const option = longOption(["git", ...rest.filter((word) => word !== "--text")], CODE_OPTIONS);
  // Everything that shows differences writes them into any file.
  const output = verb === "archive" ? undefined : longOption(["git", ...rest], ["output"]);
  return option ?? output ?? verbCode(verb, rest);
}

function isSafeSetting(setting: string): boolean {
  return SAFE_GIT_KEYS.test(setting.split("=")[0]?.toLowerCase() ?? "");
}

function verbCode(verb: string, rest: readonly string[]): string | undefined {
  const short = (letters: string) =>
    rest.find((word) => new RegExp(`^-[a-zA-Z]*[${letters}]`).test(word));
  switch (verb) {
    case "submodule":
      return rest.includes("foreach") ? "submodule foreach" : undefined;
    case "bisect":
      return rest.includes("run") ? "bisect run" : undefined;
    case "rebase":
      return short("xi") ?? longOption(["git", ...rest], ["interactive", "edit-todo"]);
    case "grep":
      return short("O");
    case "clone":
      return short("uc");
    case "svn":
      return rest.find((word) => /^--authors-p/.test(word));
    case "config":
      return configCode(rest);
    default:
      return undefined;
  }
}

/** Writing a key that may name a program would run it with a later, innocent command. */
function configCode(rest: readonly string[]): string | undefined {
  const words = rest.filter((word) => !word.startsWith("-"));
  const edits = words[0] === "edit" || rest.some((word) => /^(?:-e|--edit)$/.test(word));
  if (edits) return "config --edit";
  const key = words.find((word) => word.includes("."));
  return words.length > 1 && key !== undefined && !isSafeSetting(key) ? `config ${key}` : undefined;
}
