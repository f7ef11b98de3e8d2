/**
 * `doctor`: walks the hops to the gateway and on to a node and stops at the first broken one. What a failure means
 * is data (`doctor_table.ts`); here is only the walking.
 */
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { any, obj, opt, str } from "../../lib/schema.ts";
import { type CliTarget, type Gateway, targetOf, withGateway } from "../connect.ts";
import { DIAGNOSES, type Diagnosis, type Hop, HOPS } from "../doctor_table.ts";
import type { Io } from "../io.ts";
import { styled } from "../output.ts";
import type { RpcValues } from "../rpc_flags.ts";
import { invokeAnswer, type NodeEntry, readAnswer } from "../shapes.ts";
import { chooseNode } from "./nodes.ts";
import { repairModes } from "./doctor_fix.ts";
import { securityNotes } from "./security_notes.ts";

/** Values of the command. */
export interface DoctorValues extends RpcValues {
  readonly node: string | undefined;
  readonly fix: boolean | undefined;
}

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
  const finding = await walk(values, io);
  const notes = await securityNotes(io);
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

async function walk(values: DoctorValues, io: Io): Promise<Finding | undefined> {
  let target: CliTarget | undefined;
  try {
    target = await targetOf(io, values);
    return await withGateway(
      io,
      values,
      { scopes: ["operator.read", "operator.write"] },
      async (gateway) => {
        try {
          if (values.node !== undefined) await walkToNode(gateway, values.node);
        } catch (error) {
          return findingOf(error, target, values.node);
        }
      },
    );
  } catch (error) {
    return findingOf(error, target, values.node);
  }
}

const policyAnswer = obj({
  execPolicy: opt(obj({ security: opt(str()) }, { unknown: "keep" })),
  plan: opt(any()),
}, { unknown: "keep" });

/** The hops behind the gateway. */
async function walkToNode(gateway: Gateway, query: string): Promise<void> {
  const node = await chooseNode(gateway, query);
  if (node.pendingRequestId) {
    throw new OpenclawError("NODE_SURFACE_PENDING", "The node's commands are not approved", {
      details: { requestId: node.pendingRequestId },
    });
  }
  if (!node.connected) throw new OpenclawError("NODE_OFFLINE", "The node is not connected");
  if (!node.commands?.includes("system.run")) {
    throw new OpenclawError(
      "NODE_CANNOT_RUN",
      `The node's commands here: ${node.commands?.join(", ") || "none"}`,
    );
  }
  await checkPolicy(gateway, node);
  if (!node.commands.includes("system.which")) return;
  try {
    await invoke(gateway, node, "system.which", { bins: ["sh"] });
  } catch (error) {
    throw new OpenclawError("RUN_FAILED", messageOf(error), { cause: error });
  }
}

async function checkPolicy(gateway: Gateway, node: NodeEntry): Promise<void> {
  if (!node.commands?.includes("system.run.prepare")) return;
  const answer = await invoke(gateway, node, "system.run.prepare", { command: ["true"] })
    .catch((error) => {
      throw new OpenclawError("RUN_FAILED", messageOf(error), { cause: error });
    });
  const { execPolicy } = readAnswer(policyAnswer, "system.run.prepare", answer ?? {});
  if (execPolicy?.security === "deny") {
    throw new OpenclawError("POLICY_DENIES", "The node's exec policy has security=deny");
  }
}

async function invoke(
  gateway: Gateway,
  node: NodeEntry,
  command: string,
  params: unknown,
): Promise<unknown> {
  const { nodeId } = node;
  const answer = await gateway.call("node.invoke", {
    nodeId,
    command,
    params,
    timeoutMs: 5_000,
    idempotencyKey: crypto.randomUUID(),
  });
  return readAnswer(invokeAnswer, "node.invoke", answer).payload;
}

const NO_ROUTE = /ENETUNREACH|EHOSTUNREACH|unreachable|no route/i;

function findingOf(error: unknown, target: CliTarget | undefined, node?: string): Finding {
  if (!isOpenclawError(error)) throw error;
  const code = error.code === "CONNECTION_FAILED" && NO_ROUTE.test(error.message)
    ? "ROUTE_MISSING"
    : error.code;
  const known = DIAGNOSES[code] ?? {
    hop: target ? "credential" as const : "config" as const,
    cause: error.hint ?? "not listed; the message says more",
  };
  const command = known.command && fill(known.command, error, target, node);
  return {
    hop: known.hop,
    cause: known.cause,
    ...(command ? { command } : {}),
    code,
    message: messageOf(error),
  };
}

/** Puts the facts of this failure into a command. */
function fill(
  command: string,
  error: OpenclawError,
  target: CliTarget | undefined,
  node: string | undefined,
): string {
  const url = target?.url ?? "wss://gateway.example:18789";
  const { details = {} } = error;
  const facts: Record<string, unknown> = {
    host: new URL(url.replace(/^ws/, "http")).hostname,
    url,
    "wss-url": url.replace(/^ws:/, "wss:"),
    observed: details.observed ?? details.actual,
    requestId: details.requestId,
    node,
  };
  return command.replace(/<([a-zA-Z-]+)>/g, (all, name) => String(facts[name] ?? all));
}
