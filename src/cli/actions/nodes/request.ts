/**
 * Small decisions of `nodes run` before and after the wire: environment pairs, the shell of a script, whether stdin
 * goes along, how a node's refusal is told here.
 */
import { quoteWord } from "../../../approvals/words.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { CAP_INVOKE_OUTPUT, CAPABILITY_INVOKE_OUTPUT } from "../../../protocol/hello.ts";
import type { Gateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { NodeEntry } from "../../shapes.ts";
import { typedName } from "../../views/nodes.ts";
import { RUN_EXIT } from "./result.ts";
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

/** Where a command is to run, and where to warn. */
interface Destination {
  readonly gateway: Gateway;
  readonly node: NodeEntry;
  readonly out: Io["out"];
}

/**
 * Whether stdin is passed on: as the flag says, else when it is data and the peers can take it; it is told when they
 * cannot.
 * @throws OpenclawError `STDIN_UNSUPPORTED` when it was asked for and they cannot.
 */
export async function wantsStdin(
  flag: boolean | undefined,
  { gateway, node, out }: Destination,
): Promise<boolean> {
  if (flag === false) return false;
  const isWanted = flag === true || await stdinKind() === "data";
  if (!isWanted || gateway.offers(CAPABILITY_INVOKE_OUTPUT) && isOurs(node)) return isWanted;
  if (flag === true) throw stdinUnsupported();
  out.warn("what is piped in is not passed on: this gateway or node takes no input");
  return false;
}

const isOurs = (node: NodeEntry) => node.caps?.includes(CAP_INVOKE_OUTPUT) ?? false;

/** The agent whose policy counts: for nodes of the reference always named, as those of 2026.9.6 learn nothing else. */
export function agentOf(agent: string | undefined, node: NodeEntry): string | undefined {
  return agent ?? (isOurs(node) ? undefined : "main");
}

/** What makes the node's own policy stricter. */
interface Wish {
  readonly security?: string | undefined;
  readonly ask?: string | undefined;
}

/** Strictest first. */
const SECURITIES = ["deny", "allowlist", "full"];
const ASKS = ["always", "on-miss", "off"];

/**
 * The stricter of the command line and `tools.exec` of this machine. Source: cli.md 4.
 * @throws OpenclawError `APPROVAL_DENIED` (exit 126) when nothing may run.
 */
export function tightened(flags: Wish, exec: Wish): Wish {
  const stricter = (order: readonly string[], words: readonly (string | undefined)[]) =>
    order.find((word) => words.includes(word));
  const security = stricter(SECURITIES, [flags.security, exec.security]);
  if (security === "deny") {
    const who = flags.security === "deny"
      ? "--security deny"
      : "tools.exec.security of this machine";
    throw new OpenclawError("APPROVAL_DENIED", `${who} lets nothing run`, {
      exitCode: RUN_EXIT.denied,
      ...(flags.security === "deny" ? {} : { hint: "openclaw config get tools.exec.security" }),
    });
  }
  return { security, ask: stricter(ASKS, [flags.ask, exec.ask]) };
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
export function decidedLine(id: string | undefined, node: NodeEntry, values: Again): string {
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
  if (id === undefined) given.push("--wait");
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

/** Answer of `system.run.prepare`. */
export interface Prepared {
  readonly plan?: {
    readonly argv?: readonly string[];
    readonly commandText?: string;
    readonly cwd?: string | null;
    readonly agentId?: string | null;
    readonly sessionKey?: string | null;
    readonly [key: string]: unknown;
  };
  readonly execPolicy?: { readonly security?: string; readonly ask?: string };
}
