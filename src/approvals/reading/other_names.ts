/**
 * Programs under another name: a link to a shell, a version in the name, `vim.basic`. What is recognised by its name is
 * recognised by these names too, so that a link or a suffix is no way round (class of X15, X17). Programs that act by the
 * name they are called with are left alone.
 */
import { type ExecFacts, type Refusal, refusal } from "../facts.ts";
import { type InterpreterUse, interpreterUse } from "./interpreters.ts";
import { codeOptions } from "./options/code_options.ts";
import { baseName } from "./paths.ts";
import type { Resolved } from "./resolve.ts";
import { shellUse } from "./shells.ts";
import { stripWrapper } from "./wrappers.ts";

/** Many programs in one file, or a helper that starts the program whose name it was given: the link's name is what counts. */
const BY_NAME =
  /^(?:busybox|toybox|sbase-box|coreutils|ccache|sccache|distcc|icecc|rustup|snap|firejail|systemctl|box64|box86)(?:[.-].*)?$/;

/** Versions, architectures and flavours that distributions put behind a name. */
const SUFFIX =
  /(?:[-.](?:v?\d[\w.]*|basic|tiny|nox|athena|gtk\d*|static|real|orig|distrib|openbsd|traditional|moreutils|gnu|bsd|ul|x86_64|aarch64|amd64|arm64)|(?<=[a-z])\d{1,2})$/;

/** What another name of the program says about a command. */
export interface OtherName {
  readonly refusal?: Refusal;
  readonly interpreter?: InterpreterUse;
}

/** Reads a command by the other names of its program; the name it was called by is read elsewhere. */
export function byOtherNames(
  argv: readonly string[],
  target: Resolved,
  facts: ExecFacts,
): OtherName {
  const own = baseName(argv[0] ?? "");
  const real = baseName(facts.file(target.path)?.real ?? target.path);
  const linked = BY_NAME.test(real) ? [] : [real, withoutSuffix(real)];
  const names = new Set([withoutSuffix(own), ...linked]);
  names.delete(own);
  for (const name of names) {
    const found = asCalled(name, [name, ...argv.slice(1)], facts);
    if (found.refusal || found.interpreter) return found;
  }
  return {};
}

function withoutSuffix(name: string): string {
  let rest = name;
  while (SUFFIX.test(rest)) rest = rest.replace(SUFFIX, "");
  return rest;
}

function asCalled(name: string, argv: readonly string[], facts: ExecFacts): OtherName {
  if (shellUse(argv) || stripWrapper(argv, facts.platform).kind !== "plain") {
    const why = `the program is "${name}" under another name`;
    return { refusal: refusal("other-name", why, { hint: `call it as ${name}` }) };
  }
  const { refusal: hidden, nested } = codeOptions(argv);
  if (hidden) return { refusal: hidden };
  if (nested.length > 0) {
    return { refusal: refusal("other-name", `"${name}" under another name starts a command`) };
  }
  const interpreter = interpreterUse(argv);
  return interpreter ? { interpreter } : {};
}
