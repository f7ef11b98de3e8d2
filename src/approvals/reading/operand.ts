/**
 * The script file behind a command, found and hashed: what an approval of `bash deploy.sh` or `node build.js` is bound to
 * besides its words (A07). Source: node-host.md 8 "Script operand".
 */
import type { ExecFacts } from "../facts.ts";
import { interpreterUse } from "./interpreters.ts";
import { absolutePath } from "./paths.ts";
import { runnerUse } from "./runners.ts";
import { shellUse } from "./shells.ts";
import { behindWrappers, stripWrapper } from "./wrappers.ts";

/** A script whose content is bound. `argvIndex` counts in the whole argv. */
export interface ScriptOperand {
  readonly argvIndex: number;
  readonly path: string;
  readonly sha256: string;
}

/** What {@linkcode operandOf} found. `refusal` is wire text: this command cannot be bound for an approval. */
export interface OperandFound {
  readonly operand?: ScriptOperand;
  readonly refusal?: string;
  /** The operand is the program a runner would start: it is run itself instead of the runner. */
  readonly viaRunner?: true;
}

const UNBOUND = "approval cannot safely bind this interpreter/runtime command";

/** Finds and hashes the script operand of an argv. */
export function operandOf(
  argv: readonly string[],
  cwd: string,
  facts: ExecFacts,
): Promise<OperandFound> {
  const rest = behindWrappers(argv, facts.platform);
  const front = stripWrapper(rest, facts.platform);
  if (front.kind === "blocked") return behindCarrier(argv, rest, front.refusal.code, cwd, facts);
  const runner = runnerUse(rest);
  if (runner.kind === "refused") return Promise.resolve({ refusal: UNBOUND });
  // The inner command is always a tail of the argv: for `pnpm node f.js` the word `node` itself begins it.
  const inner = runner.kind === "runner" ? runner.inner : rest;
  const offset = argv.length - inner.length;
  const shell = shellUse(inner);
  if (shell?.kind === "inline") return Promise.resolve({});
  if (shell?.kind === "refused") {
    return Promise.resolve(shell.refusal.code === "shell-stdin" ? { refusal: UNBOUND } : {});
  }
  if (shell) return bind({ inner, index: shell.operandIndex, offset, cwd, facts });
  const use = interpreterUse(inner);
  if (use?.kind === "file") return bind({ inner, index: use.operandIndex, offset, cwd, facts });
  if (use?.kind === "inline" || use?.kind === "unbound") {
    return Promise.resolve({ refusal: UNBOUND });
  }
  if (runner.kind === "runner" && runner.local) {
    return bind({ inner: [`node_modules/.bin/${inner[0]}`], index: 0, offset, cwd, facts })
      .then((found) => ({ ...found, viaRunner: true }));
  }
  return Promise.resolve({});
}

/** `sudo bash s.sh`, `env A=1 node x.js`: the wrapper is not read, but a script behind it is still bound. */
async function behindCarrier(
  argv: readonly string[],
  rest: readonly string[],
  code: string,
  cwd: string,
  facts: ExecFacts,
): Promise<OperandFound> {
  if (code === "multiplexer") return { refusal: UNBOUND };
  const start = argv.length - rest.length;
  for (let i = start + 1; i < argv.length; i++) {
    const tail = argv.slice(i);
    if (!shellUse(tail) && !interpreterUse(tail) && runnerUse(tail).kind === "plain") continue;
    const found = await operandOf(tail, cwd, facts);
    if (!found.operand) return found;
    return { operand: { ...found.operand, argvIndex: found.operand.argvIndex + i } };
  }
  return {};
}

interface BindFacts {
  readonly inner: readonly string[];
  readonly index: number;
  readonly offset: number;
  readonly cwd: string;
  readonly facts: ExecFacts;
}

function bind({ inner, index, offset, cwd, facts }: BindFacts): Promise<OperandFound> {
  return bindScript(absolutePath(inner[index] ?? "", cwd, facts), offset + index, facts);
}

/** Hashes the script at `path`, which stands at `argvIndex` of the words it is found in. */
export async function bindScript(
  path: string,
  argvIndex: number,
  facts: ExecFacts,
): Promise<OperandFound> {
  const fact = facts.file(path);
  if (!fact) return { refusal: "approval requires an existing script operand" };
  if (fact.kind !== "file") return { refusal: "approval requires a file script operand" };
  const sha256 = await facts.hashFile(path);
  if (sha256 === undefined) return { refusal: "approval requires an existing script operand" };
  return { operand: { argvIndex, path: fact.real ?? path, sha256 } };
}
