/**
 * One simple command → segment: wrappers taken off, shells and runners read through, executables found, code in
 * arguments noticed. Owns the value that the allowlist is asked about and the words that will be executed for it.
 * Anything that is not understood leaves a `blocked` reason, which no path rule overrides. Source: node-host.md 7.4.
 */
import { codeOptions } from "./options/code_options.ts";
import { argPatternDigest } from "../digest.ts";
import { type ExecFacts, type Refusal, refusal } from "../facts.ts";
import { type InterpreterUse, interpreterUse } from "./interpreters.ts";
import { type NestedUse, nestedUses } from "./nested.ts";
import { bindScript, type ScriptOperand } from "./operand.ts";
import { byOtherNames } from "./other_names.ts";
import { absolutePath, hasSlash, holdsOpenFiles } from "./paths.ts";
import { type Resolved, resolveExecutable } from "./resolve.ts";
import { pathCommand, runnerUse } from "./runners.ts";
import { parseShell } from "./shell/shell.ts";
import { shellUse } from "./shells.ts";
import { MAX_WRAPPERS, stripWrapper } from "./wrappers.ts";

/** One command to be judged. */
export interface Segment {
  /** Text for people: the source text, or the words. */
  readonly text: string;
  /** Words as the caller wrote them. */
  readonly words: readonly string[];
  readonly cwd: string;
  /** Transparent wrappers in order, each with its executable. */
  readonly wrappers: readonly { readonly name: string; readonly resolved: Resolved | undefined }[];
  /** The command that is judged: words after wrappers and runners. */
  readonly argv: readonly string[];
  /** What is compared with the rules: the program, or the script a shell runs. */
  readonly target: Resolved | undefined;
  /** A shell that runs `target` as a script file. */
  readonly shell?: Resolved;
  readonly nested: readonly NestedUse[];
  readonly interpreter?: InterpreterUse;
  /** Runs through a multiplexer such as busybox: never remembered (X17). */
  readonly multiplexer: boolean;
  /** Words that will be executed, with executables replaced by their paths; the first is the file. */
  readonly execWords: readonly string[];
  /** Name the program sees as its own. */
  readonly argv0: string;
  /** Script or runner's bin with its content, at its place in `execWords`. */
  readonly operand?: ScriptOperand;
  /** `sha256:cwd-argv:v1:<hex>` over cwd and the arguments of `argv`. */
  readonly argDigest: string;
  /** Why no rule but an exact one can allow this command. */
  readonly blocked?: Refusal;
}

interface Walk {
  readonly facts: ExecFacts;
  readonly cwd: string;
  readonly text: string;
  readonly words: readonly string[];
}

interface Found {
  readonly wrappers: { name: string; resolved: Resolved | undefined }[];
  readonly prefix: string[];
  argv: readonly string[];
  multiplexer: boolean;
  /** Whether `argv[0]` is the bin that a runner would start. */
  viaRunner: boolean;
  blocked?: Refusal;
}

/** Deepest nesting of `sh -c` inside `sh -c`. */
const MAX_SHELLS = 3;

/** Analyses one simple command. Never throws. */
export async function analyzeSegment(
  words: readonly string[],
  cwd: string,
  text: string,
  facts: ExecFacts,
): Promise<Segment> {
  const walk: Walk = { facts, cwd, text, words };
  const found: Found = {
    wrappers: [],
    prefix: [],
    argv: words,
    multiplexer: false,
    viaRunner: false,
  };
  if (holdsOpenFiles(cwd) || holdsOpenFiles(facts.file(cwd)?.real ?? "")) {
    // "stdin" there is the program's own input, so an innocent name would make it read code that nobody judged.
    block(found, refusal("cwd", `names in "${cwd}" stand for devices and open files`));
  } else unwrap(walk, found, 0);
  const use = found.blocked === undefined ? shellUse(found.argv) : undefined;
  const read = use?.kind === "file"
    ? shellScript(walk, found, use.operandIndex)
    : program(walk, found);
  const [operand, argDigest] = await Promise.all([
    operandOf(walk, found, use?.kind === "file" ? use.operandIndex : undefined),
    argPatternDigest(cwd, found.argv.slice(1)),
  ]);
  return {
    ...read,
    argDigest,
    ...(operand ? { operand } : {}),
  };
}

/** The script of a shell or interpreter, or the bin of a runner; what cannot be hashed is not bound. */
async function operandOf(
  walk: Walk,
  found: Found,
  shellOperand: number | undefined,
): Promise<ScriptOperand | undefined> {
  const use = interpreterUse(found.argv);
  const index = shellOperand ??
    (use?.kind === "file" ? use.operandIndex : found.viaRunner ? 0 : undefined);
  if (index === undefined) return undefined;
  const path = absolutePath(found.argv[index] ?? "", walk.cwd, walk.facts);
  return (await bindScript(path, found.prefix.length + index, walk.facts)).operand;
}

