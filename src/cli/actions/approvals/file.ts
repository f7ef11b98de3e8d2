/**
 * `approvals get|set|allowlist`: one policy file, on this machine, on a node or on the gateway's machine. Every
 * write names the hash of what was read, so that two people never overwrite each other unseen.
 */
import { CAP_EXEC_GRANTS } from "../../../protocol/hello.ts";
import {
  type ApprovalsFile,
  parseApprovals,
  type ParsedApprovals,
} from "../../../approvals/file/approvals_file.ts";
import { wireApprovals } from "../../../approvals/file/approvals_wire.ts";
import { addEntries, removeEntries } from "../../../approvals/file/entries.ts";
import { type Grant, isLive } from "../../../approvals/grants.ts";
import {
  type EffectivePolicy,
  effectivePolicy,
  type ExecConfig,
} from "../../../approvals/policy.ts";
import { loadConfig } from "../../../config/file/load.ts";
import { parseJson5 } from "../../../config/text/json5.ts";
import { statePaths } from "../../../config/paths.ts";
import { messageOf, OpenclawError } from "../../../lib/errors.ts";
import { systemClock } from "../../../lib/clock.ts";
import { silentLogger } from "../../../lib/log.ts";
import { any, bool, list, obj, opt, str } from "../../../lib/schema.ts";
import { ApprovalsStore } from "../../../node/files/approvals_store.ts";
import { ensureDir } from "../../../platform/files.ts";
import { withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { readAnswer } from "../../shapes.ts";
import { ageText } from "../../terminal/table.ts";
import { grantShape, showGrants } from "./grants.ts";
import { chooseNode } from "../nodes/calls.ts";

/** Which policy. */
export interface TargetValues extends RpcValues {
  readonly node: string | undefined;
  readonly gateway: boolean | undefined;
}

/** A policy file as read, with the hash a write must name. */
export interface Snapshot {
  readonly path: string;
  readonly exists: boolean;
  readonly hash: string;
  readonly file: unknown;
  /** Live grants beside the file; absent where nothing runs (a gateway) or nobody knows them (other products). */
  readonly grants?: readonly Grant[];
}

const snapshotShape = obj({
  path: str(),
  exists: opt(bool()),
  hash: str(),
  file: any(),
  grants: opt(list(grantShape)),
}, { unknown: "keep" });

/** One policy file, wherever it is. */
interface Place {
  readonly label: string;
  read(): Promise<Snapshot>;
  write(file: unknown, baseHash: string): Promise<Snapshot>;
}

/** Opens the place the flags mean, hands it to `use`, closes it. */
async function withPlace<T>(
  values: TargetValues,
  io: Io,
  use: (place: Place) => Promise<T>,
): Promise<T> {
  if (values.node === undefined && !values.gateway) {
    const paths = statePaths(io.env);
    const store = new ApprovalsStore({ ...paths, clock: systemClock, log: silentLogger });
    const withGrants = async (snapshot: Snapshot) => ({
      ...snapshot,
      grants: (await store.grants()).filter((grant) => isLive(grant, systemClock.now())),
    });
    try {
      return await use({
        label: "local",
        read: async () => withGrants(await store.snapshot()),
        write: async (file, baseHash) => {
          io.out.note("Writing local approvals.");
          await ensureDir(paths.stateDir);
          return withGrants(await store.set(file, baseHash));
        },
      });
    } finally {
      await store.close();
    }
  }
  const scopes = ["operator.read", "operator.admin"];
  return await withGateway(io, values, { scopes, caps: [CAP_EXEC_GRANTS] }, async (gateway) => {
    const nodeId = values.node === undefined
      ? undefined
      : (await chooseNode(gateway, values.node)).nodeId;
    const family = nodeId === undefined ? "exec.approvals" : "exec.approvals.node";
    const where = nodeId === undefined ? {} : { nodeId };
    const call = async (verb: "get" | "set", params: Record<string, unknown>) => {
      const method = `${family}.${verb}`;
      const answer = await gateway.call(method, { ...where, ...params });
      return readAnswer(snapshotShape, method, answer) as unknown as Snapshot;
    };
    return await use({
      label: nodeId === undefined ? "gateway" : `node:${nodeId}`,
      read: () => call("get", {}),
      write: (file, baseHash) => call("set", { file, baseHash }),
    });
  });
}

const parsed = (snapshot: Snapshot): ParsedApprovals =>
  parseApprovals(
    snapshot.exists === false ? undefined : JSON.stringify(snapshot.file),
    () => crypto.randomUUID(),
  );

/** `approvals get`. */
export async function showPolicy(values: TargetValues, io: Io): Promise<void> {
  const { label, snapshot } = await withPlace(values, io, async (place) => ({
    label: place.label,
    snapshot: await place.read(),
  }));
  await show(label, snapshot, io);
}

async function show(label: string, snapshot: Snapshot, io: Io): Promise<void> {
  const approvals = parsed(snapshot);
  const policy = effectivePolicy({
    approvals,
    ...(label === "local" ? { config: await localExecConfig(io) } : {}),
  });
  const scope = {
    scope: policy.agentId,
    requested: {},
    effective: { security: policy.security, ask: policy.ask, askFallback: policy.askFallback },
    sources: policy.sources,
  };
  const note = approvals.problems.join("; ");
  io.out.show({ ...snapshot, effectivePolicy: { scopes: [scope], note } }, () => {
    const { file } = approvals;
    const entries = entriesOf(file);
    io.out.table([{ title: "Field", fixed: true }, { title: "Value" }], [
      ["Target", label],
      ["Path", snapshot.path],
      ["Exists", snapshot.exists === false ? "no" : "yes"],
      ["Hash", snapshot.hash],
      ["Version", String(file.version)],
      ["Socket", file.socket?.path ?? "none"],
      ["Defaults", settingsText(file.defaults)],
      ["Agents", [...file.agents.keys()].join(", ") || "none"],
      ["Allowlist", `${entries.length} entries`],
    ]);
    if (entries.length === 0) io.out.text("No allowlist entries.");
    else {
      io.out.table(
        [{ title: "Target" }, { title: "Agent" }, { title: "Pattern" }, { title: "Last Used" }],
        entries.map(([agent, pattern, usedAt]) => [label, agent, pattern, usedAt]),
      );
    }
    if (snapshot.grants) showGrants(snapshot.grants, io);
    io.out.text("Effective Policy");
    io.out.table(
      [{ title: "Scope" }, { title: "Effective" }, { title: "From" }],
      [[
        policy.agentId,
        `security=${policy.security}, ask=${policy.ask}, askFallback=${policy.askFallback}`,
        sourcesText(policy.sources),
      ]],
    );
    for (const problem of approvals.problems) io.out.warn(problem);
  });
}

/** `tools.exec` of this machine, unset keys left out. */
async function localExecConfig(io: Io): Promise<ExecConfig> {
  const { config } = await loadConfig(statePaths(io.env), io.env);
  const set = Object.entries(config.tools.exec).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as ExecConfig;
}

/** Where the settings in force come from: once when it is one place. */
function sourcesText({ security, ask, askFallback }: EffectivePolicy["sources"]): string {
  if (security === ask && ask === askFallback) return security;
  return `security: ${security}, ask: ${ask}, askFallback: ${askFallback}`;
}

function settingsText(settings: { security?: string; ask?: string }): string {
  const parts = Object.entries(settings).filter(([key]) => key !== "allowlist");
  return parts.map(([key, value]) => `${key}=${value}`).join(", ") || "none";
}

function entriesOf(file: ApprovalsFile): [string, string, string][] {
  const nowMs = Date.now();
  return [...file.agents].flatMap(([agent, scope]) =>
    scope.allowlist.map((entry): [string, string, string] => [
      agent,
      entry.pattern,
      ageText(entry.lastUsedAt, nowMs),
    ])
  );
}

/** `approvals set`. */
export async function setPolicy(
  values: TargetValues & { file: string | undefined; stdin: boolean | undefined },
  io: Io,
): Promise<void> {
  if (values.file === undefined && !values.stdin) {
    throw new OpenclawError("USAGE", "Provide --file or --stdin.", { exitCode: 1 });
  }
  const text = values.file === undefined
    ? await new Response(Deno.stdin.readable).text()
    : await readText(values.file);
  const file = parsePolicy(text);
  await withPlace(values, io, async (place) => {
    const before = await place.read();
    await show(place.label, await place.write(file, before.hash), io);
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new OpenclawError("FILE_FAILED", `Cannot read "${path}": ${messageOf(error)}`);
  }
}

function parsePolicy(text: string): unknown {
  try {
    return parseJson5(text);
  } catch (error) {
    throw new OpenclawError(
      "APPROVALS_INVALID",
      `Failed to parse approvals JSON: ${messageOf(error)}`,
    );
  }
}

interface PatternValues extends TargetValues {
  readonly pattern: string | undefined;
  readonly agent: string;
}

function patternOf(values: PatternValues): string {
  const pattern = values.pattern?.trim();
  if (pattern) return pattern;
  throw new OpenclawError("USAGE", "Pattern required.", {
    hint: "openclaw approvals allowlist add /usr/bin/uname",
  });
}

/** `approvals allowlist add`. */
export async function addPattern(values: PatternValues, io: Io): Promise<void> {
  const pattern = patternOf(values);
  await change(values, io, "Already allowlisted.", (file) => {
    const entry = { id: crypto.randomUUID(), pattern };
    const { file: next, added } = addEntries(file, values.agent, [entry]);
    return added > 0 ? next : undefined;
  });
}

/** `approvals allowlist remove`. */
export async function removePattern(values: PatternValues, io: Io): Promise<void> {
  const pattern = patternOf(values);
  await change(values, io, "Pattern not found.", (file) => {
    const { file: next, removed } = removeEntries(file, values.agent, pattern);
    return removed > 0 ? next : undefined;
  });
}

async function change(
  values: TargetValues,
  io: Io,
  unchangedText: string,
  edit: (file: ApprovalsFile) => ApprovalsFile | undefined,
): Promise<void> {
  await withPlace(values, io, async (place) => {
    const before = await place.read();
    const approvals = parsed(before);
    if (approvals.state === "unparsable") {
      throw new OpenclawError(
        "APPROVALS_INVALID",
        `Cannot change ${before.path}: ${approvals.problems.join("; ")}`,
        { hint: "openclaw approvals set --file policy.json5" },
      );
    }
    const next = edit(approvals.file);
    if (!next) return io.out.show(before, () => io.out.text(unchangedText));
    await show(place.label, await place.write(wireApprovals(next), before.hash), io);
  });
}
