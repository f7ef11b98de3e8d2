/**
 * Ordinary programs with options that run other programs: `find -exec`, `tar --to-command`, `git -c core.pager`.
 * An allowlist entry for the program does not cover such a use (class of X15, X30): the inner command of `find` and
 * `xargs` is judged on its own, the rest needs an exact rule or an approval.
 */
import { type Refusal, refusal } from "../../facts.ts";
import { baseName } from "../paths.ts";
import { gitCode } from "./git_options.ts";
import { longOption, shortOption } from "./options.ts";
import { copyCode, PLAIN_SSH, sshCode } from "./ssh_options.ts";
import { awkCode } from "./awk_script.ts";
import { sedRunsNothing } from "./sed_script.ts";
import { hasToolRule, toolCode } from "./tool_options.ts";

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
    (/^[A-Za-z]*[IF]/.test(argv[1] ?? "") ? argv[1] : undefined) ?? remoteArchive(argv);

/** Every mention counts: rsync takes the last of several. */
const rsync: Reader = (argv) => {
  const rest = argv.filter((word) => word !== "--rsh=ssh");
  const long = longOption(rest, ["rsh", "rsync-path", "config", "remote-option"]);
  if (long !== undefined) return long;
  for (const [at, word] of argv.entries()) {
    if (/^-[a-zA-Z]*M/.test(word)) return word;
    if (!/^-[a-zA-Z]*e/.test(word)) continue;
    const value = /e(.*)$/.exec(word)?.[1] || argv[at + 1] || "";
    if (!PLAIN_SSH.test(value)) return `-e ${value}`;
  }
  return undefined;
};

/** An archive "host:file" is fetched through another program, unless the colon is declared part of the name. */
const remoteArchive = (argv: readonly string[]) =>
  argv.includes("--force-local")
    ? undefined
    : shortOption(argv, /^(?:(?:-[a-zA-Z]*f|--file=)?[A-Za-z0-9_][^/=]*:|-[a-zA-Z]*[FOI][^/]*:)/);

const editor: Reader = (argv) =>
  shortOption(argv, /^(?:-[a-zA-Z]*[cSsuUiWwr]|--cmd|--remote|--startuptime|\+)/);

/** `npm set script-shell x` and `npm pkg set scripts.test=x` are remembered, and a later, innocent `npm test` would start it. */
const packageSetting: Reader = (argv) =>
  argv.some((word) => /^(?:set|set-script|edit|plugin)$/.test(word))
    ? shortOption(
      argv,
      /^(?:set-script|edit|import|(?:scripts|bin|pnpm|plugins)\b.*|(?:script-shell|shell|editor|browser|viewer|git|node-options|init-module|globalconfig|userconfig|prefix|yarn-?path)(?:=.*)?|version)$/si,
    )
    : undefined;

/** Options of rustc stand behind the words of cargo as well, and a toolchain can be a path. */
const cargo: Reader = (argv) => {
  const verb = argv.find((word, i) => i > 0 && !/^[-+]/.test(word));
  return verb === "watch" ? verb : shortOption(argv, /^(?:--config(?:=|$)|\+.*\/)/) ??
    (/^(?:rustc|rustdoc|clippy|fix)$/.test(verb ?? "")
      ? shortOption(argv, /linker|link-arg|codegen-backend|^@/)
      : undefined);
};

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["git", gitCode],
  ["tar", tar],
  ["gtar", tar],
  ["bsdtar", tar],
  ["ssh", sshCode],
  ["scp", copyCode],
  ["sftp", copyCode],
  ["rsync", rsync],
  ["sed", (argv) => sedRunsNothing(argv) ? undefined : "a script that is not plainly harmless"],
  ["gsed", (argv) => sedRunsNothing(argv) ? undefined : "a script that is not plainly harmless"],
  ...[
    "vi",
    "vim",
    "nvim",
    "gvim",
    "rvim",
    "view",
    "rview",
    "gview",
    "vimdiff",
    "gvimdiff",
    "evim",
    "ex",
    "vifm",
  ]
    .map((name): [string, Reader] => [name, editor]),
  ...["awk", "gawk", "mawk", "nawk", "original-awk"].map((
    name,
  ): [string, Reader] => [name, awkCode]),
  [
    "less",
    (argv) =>
      shortOption(argv, /^(?:\+|-[a-zA-Z]*[kK])/) ??
        longOption(argv, ["lesskey-file", "lesskey-src", "lesskey-content"]),
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
  ["cpio", (argv) => longOption(argv, ["rsh-command"]) ?? remoteArchive(argv)],
  ["gcpio", (argv) => longOption(argv, ["rsh-command"]) ?? remoteArchive(argv)],
  [
    "wget",
    (argv) =>
      longOption(argv, ["use-askpass", "execute", "config"]) ??
        argv.find((word, i) =>
          i > 0 && /^-[a-zA-Z]*e/.test(word) &&
          !(word === "-e" && /^robots=o(?:n|ff)$/.test(argv[i + 1] ?? ""))
        ),
  ],
  [
    "tcpdump",
    (argv) => shortOption(argv, /^-[a-zA-Z]*z/) ?? longOption(argv, ["postrotate-command"]),
  ],
  ["patch", (argv) => shortOption(argv, /^-[a-zA-Z]*[eg]/) ?? longOption(argv, ["ed", "get"])],
  [
    "npm",
    (argv) =>
      packageSetting(argv) ?? longOption(argv, [
        "script-shell",
        "node-options",
        "globalconfig",
        "userconfig",
        "browser",
        "editor",
        "viewer",
        "git",
        "shell",
      ]),
  ],
  [
    "pnpm",
    (argv) =>
      packageSetting(argv) ??
        longOption(argv, ["script-shell", "shell-mode", "shell-emulator", "config"]),
  ],
  ["yarn", packageSetting],
  ["bun", packageSetting],
  ["kak", (argv) => shortOption(argv, /^-(?:e|f|E|c|p)$/)],
  ["cargo", cargo],
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
  const found = READERS.get(name)?.(argv) ?? toolCode(name, argv);
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
    if (/^-(?:ok|okdir|execdir|fprint0?|fprintf|fls)$/.test(word)) return hidden("find", word);
    if (word !== "-exec") continue;
    const end = argv.findIndex((later, j) =>
      j > i && (later === ";" || (later === "+" && argv[j - 1] === "{}"))
    );
    // find puts names into every "{}", also into the name of the program.
    if (end < 0 || end === i + 1 || argv[i + 1]?.includes("{}")) return hidden("find", word);
    nested.push({ start: i + 1, end });
    i = end;
  }
  return { nested };
}

