/**
 * `doctor`: walks the hops to the gateway and on to a node and stops at the first broken one. What a failure means
 * is data (`table.ts`); here is only the walking.
 */
import { join } from "@std/path";
import { quoteWord } from "../../approvals/words.ts";
import { requireValid } from "../../config/file/load.ts";
import { statePaths } from "../../config/paths.ts";
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { ensureDir, writeAtomic } from "../../platform/files.ts";
import { type CliTarget, type Gateway, targetOf, withGateway } from "../connect.ts";
import { type Diagnosis, type Hop, HOPS } from "./hops.ts";
import { DIAGNOSES } from "./table.ts";
import type { Io } from "../io.ts";
import { styled } from "../output.ts";
import type { RpcValues } from "../rpc_flags.ts";
import { nodeList, readAnswer } from "../shapes.ts";
import { repairModes } from "./fix.ts";
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
}

/** `doctor`. Returns 0 when every hop is fine. */
export async function examine(values: DoctorValues, io: Io): Promise<number> {
  const fixed = values.fix ? await repairModes(io) : [];
  const notes: string[] = [];
  const finding = await walk(values, io, notes);
  if (finding?.hop !== "config") notes.push(...await securityNotes(io));
  const hops = reportHops(finding, values.node !== undefined);
  io.out.show({ ok: finding === undefined, hops, finding: finding ?? null, notes, fixed }, () => {
    for (const path of fixed) io.out.text(styled("good", "fixed    "), ` ${path}`);
    for (const { hop, state, detail } of hops) {
      const style = state === "ok" ? "good" : state === "broken" ? "bad" : "faint";
      io.out.text(styled(style, state.padEnd(11)), ` ${hop}`, detail ? `: ${detail}` : "");
    }
    for (const note of notes) io.out.text(styled("warn", "note       "), ` ${note}`);
    if (!finding) return;
    io.out.text("");
    io.out.text(styled("strong", "Found  "), ` ${finding.code}: ${finding.message}`);
    io.out.text(styled("strong", "Cause  "), ` ${finding.cause}`);
    if (finding.command) io.out.text(styled("strong", "Next   "), ` ${finding.command}`);
  });
  return finding ? 1 : 0;
}

function reportHops(finding: Finding | undefined, withNode: boolean): HopReport[] {
  const end = withNode ? HOPS.length : HOPS.indexOf("pairing") + 1;
  const last = finding ? HOPS.indexOf(finding.hop) : end;
  return HOPS.slice(0, end).map((hop, i) => ({
    hop,
    state: i < last ? "ok" : i === last ? "broken" : "not reached",
    ...(i === last && finding ? { detail: finding.cause } : {}),
  }));
}

async function walk(
  values: DoctorValues,
  io: Io,
  notes: string[],
): Promise<Finding | undefined> {
  let target: CliTarget | undefined;
  try {
    await checkStateDir(io);
    target = await targetOf(io, values);
    requireValid(target.loaded);
    // Long-lived: that way of dialling tells TCP, TLS and upgrade apart.
    const needs = {
      scopes: ["operator.read", "operator.write"],
      wishes: ["operator.pairing"],
      longLived: true,
    };
    return await withGateway(io, values, needs, async (gateway) => {
      try {
        notes.push(...await clockNotes(gateway));
        if (values.node !== undefined) {
          const argv = values.argv.length > 0 ? values.argv : ["true"];
          await walkToNode(gateway, { query: values.node, argv }, io);
        }
      } catch (error) {
        return findingOf(error, target, { io, values });
      }
    });
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    return findingOf(target ? await refine(error, target, io) : error, target, { io, values });
  }
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
  await writeAtomic(probe, "");
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

const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);

function findingOf(
  error: unknown,
  target: CliTarget | undefined,
  { io, values }: { readonly io: Io; readonly values: DoctorValues },
): Finding {
  if (!isOpenclawError(error)) throw error;
  const known = DIAGNOSES[error.code] ?? {
    hop: target ? "credential" as const : "config" as const,
    cause: error.hint ?? "not listed; the message says more",
  };
  const command = known.command && fill(known.command, { error, target, io, values });
  return {
    hop: known.hop,
    cause: known.cause,
    ...(command ? { command } : {}),
    code: error.code,
    message: messageOf(error),
  };
}

interface CommandFacts {
  readonly error: OpenclawError;
  readonly target: CliTarget | undefined;
  readonly io: Io;
  readonly values: DoctorValues;
}

/** Puts the facts of this failure into a command. */
function fill(command: string, { error, target, io, values }: CommandFacts): string {
  const url = target?.url ?? "wss://gateway.example:18789";
  const { details = {} } = error;
  const { stateDir, gatewayLockFile } = statePaths(io.env);
  const facts: Record<string, unknown> = {
    host: new URL(url.replace(/^ws/, "http")).hostname,
    url,
    "wss-url": url.replace(/^ws:/, "wss:"),
    "http-url": url.replace(/^ws/, "http"),
    actualUrl: details.actualUrl,
    observed: details.observed ?? details.actual,
    requestId: details.requestId,
    kind: details.kind,
    node: values.node,
    argv: values.argv.length > 0 ? values.argv.map(quoteWord).join(" ") : "true",
    stateDir,
    lockFile: gatewayLockFile,
  };
  return command.replace(/<([a-zA-Z-]+)>/g, (all, name) => String(facts[name] ?? all));
}
