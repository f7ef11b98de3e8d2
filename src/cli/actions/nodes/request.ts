/**
 * Small decisions of `nodes run` before and after the wire: environment pairs, the shell of a script, whether stdin
 * goes along, how a node's refusal is told here.
 */
import { quoteWord } from "../../../approvals/words.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import type { NodeEntry } from "../../shapes.ts";
import { stdinKind, stdinUnsupported } from "./stream.ts";

/** Reads `--env K=V` pairs. @throws OpenclawError `USAGE`. */
export function readEnv(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
    throw new OpenclawError("USAGE", `--env wants NAME=value, found "${pair}"`, { exitCode: 2 });
  }));
}

/** The shell of the node's platform around a script. Source: cli.md 4. */
export function shellArgv(script: string, node: NodeEntry): string[] {
  return /^win/i.test(node.platform ?? "")
    ? ["cmd.exe", "/d", "/s", "/c", script]
    : ["/bin/sh", "-c", script];
}

/**
 * Whether stdin is passed on: as the flag says, else when it is data and the peers can take it.
 * @throws OpenclawError `STDIN_UNSUPPORTED` when it was asked for and they cannot.
 */
export async function wantsStdin(flag: boolean | undefined, live: boolean): Promise<boolean> {
  if (flag === false) return false;
  const wanted = flag === true || await stdinKind() === "data";
  if (!wanted || live) return wanted;
  if (flag === true) throw stdinUnsupported();
  return false;
}

/** The node as it can be typed: by its name where that needs no quotes, else by its id. */
function typedName({ displayName, nodeId }: NodeEntry): string {
  return displayName && /^\w[\w.-]*$/.test(displayName) ? displayName : nodeId;
}

/** The node's own words, with its name in the commands they suggest: they are typed here, not there. */
export function reasonOf(error: OpenclawError, node: NodeEntry): string {
  return error.message.replace(/^((UNAVAILABLE|SYSTEM_RUN_DENIED): )+/, "")
    .replaceAll("openclaw approvals allowlist add", `$& --node ${typedName(node)}`);
}

/** What of the command line a second try repeats. */
interface Again {
  readonly argv: readonly string[];
  readonly raw: string | undefined;
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly agent: string | undefined;
}

/** The line that runs a decided request, ready to paste. Values of `--env` may be secrets and stay out of it. */
export function decidedLine(id: string, node: NodeEntry, values: Again): string {
  const options: readonly [string, string | undefined][] = [
    ["--node", typedName(node)],
    ["--approval", id],
    ["--cwd", values.cwd],
    ["--agent", values.agent],
    ...values.env.map((pair): [string, string] => ["--env", `${pair.split("=")[0]}=…`]),
    ["--raw", values.raw],
  ];
  const given = options.flatMap(([flag, value]) =>
    value === undefined ? [] : [`${flag} ${quoteWord(value)}`]
  );
  const rest = values.argv.length > 0 ? ["--", ...values.argv.map(quoteWord)] : [];
  return ["openclaw nodes run", ...given, ...rest].join(" ");
}

const REFERENCE_PLAN_KEYS = [
  "argv",
  "cwd",
  "commandText",
  "commandPreview",
  "agentId",
  "sessionKey",
]
  .concat("mutableFileOperand", "policySnapshot");

/** A plan with only the keys the reference knows. Source: node-host.md 8. */
export function referencePlan<P extends Readonly<Record<string, unknown>>>(plan: P): P {
  const known = Object.entries(plan).filter(([key]) => REFERENCE_PLAN_KEYS.includes(key));
  return Object.fromEntries(known) as P;
}
