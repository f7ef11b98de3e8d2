/**
 * Ordinary programs whose options, operands or batch words start other programs or load code, as a table: a word that
 * fits makes the command one that a path rule does not cover (class of X15, X30). Programs that need more than a table
 * are read in `code_options.ts`.
 */
import { longOption } from "./options.ts";

interface ToolRule {
  readonly names: RegExp;
  /** Long options, also in any short form that getopt takes. */
  readonly long?: readonly string[];
  /** Whole words or their beginnings. */
  readonly word?: Pick<RegExp, "test">;
}

/** Assignments of make that it would evaluate, or that name a program; a makefile from its input is code as well. */
const MAKE_EVALUATED =
  /^(?:SHELL|\.SHELLFLAGS|MAKE|MAKEFLAGS)[:+?]*=|^[^=-][^=]*!=|^[^=-][^=]*=.*[$`;&|<>()\n]/;
const MAKE_PROGRAM =
  /^(?:CC|CXX|CPP|LD|AR|AS|NM|RM|CP|MV|INSTALL|STRIP|YACC|LEX|PYTHON|NODE|NPM|CARGO|GO|SUDO|SH)[:+?]*=/;
const COMPILER = /=(?:\w+-)*(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|tcc|ld|ar|as|nm|strip)(?:-\d+)?$/;

function makeWord(word: string): boolean {
  return MAKE_EVALUATED.test(word) || (MAKE_PROGRAM.test(word) && !COMPILER.test(word)) ||
    /^(?:-[a-zA-Z]*E|(?:-f|--(?:file|makefile)=)?(?:-$|\/dev\/|\/proc\/))/.test(word);
}

const TOOLS: readonly ToolRule[] = [
  {
    names:
      /^(?:(?:[a-z0-9_]+-)*(?:gcc|g\+\+|cpp|gfortran|clang|clang\+\+)(?:-[\d.]+)?|cc|c\+\+|c89|c99|tcc)$/,
    word:
      /^(?:-wrapper|-specs|--specs|-B|-fplugin|-fpass-plugin|-Xclang|-load|-fuse-ld=.*\/|-Wl,.*plugin|--config|-no-canonical-prefixes|--gcc-toolchain|@)/,
  },
  { names: /^(?:(?:[a-z0-9_]+-)*ld(?:\.[a-z]+)?)$/, word: /^(?:--?plugin|@)/ },
  { names: /^(?:g|p|b|re)?make$/, long: ["eval"], word: { test: makeWord } },
  {
    names: /^cmake3?$/,
    word:
      /^(?:-E|-P|-C|--preset|-DCMAKE_[A-Z_]*(?:LAUNCHER|COMPILER|PROGRAM|PROJECT_.*INCLUDE|TOOLCHAIN)[A-Z_]*[:=])/,
  },
  {
    names: /^(?:javac?|jshell|jar|jdb)$/,
    word:
      /^(?:-agent(?:lib|path):|-javaagent:|-XX:(?:OnError|OnOutOfMemoryError|Flags|VMOptionsFile)|-J|-processor|@)/,
  },
  { names: /^go$/, word: /^(?:--?(?:exec|toolexec|vettool)(?:=|$)|generate$|tool$)/ },
  {
    names: /^sqlite3?$/,
    long: ["cmd", "init"],
    word:
      /^-(?:cmd|init)$|^\s*\.(?!(?:tables?|schema|headers?|mode|databases|dump|indexes|indices|width|timer|stats|quit|exit|show|separator|nullvalue|bail|echo)\b(?!.*\|))|\n\s*\.|edit\s*\(|load_extension|writefile|fts3_tokenizer/i,
  },
  {
    names: /^(?:mysql|mariadb)$/,
    long: ["pager", "init-command", "defaults-file", "defaults-extra-file", "plugin-dir"],
    word: /\\[!PTe.]|(?:^|[;\n]\s*)(?:system|pager|tee|source|edit)\b/i,
  },
  {
    names: /^psql$/,
    long: ["file"],
    word: /\\[!|goews]|^-[a-zA-Z]*f|\bto\s+program\b|\bfrom\s+program\b/i,
  },
  { names: /^ip$/, word: /^(?:e|ex|exe|exec|-b|-ba[a-z]*|--?batch.*)$/ },
  {
    names: /^(?:nc|ncat|netcat|nc\.[a-z]+)$/,
    long: ["exec", "sh-exec", "lua-exec"],
    word: /^-[a-zA-Z0-9]*[ec]/,
  },
  { names: /^socat\d?$/, word: /(?:exec|system|shell):/i },
  {
    names: /^openssl$/,
    word: /^(?:engine|--?(?:engine|provider|provider-path|provider_path|config)(?:=|$))/,
  },
  { names: /^ssh-(?:keygen|add)$/, word: /^-[a-zA-Z]*[Dswe]/ },
  {
    names: /^(?:sshfs|mosh)$/,
    long: ["ssh", "server", "client"],
    word: /ssh_command|^-[a-zA-Z]*[oF]/i,
  },
  {
    names: /^(?:apt|apt-get|apt-cache|aptitude)$/,
    long: ["option", "config-file"],
    word: /^-[a-zA-Z]*[oc]/,
  },
  { names: /^dpkg$/, long: ["pre-invoke", "post-invoke", "status-logger"] },
  { names: /^nmap$/, long: ["script", "interactive", "datadir"], word: /^-[a-zA-Z]*C$|^-sC/ },
  {
    names: /^(?:(?:pdf|xe|lua|p|up)?(?:la)?tex|latexmk|context)$/,
    long: ["shell-escape", "enable-write18", "lua", "use-make"],
    word: /^--?(?:shell-escape|enable-write18|e$|r$|latex=|pdflatex=)/,
  },
  {
    names: /^pandoc$/,
    long: ["filter", "lua-filter", "pdf-engine", "defaults", "to", "from"],
    word: /^-[FLd]|\.lua$/,
  },
  { names: /^(?:gs|ghostscript|gsc)$/, word: /^(?:-c|-dNOSAFER|-dDELAYSAFER|-@|@|-_|-$|--$)/ },
  {
    names: /^hg$/,
    long: ["config", "config-file", "ssh", "remotecmd", "editor", "tool"],
    word: /^-[a-zA-Z]*e|^(?:extdiff|merge-tool|bisect)$/,
  },
  { names: /^svn$/, long: ["diff-cmd", "diff3-cmd", "editor-cmd", "config-option", "config-dir"] },
  {
    names: /^(?:bat|batcat|delta|ag|ack|ack-grep|diffoscope)$/,
    long: ["pager", "ackrc", "filter", "diff-args"],
  },
  { names: /^fzf$/, word: /^--?(?:preview|bind|listen|become|with-shell|execute)/ },
  { names: /^nano$/, word: /^(?:-[a-zA-Z]*[soI]|--speller|--rcfile|--operatingdir)/ },
  { names: /^(?:troff|groff|nroff|tbl|pic)$/, word: /^-[a-zA-Z]*[US]|^-[a-zA-Z]*[PLXM]/ },
];

/** The word that can make an ordinary program start another one; `undefined` when there is none. */
export function toolCode(name: string, argv: readonly string[]): string | undefined {
  for (const { names, long, word } of TOOLS) {
    if (!names.test(name)) continue;
    const found = (long && longOption(argv, long)) ??
      (word && argv.slice(1).find((one) => word.test(one)));
    if (found !== undefined) return found;
  }
  return undefined;
}