/** Takes wrappers, runners and single-command shells off the front of `found.argv`. */
function unwrap(walk: Walk, found: Found, shells: number): void {
  for (;;) {
    const step = stripWrapper(found.argv, walk.facts.platform);
    if (step.kind === "blocked") return block(found, step.refusal);
    if (step.kind === "plain") break;
    if (found.wrappers.length >= MAX_WRAPPERS) {
      return block(
        found,
        refusal(
          "wrapper-depth",
          `more than ${MAX_WRAPPERS} wrappers stand in front of the command`,
        ),
      );
    }
    takeWrapper(walk, found, step);
  }
  const runner = runnerUse(found.argv);
  if (runner.kind === "refused") return block(found, runner.refusal);
  if (runner.kind === "runner") return throughRunner(walk, found, runner);
  const use = shellUse(found.argv);
  if (use?.kind === "refused") return block(found, use.refusal);
  if (use?.kind !== "inline") return;
  if (use.login) {
    return block(found, refusal("shell-login", "a login shell runs profile files first"));
  }
  if (shells >= MAX_SHELLS) {
    return block(found, refusal("shell-depth", `shells are nested more than ${MAX_SHELLS} deep`));
  }
  // One simple command: -e and pipefail make no difference to it.
  const parsed = parseShell(use.script, use.dialect);
  if (!parsed.ok) return block(found, parsed.refusal);
  const only = parsed.items.length === 1 && parsed.items[0]?.stages.length === 1
    ? parsed.items[0].stages[0]
    : undefined;
  if (!only || only.redirects.length > 0 || only.words[0] === "cd") {
    return block(
      found,
      refusal("nested-list", "a wrapper or shell is given a list of commands", {
        hint: "put the wrapper inside the list, in front of each command",
      }),
    );
  }
  found.argv = only.words;
  unwrap(walk, found, shells + 1);
}

function takeWrapper(walk: Walk, found: Found, step: { name: string; length: number }): void {
  const multiplexer = step.name === "busybox" || step.name === "toybox";
  if (multiplexer) found.multiplexer = true;
  else {
    const resolved = resolveExecutable(found.argv[0] ?? "", walk.cwd, walk.facts);
    found.wrappers.push({ name: step.name, resolved });
    found.prefix.push(
      resolved?.execPath ?? found.argv[0] ?? "",
      ...found.argv.slice(1, step.length),
    );
  }
  found.argv = found.argv.slice(step.length);
}

/** The bin a runner would start is run itself, so that it is bound to a file of this project (X35). */
function throughRunner(
  walk: Walk,
  found: Found,
  runner: { inner: readonly string[]; local: boolean; name: string },
): void {
  const [first = "", ...rest] = runner.inner;
  const bin = runner.local ? `node_modules/.bin/${first}` : first;
  if (runner.local && !resolveExecutable(bin, walk.cwd, walk.facts)) {
    return block(
      found,
      refusal(
        "runner",
        `"${first}" is not installed in node_modules/.bin, so ${runner.name} would fetch it`,
        {
          hint: "install it in the project first, or approve exactly this command",
        },
      ),
    );
  }
  found.argv = [bin, ...rest];
  found.viaRunner = runner.local;
}

function block(found: Found, why: Refusal): void {
  found.blocked = why;
}

type Read = Omit<Segment, "argDigest" | "operand">;

function shellScript(walk: Walk, found: Found, operandIndex: number): Read {
  const [shellWord = "", ...rest] = found.argv;
  const shell = resolveExecutable(shellWord, walk.cwd, walk.facts);
  const script = rest[operandIndex - 1] ?? "";
  const path = hasSlash(script, walk.facts.platform) ? script : `./${script}`;
  const target = resolveScript(path, walk);
  const blocked = target && shell
    ? undefined
    : refusal("not-found", `the script "${script}" or its shell was not found`);
  const args = rest.map((word, i) => i === operandIndex - 1 ? target?.execPath ?? word : word);
  return finish(walk, found, {
    target,
    ...(shell ? { shell } : {}),
    nested: [],
    execWords: [...found.prefix, shell?.execPath ?? shellWord, ...args],
    ...(blocked ? { blocked } : {}),
  });
}

function resolveScript(path: string, walk: Walk): Resolved | undefined {
  const readable: ExecFacts = {
    ...walk.facts,
    file: (one) => {
      const fact = walk.facts.file(one);
      return fact && { ...fact, executable: true };
    },
  };
  return resolveExecutable(path, walk.cwd, readable);
}

function program(walk: Walk, found: Found): Read {
  const [word = "", ...args] = found.argv;
  const target = resolveExecutable(word, walk.cwd, walk.facts);
  const options = codeOptions(found.argv);
  const nested = nestedUses(found.argv, options.nested, walk.cwd, walk.facts);
  const other = target ? byOtherNames(found.argv, target, walk.facts) : {};
  const onPath = pathCommand(found.argv);
  const runs = onPath !== undefined &&
    !walk.facts.file(absolutePath(onPath, walk.cwd, walk.facts)) &&
    resolveExecutable(onPath, walk.cwd, walk.facts);
  const blocked = found.blocked ??
    (runs
      ? refusal("runner", `without a script "${onPath}", ${word} would start ${runs.path}`, {
        hint: `call ${onPath} itself, or a script of the project with "${word} run"`,
      })
      : undefined) ??
    options.refusal ?? nested.refusal ?? other.refusal ??
    (target ? undefined : refusal("not-found", `no executable "${word}" was found`, {
      hint: "name the program by its absolute path",
    }));
  const execArgs = args.map((arg, i) => nested.replaced.get(i + 1) ?? arg);
  const interpreter = interpreterUse(found.argv) ?? other.interpreter;
  return finish(walk, found, {
    target,
    nested: nested.uses,
    ...(interpreter ? { interpreter } : {}),
    execWords: [...found.prefix, target?.execPath ?? word, ...execArgs],
    ...(blocked ? { blocked } : {}),
  });
}

type Ending = Pick<
  Segment,
  "target" | "shell" | "nested" | "interpreter" | "execWords" | "blocked"
>;

function finish(walk: Walk, found: Found, ending: Ending): Read {
  return {
    text: walk.text,
    words: walk.words,
    cwd: walk.cwd,
    wrappers: found.wrappers,
    argv: found.argv,
    multiplexer: found.multiplexer,
    argv0: found.prefix.length > 0 ? walk.words[0] ?? "" : found.argv[0] ?? "",
    ...ending,
  };
}
