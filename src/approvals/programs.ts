/**
 * The programs of a command that somebody may rewrite between the approval and the run: what an approval is bound to besides
 * words and scripts (A07). Source: node-host.md 8 "binds argv[0] itself as operand when writable".
 */
import type { ExecFacts } from "./facts.ts";
import type { Plan } from "./plan.ts";
import type { ScriptOperand } from "./reading/operand.ts";
import { absolutePath } from "./reading/paths.ts";

/** A program with the content it had when it was shown. */
export type ProgramOperand = Pick<ScriptOperand, "path" | "sha256">;

/** A program that somebody may rewrite, with its content; `undefined` when it stays as it is. */
export async function ownContent(
  path: string,
  facts: ExecFacts,
): Promise<ScriptOperand | undefined> {
  if (facts.file(path)?.mutable !== true) return undefined;
  const sha256 = await facts.hashFile(path);
  return sha256 === undefined ? undefined : { argvIndex: 0, path, sha256 };
}

/** The programs a command starts, also behind shells and wrappers, that somebody may rewrite: bound by content (A07). */
export async function programsInside(
  plan: Plan,
  bound: readonly (string | undefined)[],
  facts: ExecFacts,
): Promise<ProgramOperand[]> {
  const paths = new Set([
    plan.exact.file,
    ...plan.segments.flatMap((one) => programsOf(one, facts)),
  ]);
  for (const path of [...bound, ...plan.scripts.map((one) => one.path)]) {
    paths.delete(path);
  }
  const found: ProgramOperand[] = [];
  for (const path of paths) {
    const content = path === undefined ? undefined : await ownContent(path, facts);
    if (content) found.push({ path: content.path, sha256: content.sha256 });
  }
  return found;
}

function programsOf(segment: Plan["segments"][number], facts: ExecFacts): string[] {
  const { target, shell, nested, wrappers, blocked, argv, cwd } = segment;
  const read = [target, shell, ...nested, ...wrappers].map((one) =>
    one && "resolved" in one ? one.resolved?.execPath : one?.execPath
  );
  // What is not read, `setsid ./x`, could start each of its words.
  const words = blocked ? argv.slice(1).filter((word) => word.includes("/")) : [];
  const named = words.map((word) => absolutePath(word, cwd, facts))
    .filter((path) => facts.file(path)?.kind === "file" && facts.file(path)?.executable);
  return [...read.filter((path) => path !== undefined), ...named];
}
