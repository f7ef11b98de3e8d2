/**
 * `doctor`: walks the hops to the gateway and on to a node and stops at the first broken one. What a failure means
 * is data (`table.ts`); here is only the walking.
 */
import { dirname, join } from "@std/path";
import { quoteWord } from "../../approvals/words.ts";
import { requireValid } from "../../config/file/load.ts";
import { statePaths } from "../../config/paths.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { exists } from "../../platform/file_facts.ts";
import { ensureDir, writeAtomic } from "../../platform/files.ts";
import { type CliTarget, type Gateway, targetOf, withGateway } from "../connect/connect.ts";
import { type Diagnosis, type Hop, HOPS } from "./hops.ts";
import { DIAGNOSES } from "./table.ts";
import type { Io } from "../terminal/io.ts";
import { styled } from "../terminal/output.ts";
import type { RpcValues } from "../connect/rpc_flags.ts";
import { nodeList, readAnswer } from "../shapes.ts";
import { repair } from "./fix.ts";
import { type NodeEnd, walkNodeEnd } from "./node_end.ts";
import { NODE_DIAGNOSES, NODE_END_COMMANDS } from "./node_table.ts";
import { walkToNode } from "./node_way.ts";
import { refine } from "./refine.ts";
import { securityNotes } from "../actions/security_notes.ts";

/** Values of the command. */
export interface DoctorValues extends RpcValues {
  readonly node: string | undefined;
  readonly fix: boolean | undefined;
  /** With a node: a command it should be able to run. */
  readonly argv: readonly string[];
}

/** F19: from here on a person should know. Signatures are not affected: they carry the gateway's time. */
const SKEW_MS = 120_000;

/** A file as large as those that are kept here. */
const PROBE_BYTES = 8192;

/** State of one hop. */
interface HopReport {
  readonly hop: Hop;
  readonly state: "ok" | "broken" | "not reached";
  readonly detail?: string;
}

/** The first broken hop. */
interface Finding extends Diagnosis {
  readonly code: string;
  readonly message: string;
  /** Whose way is broken: this command line's, or that of this machine's node. */
  readonly end: End;
}

type End = "operator" | "node";

/** How far the walk came. */
interface Walk {
  readonly finding: Finding | undefined;
  /** The last hop that is known to be fine. */
  readonly reached: Hop;
}

const NODE_FILE_CODES = ["NODE_FILE_UNREADABLE", "PIN_MALFORMED", "PIN_WITHOUT_TLS"];
/** Found on this machine before anything is dialled: nothing is known of the hops in between. */
const BEFORE_DIALLING = new Set(
  [...NODE_FILE_CODES, "DEVICE_KEY_UNUSABLE", "TOKEN_STORE_UNREADABLE"],
);

/** The last hop known to be fine in front of a broken one. */
function reachedBefore({ hop, code, end }: Finding, hasTarget: boolean): Hop {
  if (BEFORE_DIALLING.has(code) || (end === "operator" && !hasTarget)) return "config";
  // Its way was dialled, but nobody asked the gateway anything.
  if (code === "NODE_NOT_RUNNING") return "upgrade";
  return HOPS[HOPS.indexOf(hop) - 1] ?? "config";
}

