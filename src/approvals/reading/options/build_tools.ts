/**
 * Compilers, linkers, build systems and package tools: the options and words with which they start a program that the
 * command did not name, or load code into themselves. Data for `tool_options.ts` (class of X15, X30).
 */
import { isInputPath } from "../paths.ts";
import type { ToolRule } from "./options.ts";

/** Assignments of make that it would evaluate, or that name a program; a makefile from its input is code as well. */
const MAKE_EVALUATED =
  /^(?:SHELL|\.SHELLFLAGS|MAKE|MAKEFLAGS|MAKEFILES|GNUMAKEFLAGS)[:+?]*=|^[^=-][^=]*!=|^[^=-][^=]*=.*[$`;&|<>()\n]/;
const MAKE_PROGRAM =
  /^(?:CC|CXX|CPP|FC|LD|AR|AS|NM|RM|CP|MV|INSTALL|STRIP|RANLIB|OBJCOPY|YACC|LEX|PYTHON|NODE|NPM|CARGO|GO|SUDO|SH|BASH|PERL|PC|M2C|CO|GET|LINT|TEX|MAKEINFO|TANGLE|WEAVE|CTANGLE|CWEAVE|TEXI2DVI|OUTPUT_OPTION|(?:COMPILE|LINK|PREPROCESS|LINT|YACC|LEX)\.[A-Za-z]+)[:+?]*=/;
/** An assignment of one of the usual compilers and linkers, which is no way to another program. */
export const COMPILER =
  /=(?:\w+-)*(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|tcc|ld|ar|as|nm|strip)(?:-\d+)?$/;

/** Names of a file that is the input, in every detour: `-sf-`, `/./dev/stdin`, `/proc/self/fd/0`. */
const FROM_INPUT = /^(?:-[a-zA-Z]*f|--(?:file|makefile)=)-$|^-$|(?:^|\/)(?:dev|proc)\//;

/** Options of compilers that start a program of their choosing, or load code. */
export const COMPILER_CODE =
  /^(?:-wrapper|--?plugin|--?specs|-B|-fplugin|-iplugindir|-fpass-plugin|-Xclang|-Xlinker|-load|-mllvm|-ccc-|--?ld-path|-fuse-ld=.*\/|-fmodule-mapper=[|<]|-Wl,.*plugin|-Wl,@|--config|-no-canonical-prefixes|--gcc-(?:toolchain|install-dir)|@)/;

/** Whether make, given this word, would evaluate it, start a program it names, or read its rules from its input. */
export function makeWord(word: string): boolean {
  // Not only in *FLAGS: TARGET_ARCH, LDLIBS and others stand on the compiler's line as well.
  const options = /^[A-Za-z0-9_.]+[:+?]*=(.*)$/s.exec(word)?.[1]?.split(/[\s"']+/) ?? [];
  return MAKE_EVALUATED.test(word) || (MAKE_PROGRAM.test(word) && !COMPILER.test(word)) ||
    options.some((one) => COMPILER_CODE.test(one)) ||
    /^-[a-zA-Z]*E/.test(word) || FROM_INPUT.test(word) || isInputPath(word);
}

const LOADED = { long: ["plugin"], word: /^-plugin/ } as const;

const APT_HARMLESS =
  /^(?:Dpkg::Options::=--force-conf(?:old|def|new|miss)|Dpkg::Use-Pty=\w+|Acquire::(?:Retries|ForceIPv[46]|(?:https?::)?Timeout|Check-Valid-Until|Languages)=\w+|APT::(?:Install-(?:Recommends|Suggests)|Get::[A-Za-z-]+|Sandbox::Seccomp)=\w+|Debug::NoLocking=\w+)$/i;

/** Settings of apt on the command line; most name programs, hooks or places, a few are everyday. */
function aptSetting(argv: readonly string[]): string | undefined {
  for (const [at, word] of argv.entries()) {
    const [, letter, attached = ""] =
      /^-([oc])(.*)$/s.exec(word.replace(/^-[abd-np-zA-Z]+/, "-")) ??
        /^--(o)p[a-z]*(?:=(.*))?$/s.exec(word) ?? [];
    if (letter === "c") return word;
    if (letter === undefined) continue;
    const setting = attached.replace(/^=/, "") || argv[at + 1] || "";
    if (!APT_HARMLESS.test(setting)) return `${word} ${setting}`;
  }
  return undefined;
}

const DNF_HARMLESS =
  /^--setopt=(?:install_weak_deps|tsflags|keepcache|fastestmirror|max_parallel_downloads|skip_if_unavailable|timeout|retries)=[\w.,-]*$/;

function dnfWord(word: string): boolean {
  return /^--set/.test(word) ? !DNF_HARMLESS.test(word) : /^(?:-[a-zA-Z]*c|--con)/.test(word);
}

/** Rules of programs that build. */
export const BUILD_TOOLS: readonly ToolRule[] = [
  {
    names:
      /^(?:(?:[a-z0-9_]+-)*(?:gcc|g\+\+|cpp|gfortran|gccgo|gdc|clang|clang\+\+)(?:-[\d.]+)?|cc|c\+\+|c89|c99|tcc)$/,
    word: COMPILER_CODE,
  },
  {
    names: /^(?:(?:[a-z0-9_]+-)*(?:ld(?:\.[a-z]+)?|gold|lld|mold))$/,
    word: /^(?:--?(?:load-pass-)?plugin|@)/,
  },
  { names: /^(?:[a-z0-9_]+-)*(?:gcc-)?(?:nm|ar|ranlib|strip|objdump|objcopy)$/, ...LOADED },
  { names: /^clang-(?:tidy|query|check)(?:-\d+)?$/, long: ["load", "plugin"], word: /^--?load/ },
  { names: /^(?:g|p|b|re)?make$/, long: ["eval"], word: { test: makeWord } },
  {
    names: /^(?:ninja|samu|just|task|go-task|rake)$/,
    long: ["command", "shell", "shell-arg", "execute", "execute-continue", "execute-print"],
    word: {
      test: (one) =>
        FROM_INPUT.test(one) || isInputPath(one) ||
        /^-[a-zA-Z]*[cepE]$/.test(one) && !/^-[a-z]*d/.test(one),
    },
  },
  {
    names: /^(?:javac?|jshell|jar|jdb)$/,
    word:
      /^(?:-agent(?:lib|path):|-javaagent:|-Xrun|-Xplugin|-XX:(?:OnError|OnOutOfMemoryError|Flags|VMOptionsFile)|-J|--?processor|@)/,
  },
  {
    names: /^go$/,
    word: /^(?:--?(?:exec|toolexec|vettool|compiler|overlay)(?:=|$)|generate$|tool$|-w$)|extld/,
  },
  {
    names: /^(?:rustc|rustdoc|cargo-rustc)$/,
    long: ["runtool", "test-runtool", "test-builder", "extern-html"],
    word: /linker|link-arg|codegen-backend|^@|^-Zunstable/,
  },
  {
    names: /^ghc(?:-[\d.]+)?$/,
    word: /^(?:-e|--interactive|-pgm|-F$|-fplugin|-ghci-script|@)/,
  },
  { names: /^ocaml(?:c|opt|find|build)(?:\.opt)?$/, word: /^-(?:ppx?|cc|plugin)$/ },
  { names: /^nim$/, word: /^-{1,2}[a-z.]*(?:exe|linkerexe)[:=]|^(?:e|secret)$/i },
  { names: /^nvcc$/, word: /^(?:-ccbin|--compiler-bindir|-X?compiler|--compiler-options)/ },
  {
    names: /^(?:gradlew?|mvnw?)$/,
    long: ["init-script"],
    word: /^(?:-I|exec:|-Dexec\.|-Dmaven\.ext)/,
  },
  {
    names: /^(?:bazel|bazelisk)$/,
    word: /^--(?:run_under|bazelrc|shell_executable|workspace_status_command|test_.*wrapper)/,
  },
  { names: /^(?:pip|pip3|pip\d\.\d+)$/, long: ["python", "editor"] },
  { names: /^(?:apt(?:-[a-z]+)?|aptitude)$/, long: ["config-file"], argv: aptSetting },
  { names: /^dpkg-architecture$/, long: ["command"], word: /^-c/ },
  {
    names: /^(?:dpkg-buildpackage|debuild)$/,
    long: ["root-command", "sign-command", "check-command", "rules-file"],
    word: /^(?:-[rpR]|--hook|--[a-z]+-hook)/,
  },
  { names: /^dpkg$/, long: ["pre-invoke", "post-invoke", "status-logger"] },
  {
    names: /^rpm(?:query|verify|db|keys|sign|build|spec)?$/,
    long: ["eval", "pipe", "define", "predefine", "rcfile", "macros", "load", "dbpath"],
    word: /^-[a-zA-Z]*[ED]|%\(|%\{lua/,
  },
  { names: /^(?:yum|dnf\d?|microdnf)$/, word: { test: dnfWord } },
];
