/**
 * Language interpreters: whether an argv carries code inline, runs a script file, or reads code from its input.
 * Used by strict inline eval (X33), by approval binding (the script's content is part of what is approved, A07)
 * and by learning (an interpreter is never remembered by name). Source: node-host.md 7.3, 8 "Script operand".
 */
import { baseName, isInputPath } from "./paths.ts";

/** How an interpreter is used. */
export type InterpreterUse =
  | { readonly kind: "inline"; readonly name: string; readonly flag: string }
  | { readonly kind: "file"; readonly name: string; readonly operandIndex: number }
  /** Only asks for version or help. */
  | { readonly kind: "info"; readonly name: string }
  /** Reads code from its input, a module path, or in a way that is not known here. */
  | { readonly kind: "unbound"; readonly name: string; readonly why: string };

interface Language {
  readonly names: RegExp;
  /** Options that hold code or load more of it. */
  readonly code: RegExp;
  /** Harmless options that stand alone. */
  readonly flags: RegExp;
  /** Harmless options whose value is the next word. */
  readonly valued?: RegExp;
  /** First word that must or may stand before the script, for instance `run`. */
  readonly verb?: { readonly words: RegExp; readonly required: boolean };
  /** The first operand itself is code, as in awk. */
  readonly operandIsCode?: true;
}

const INFO = /^(?:--version|-V|-v|--help|-h|-\?)$/;

const LANGUAGES: readonly Language[] = [
  {
    names: /^(?:[ijb]?python|pypy|micropython|graalpy)(?:\d+(?:\.\d+)*)?(?:-dbg|w)?$/,
    code: /^-[bBdEhiIOPqsStuvVx]*[cm]/,
    flags: /^-(?:[bBdEIOPqsSux]+|OO)$/,
    valued: /^-[WX]$/,
  },
  {
    names: /^(?:node|nodejs)(?:\d+)?$/,
    code:
      /^(?:-e|-p|-pe|-r|-i|-c|--eval|--print|--require|--import|--loader|--experimental-loader|--interactive|--run|--test.*|--watch.*|--env-file.*|--inspect.*|--build-.*|--experimental-config.*)(?:=|$)|^-[ep]/,
    flags:
      /^(?:--(?:no-warnings|trace-warnings|enable-source-maps|preserve-symlinks|experimental-strip-types|no-deprecation|trace-deprecation|use-strict|expose-gc)|--max-old-space-size=\d+|--stack-size=\d+|--unhandled-rejections=[a-z-]+)$/,
  },
  { names: /^perl\d*(?:\.\d+)*$/, code: /^-[a-zA-Z0-9]*[eEMmIidxF]/, flags: /^-[wWtTcnpalsuUX]+$/ },
  {
    names: /^(?:ruby|jruby|truffleruby)\d*(?:\.\d+)*$/,
    code: /^(?:-[a-zA-Z]*[erICxi]|--(?:require|eval))/,
    flags: /^(?:-[wWcvTs]+|--(?:yjit|jit|disable-gems|enable=.*|disable=.*))$/,
  },
  {
    names: /^(?:php|hhvm)(?:-cgi|dbg|-fpm)?\d*(?:\.\d+)*$/,
    code: /^(?:-[rBREFadczS]|--(?:run|process-.*|interactive|define|php-ini|server))/,
    flags: /^-[nqwHs]+$/,
    valued: /^-f$/,
  },
  { names: /^(?:lua(?:\d(?:\.\d)?)?|luajit|texlua)$/, code: /^-[eliljbO]/, flags: /^-[EWv]$/ },
  {
    names: /^(?:g|m|n)?awk$|^busybox-awk$/,
    code: /^(?:-[eEilo]|--(?:source|exec|include|load))/,
    flags: /^(?:-[bcCnNrSstV]|--(?:posix|sandbox|traditional|csv))$/,
    valued: /^-[vF]$/,
    operandIsCode: true,
  },
  {
    names:
      /^(?:osascript|tclsh\d*(?:\.\d+)*|wish|guile|racket|sbcl|clisp|ecl|julia|Rscript|r|rscript|ghci|runghc|runhaskell|ocaml|scala|kotlin|groovy|jshell|irb|iex|elixir|erl|escript|swift|crystal|janet|clojure|clj|bb|raku|octave|maxima|gnuplot|m4|bc|dc|ed|pry|octave-cli|mongosh|mongo|qjs|duk|d8|gjs|cjs|mujs|jrunscript|jjs|bsh|amm|scala-cli|hy|fennel|jimsh|gforth|newlisp|csi|gsi|chez|scheme|mit-scheme|pike|moon|slsh|psysh|sage|gp|puppet|chef-apply|wp|drush|rails|ex|emacs|vim|vi|nvim|view|vimdiff)$/,
    code: /^-/,
    flags: /^(?!)/,
  },
  {
    names: /^deno$/,
    code:
      /^(?:eval|repl|serve|test|bench|task|install|x|jupyter|-e|--eval|-c|--config.*|--preload.*|--import.*|--import-map.*|--unstable-.*preload.*|--env-file.*|-r|--reload.*|--inspect.*|--watch.*|--location.*|--cert.*)(?:=|$)/,
    flags:
      /^(?:-[ARWNESq]+|--(?:allow|deny)-[a-z]+(?:=.*)?|--no-(?:check|prompt|lock|remote|npm|config)|--quiet|--cached-only|--check|--frozen|--v8-flags=.*)$/,
    verb: { words: /^run$/, required: false },
  },
  {
    names: /^bun$/,
    code:
      /^(?:-e|-p|--eval|--print|-r|--preload|--require|--import|x|exec|repl|test|create|-c|--config.*|--env-file.*|--inspect.*|--watch|--hot)(?:=|$)/,
    flags: /^(?:--silent|--smol|--no-install|--bun|-b)$/,
    verb: { words: /^run$/, required: false },
  },
  {
    names:
      /^(?:tsx|ts-node|ts-node-esm|ts-node-script|jiti|esno|vite-node|swc-node|babel-node|esbuild-runner|esr|sucrase-node|coffee)$/,
    code:
      /^(?:-e|-p|-pe|-r|--eval|--print|--require|--import|--loader|watch|-c|--config.*|--tsconfig|-P|--project|-O|--compiler.*|-C)(?:=|$)/,
    flags: /^(?:-[TFqs]|--transpile-only|--esm|--swc|--files|--no-cache|--no-warnings)$/,
  },
];