/** `doctor`. Returns 0 when every hop is fine. */
export async function examine(values: DoctorValues, io: Io): Promise<number> {
  const startMs = performance.now();
  const fixed = values.fix ? await repair(io) : [];
  const notes: string[] = [];
  const { finding, reached } = await walk(values, io, notes);
  if (finding?.hop !== "config") notes.push(...await securityNotes(io));
  const hops = reportHops(finding, values.node !== undefined, reached);
  const tookMs = Math.round(performance.now() - startMs);
  const ok = finding === undefined;
  io.out.show({ ok, tookMs, hops, finding: finding ?? null, notes, fixed }, () => {
    for (const path of fixed) io.out.text(styled("good", "fixed    "), ` ${path}`);
    for (const { hop, state, detail } of hops) {
      const style = state === "ok" ? "good" : state === "broken" ? "bad" : "faint";
      io.out.text(styled(style, state.padEnd(11)), ` ${hop}`, detail ? `: ${detail}` : "");
    }
    for (const note of notes) io.out.text(styled("warn", "note       "), ` ${note}`);
    if (!finding) return;
    io.out.text("");
    const end = finding.end === "node" ? " (the node's own way)" : "";
    io.out.text(styled("strong", "Found  "), ` ${finding.code}${end}: ${finding.message}`);
    io.out.text(styled("strong", "Cause  "), ` ${finding.cause}`);
    if (finding.command) io.out.text(styled("strong", "Next   "), ` ${finding.command}`);
  });
  return finding ? 1 : 0;
}

function reportHops(finding: Finding | undefined, withNode: boolean, reached: Hop): HopReport[] {
  const end = withNode ? HOPS.length : HOPS.indexOf("pairing") + 1;
  const broken = finding ? HOPS.indexOf(finding.hop) : -1;
  const passed = broken === 0 ? 0 : HOPS.indexOf(reached) + 1;
  return HOPS.slice(0, end).map((hop, i) => ({
    hop,
    state: i < passed ? "ok" : i === broken ? "broken" : "not reached",
    ...(i === broken && finding ? { detail: finding.cause } : {}),
  }));
}

async function walk(values: DoctorValues, io: Io, notes: string[]): Promise<Walk> {
  let target: CliTarget | undefined;
  const found = (error: unknown, end: End = "operator"): Walk => {
    const finding = findingOf(error, { target, io, values, end });
    return { finding, reached: reachedBefore(finding, target !== undefined) };
  };
  let nodeEnd: NodeEnd | undefined;
  try {
    await checkStateDir(io);
    nodeEnd = values.node === undefined
      ? undefined
      : await walkNodeEnd(values.node, io, values.timeoutMs);
  } catch (error) {
    return found(error, isOpenclawError(error, ...NODE_FILE_CODES) ? "node" : "operator");
  }
  if (nodeEnd?.problem) return found(nodeEnd.problem, "node");
  try {
    target = await targetOf(io, values);
    requireValid(target.loaded);
    await walkToGateway(values, io, notes);
    return { finding: undefined, reached: values.node === undefined ? "pairing" : "run" };
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    const exact = target && !BEHIND.has(error.code) ? await refine(error, target, io) : error;
    // A machine that is only a node has no gateway of its own: its node's way is all there is to check here.
    if (nodeEnd && target?.source === "local" && exact.code === "GATEWAY_NOT_RUNNING") {
      notes.push(
        `the node is connected to ${nodeEnd.url}; for the rest, on the gateway: openclaw doctor --node ${
          quoteWord(values.node ?? "")
        }`,
      );
      return { finding: undefined, reached: "pairing" };
    }
    return found(exact);
  }
}

/** Codes of hops behind the gateway: they are exact already. */
const BEHIND = new Set(Object.keys(NODE_DIAGNOSES));

/** From this command line to the gateway and on. @throws {OpenclawError} of the first broken hop. */
async function walkToGateway(values: DoctorValues, io: Io, notes: string[]): Promise<void> {
  // Long-lived: that way of dialling tells TCP, TLS and upgrade apart.
  const needs = {
    scopes: ["operator.read", "operator.write"],
    wishes: ["operator.pairing"],
    longLived: true,
  };
  await withGateway(io, values, needs, async (gateway) => {
    notes.push(...await clockNotes(gateway));
    if (values.node === undefined) return;
    const argv = values.argv.length > 0 ? values.argv : ["true"];
    await walkToNode(gateway, { query: values.node, argv }, io);
  });
}