const XARGS_FLAGS =
  /^(?:-[0rtx]+|--null|--no-run-if-empty|--verbose|--exit|-[nLPs]\d+|-d\S+|--(?:max-args|max-lines|max-procs|max-chars|delimiter)=.+)$/;

/** `find` takes what to run from its words, wherever they come from, and `xargs` and `awk` take their first one. */
const FINDERS = /^g?(?:find|xargs|awk)$/;

/** Programs that xargs may only call with a sub-command in front of what it adds, and with which. */
const VERBED: ReadonlyMap<string, RegExp> = new Map([
  ...["docker", "podman", "nerdctl"].map((name): [string, RegExp] => [
    name,
    /^(?:rm|rmi|stop|start|kill|inspect|logs|restart|pause|unpause|pull|tag|volume|image|container|network)$/,
  ]),
  ["kubectl", /^(?:get|describe|delete|logs|label|annotate|top)$/],
  ["systemctl", /^(?:status|start|stop|restart|is-active|is-enabled|show|disable|mask|reload)$/],
  ...["apt", "apt-get", "dpkg", "rpm", "dnf", "yum"].map((name): [string, RegExp] => [
    name,
    /^(?:install|remove|purge|show|autoremove|update|upgrade|info)$/,
  ]),
  ...["pip", "pip3"].map((
    name,
  ): [string, RegExp] => [name, /^(?:install|uninstall|show|download)$/]),
  [
    "git",
    /^(?:add|rm|mv|checkout|restore|log|diff|show|blame|ls-files|reset|check-ignore|grep|branch|tag|cherry-pick|rev-parse|commit|update-index)$/,
  ],
  ...["npm", "pnpm", "yarn", "bun", "cargo"].map((name): [string, RegExp] => [
    name,
    /^(?:install|i|uninstall|rm|add|remove|view|info|outdated|ls)$/,
  ]),
]);

/** `-I` may only name a mark that cannot be part of a path: xargs puts input into the program's name as well. */
const XARGS_MARK = /^(?:\{\}|[%@]+)$/;

function xargsCommand(argv: readonly string[]): CodeOptions {
  let at = 1;
  let mark: string | undefined;
  for (let word = argv[at]; word !== undefined && word.startsWith("-"); word = argv[at]) {
    if (word === "-I") mark = argv[at + 1] ?? "";
    const given = /^(?:-I|--replace=)(.+)$/s.exec(word)?.[1];
    mark = given ?? mark;
    if (/^-[nLPsId]$/.test(word)) at += 2;
    else if (XARGS_FLAGS.test(word) || given !== undefined) at++;
    else return hidden("xargs", word);
  }
  const inner = argv.slice(at);
  // Without a command xargs runs echo from PATH; that would be a program nobody named.
  if (inner[0] === undefined) return hidden("xargs", "no command");
  if (mark !== undefined && (!XARGS_MARK.test(mark) || inner[0].includes(mark))) {
    return hidden("xargs", `-I ${mark}`);
  }
  const name = baseName(inner[0]);
  const front = inner.slice(1).find((word) => !word.startsWith("-")) ?? "";
  const verbed = VERBED.get(name)?.test(front) === true && mark === undefined;
  const isRead = READERS.has(name) || VERBED.has(name);
  if (hasToolRule(name) || FINDERS.test(name) ? !verbed : VERBED.has(name) && !verbed) {
    return hidden("xargs", name);
  }
  // sed without a script of its own would take it from the input.
  const scriptless = /^g?sed$/.test(name) &&
    !inner.some((word) => /^(?:-[nErsuz]*e|--expr)/.test(word)) &&
    front === "";
  if (isRead && !hasToolRule(name) && (mark !== undefined || inner.at(-1) !== "--" || scriptless)) {
    const text = `xargs puts its input where it could become an option of ${name}`;
    const hint = `end the command with "--"`;
    return { nested: [], refusal: refusal("code-option", text, { hint }) };
  }
  return { nested: [{ start: at, end: argv.length }] };
}