/** Reads an argv whose first word may be an interpreter; `undefined` when it is none. */
export function interpreterUse(argv: readonly string[]): InterpreterUse | undefined {
  const name = baseName(argv[0] ?? "");
  const language = LANGUAGES.find((one) => one.names.test(name));
  if (!language) return undefined;
  if (argv.length === 2 && INFO.test(argv[1] ?? "")) return { kind: "info", name };
  let at = 1;
  const verb = language.verb;
  if (verb?.words.test(argv[at] ?? "")) at++;
  for (let word = argv[at]; word !== undefined; word = argv[at]) {
    if (word === "--") {
      at++;
      break;
    }
    if (word === "-") return { kind: "unbound", name, why: "it reads code from its input" };
    if (language.valued?.test(word)) at += 2;
    else if (language.flags.test(word)) at++;
    else if (language.code.test(word)) return { kind: "inline", name, flag: word };
    else if (word.startsWith("-")) {
      return { kind: "unbound", name, why: `the option "${word}" is not known here` };
    } else break;
  }
  if (argv[at] === undefined) return { kind: "unbound", name, why: "it reads code from its input" };
  // A program from the network or out of the address itself is no file whose content could be bound (X35).
  if (/^[a-z][a-z0-9+.-]+:/i.test(argv[at] ?? "")) {
    return { kind: "unbound", name, why: "it would fetch its code" };
  }
  if (isInputPath(argv[at] ?? "")) {
    return { kind: "unbound", name, why: "it reads code from its input" };
  }
  if (language.operandIsCode) return { kind: "inline", name, flag: "program text" };
  return { kind: "file", name, operandIndex: at };
}