/** F19: clocks that differ are told, because certificates, logs and expiry dates then seem wrong. */
async function clockNotes(gateway: Gateway): Promise<string[]> {
  const { ts } = readAnswer(nodeList, "node.list", await gateway.call("node.list"));
  const skewMs = typeof ts === "number" ? ts - Date.now() : 0;
  if (Math.abs(skewMs) < SKEW_MS) return [];
  const side = skewMs > 0 ? "ahead of" : "behind";
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  return [
    `CLOCK_SKEW: the gateway's clock is ${seconds} s ${side} this machine's; check both: date -u`,
  ];
}

/** F04, F05: keys and tokens must be kept; a disk that takes nothing fails later and less clearly. */
async function checkStateDir({ env }: Io): Promise<void> {
  const { stateDir, gatewayDir } = statePaths(env);
  await ensureDir(stateDir);
  const probe = join(stateDir, `.doctor-${crypto.randomUUID()}`);
  // An empty file needs no space: a full disk would take it.
  await writeAtomic(probe, " ".repeat(PROBE_BYTES));
  await Deno.remove(probe);
  const [cert, key] = await Promise.all(
    ["cert", "key"].map((half) => exists(join(gatewayDir, "tls", `gateway-${half}.pem`))),
  );
  if (cert !== key) {
    throw new OpenclawError(
      "TLS_FILES_INCOMPLETE",
      `The gateway's ${cert ? "key" : "certificate"} is missing`,
    );
  }
}

interface FindingFacts {
  readonly target: CliTarget | undefined;
  readonly io: Io;
  readonly values: DoctorValues;
  readonly end: End;
}

function findingOf(error: unknown, facts: FindingFacts): Finding {
  if (!isOpenclawError(error)) throw error;
  const { target, end } = facts;
  const known = DIAGNOSES[error.code] ?? {
    hop: target || end === "node" ? "credential" as const : "config" as const,
    cause: error.hint ?? "not listed; the message says more",
  };
  const words = (end === "node" ? NODE_END_COMMANDS[error.code] : undefined) ?? known.command;
  const command = words && fill(words, error, facts);
  return {
    hop: known.hop,
    cause: known.cause,
    ...(command ? { command } : {}),
    code: error.code,
    message: messageOf(error),
    end,
  };
}

/** Puts the facts of this failure into a command. */
function fill(command: string, error: OpenclawError, { target, io, values }: FindingFacts): string {
  if (!command.includes("<")) return command;
  const { details = {} } = error;
  const { stateDir, gatewayLockFile, tlsCertFile } = statePaths(io.env);
  const given = typeof details.url === "string" ? details.url : undefined;
  const url = target?.url ?? given ?? wssIn(error.message) ?? "wss://gateway.example:18789";
  const { hostname, port } = new URL(url.replace(/^ws/, "http"));
  const facts: Record<string, unknown> = {
    host: hostname,
    port: port || "18789",
    url,
    "wss-url": url.replace(/^ws:/, "wss:"),
    "http-url": url.replace(/^ws/, "http"),
    actualUrl: details.actualUrl,
    observed: details.observed ?? details.actual,
    requestId: details.requestId,
    kind: details.kind,
    path: details.path ?? stateDir,
    folder: typeof details.path === "string" ? dirname(details.path) : stateDir,
    tlsDir: dirname(missingIn(details) ?? tlsCertFile),
    node: values.node,
    argv: values.argv.length > 0 ? values.argv.map(quoteWord).join(" ") : "true",
    stateDir,
    lockFile: gatewayLockFile,
  };
  return command.replace(/<([a-zA-Z-]+)>/g, (all, name) => String(facts[name] ?? all));
}

/** The half of a certificate pair that is not there. */
const missingIn = ({ missing }: NonNullable<OpenclawError["details"]>) =>
  Array.isArray(missing) && typeof missing[0] === "string" ? missing[0] : undefined;

/** The address in a dial's message. */
const wssIn = (message: string) => /"(wss?:\/\/[^"\s]+)"/.exec(message)?.[1];
