/**
 * Methods that read and change the configuration of this gateway. A change is guarded by the revision it was made
 * from, judged as a whole, written by `config/file/edit.ts` and then put in force. Source: gateway-protocol.md 11.2.
 */
import { isObject } from "../../../lib/objects.ts";
import { type ConfigChange, editConfig, type EditOutcome } from "../../../config/file/edit.ts";
import { type ConfigPath, renderConfigPath } from "../../../config/text/config_path.ts";
import { Json5Error, parseUnambiguous } from "../../../config/text/json5.ts";
import { loadConfig, type LoadedConfig } from "../../../config/file/load.ts";
import { redactValue, restoreText } from "../../../config/file/redact.ts";
import { keyAt, schemaAt } from "../../../config/schema/schema.ts";
import { configJsonSchema, configUiHints, lookupSchema } from "../../../config/file/show.ts";
import { isOpenclawError, type OpenclawError } from "../../../lib/errors.ts";
import { any, int, list, obj, opt, str } from "../../../lib/schema.ts";
import { refusal } from "../../../protocol/errors.ts";
import { WIRE_VERSION } from "../../../protocol/versions.ts";
import type { GatewayServices } from "../../services/services.ts";
import { WriteBudget } from "./budget.ts";
import { configSnapshot, revisionHash } from "./view.ts";
import { method, type MethodContext, type MethodDefinition } from "../define.ts";

const MAX_RAW = 1_000_000;
const rawParams = {
  raw: str({ max: MAX_RAW }),
  baseHash: opt(str({ max: 200 })),
};
const writeMembers = {
  ...rawParams,
  /** Where the wider product reports to; nothing here does. */
  deliveryContext: opt(any()),
  sessionKey: opt(str({ max: 200 })),
  note: opt(str({ max: 2_000 })),
  restartDelayMs: opt(int({ min: 0 })),
};
const applyParams = obj(writeMembers);
const patchParams = obj({
  ...writeMembers,
  replacePaths: opt(list(str({ max: 500 }), { max: 100 })),
});

const budgets = new WeakMap<GatewayServices, WriteBudget>();

function budgetOf(services: GatewayServices): WriteBudget {
  const found = budgets.get(services) ?? new WriteBudget(services.clock);
  budgets.set(services, found);
  return found;
}

function load({ paths, env }: GatewayServices): Promise<LoadedConfig> {
  return loadConfig(paths, env);
}

interface WriteRequest {
  readonly method: string;
  readonly raw: string;
  readonly baseHash: string | undefined;
  readonly ctx: MethodContext;
  /** Turns the text sent into changes of the file. */
  readonly changes: (text: string) => readonly ConfigChange[];
}

async function write(request: WriteRequest): Promise<EditOutcome> {
  const { ctx, raw, baseHash, changes } = request;
  const { services, principal } = ctx;
  const before = await load(services);
  const revision = await revisionHash(before, principal.protocol);
  if (baseHash !== undefined && baseHash !== revision) throw stale();
  if (baseHash === undefined && principal.protocol === 3 && before.exists) {
    throw invalid("config base hash required; re-run config.get and retry");
  }
  const text = restored(raw, before);
  const outcome = await editConfig(services, changes(text), {
    guard: (now) => {
      if (now.hash !== before.hash) throw stale();
    },
    review: ({ changedPaths }) => {
      refuseFileOnly(changedPaths);
      if (baseHash === undefined) requireHash(before, changedPaths);
    },
  }).catch(asWireError);
  ctx.log.info("config changed", {
    method: request.method,
    client: principal.clientId,
    device: principal.deviceId,
    paths: outcome.changedPaths.slice(0, 20).map(renderConfigPath).join(" "),
  });
  await services.config.reload();
  return outcome;
}

function restored(raw: string, before: LoadedConfig): string {
  try {
    return restoreText(raw, before.parsed);
  } catch (error) {
    if (error instanceof Json5Error) throw invalid(`invalid config: ${error.message}`);
    if (error instanceof RangeError) throw invalid(`invalid config: ${error.message}`);
    throw error;
  }
}

function invalid(message: string, details?: Readonly<Record<string, unknown>>): OpenclawError {
  return refusal("INVALID_REQUEST", message, details ? { details } : {});
}

function stale(): OpenclawError {
  return invalid("config changed since last load; re-run config.get and retry");
}

/** Protocol 4 asks for the revision only where a lost update could open the gateway. */
function requireHash(before: LoadedConfig, changed: readonly ConfigPath[]): void {
  const guarded = before.exists ? changed.filter((path) => keyAt(path) !== undefined) : [];
  if (guarded.length === 0) return;
  const names = guarded.slice(0, 10).map(renderConfigPath).join(", ");
  throw invalid(
    `config base hash required for ${names}; re-run config.get and retry with baseHash`,
  );
}

// Names under which the wider product keeps programs to start, and the objects that are about nothing else.
const PROGRAM_KEY =
  /^(?:command|cmd|args|argv|env|exec|executable|executablePath|binary|bin|helper|wrapper|shell|script|interpreter|entry|cliPath|cliBackends)$/i;
const PROGRAM_ROOTS = new Set<unknown>([
  "plugins",
  "hooks",
  "mcp",
  "skills",
  "acp",
  "env",
  "update",
]);

/** N45: whoever reaches the RPC must not choose which programs this machine starts. */
function refuseFileOnly(changed: readonly ConfigPath[]): void {
  for (const path of changed) {
    const key = keyAt(path);
    const program = key
      ? key.facts.fileOnly === true
      : PROGRAM_ROOTS.has(path[0]) || path.some((step) => PROGRAM_KEY.test(String(step))) ||
        schemaAt(path)?.kind === "map"; // a whole map of programs replaced by nothing
    if (!program) continue;
    const name = renderConfigPath(path);
    const message = "names a program or what it gets: change it in the file on the gateway host";
    throw invalid(`invalid config: ${name}: ${message}`, { issues: [{ path: name, message }] });
  }
}

function asWireError(error: unknown): never {
  if (!isOpenclawError(error, "CONFIG_INVALID", "CONFIG_PATH_INVALID")) throw error;
  const reason = error.message.replace(/^Config validation failed: /, "");
  const issues = error.details?.issues;
  throw invalid(`invalid config: ${reason}`, Array.isArray(issues) ? { issues } : undefined);
}

async function written(outcome: EditOutcome, ctx: MethodContext) {
  const { after } = outcome;
  return {
    ok: true,
    path: after.path,
    hash: await revisionHash(after, ctx.principal.protocol),
    config: redactValue(after.parsed),
  };
}

async function writtenWithReport(outcome: EditOutcome, ctx: MethodContext, name: string) {
  const restart = outcome.effect.restart.length > 0;
  return {
    ...await written(outcome, ctx),
    changedPaths: outcome.changedPaths.map(renderConfigPath),
    sentinel: {
      persisted: true,
      payload: {
        kind: name.replace(".", "-"),
        status: "ok",
        ts: ctx.clock.now(),
        message: restart ? `restart needed for ${outcome.effect.restart.join(", ")}` : null,
        stats: { mode: name, root: outcome.after.path, requiresRestart: restart },
      },
    },
  };
}

function spend(ctx: MethodContext, name: string): void {
  const { deviceId, remoteAddress, protocol } = ctx.principal;
  budgetOf(ctx.services).spend(deviceId ?? remoteAddress, name, protocol);
}

function patchOf(text: string): Readonly<Record<string, unknown>> {
  const patch = parsed(text);
  if (!isObject(patch)) throw invalid("invalid config: the patch must be an object");
  return patch;
}

function parsed(text: string): unknown {
  try {
    return parseUnambiguous(text);
  } catch (error) {
    if (error instanceof Json5Error) throw invalid(`invalid config: ${error.message}`);
    throw error;
  }
}

const replaceWith = (text: string) => [{ op: "replace", text }] as const;

/** Tells every reader about a configuration that took force; the composing server calls it once. */
export function announceConfigChanges({ config, events, clock }: GatewayServices): () => void {
  return config.onChange(async (now) => {
    const hash = await revisionHash(now, 4);
    events.broadcast("config.changed", { path: now.path, hash, ts: clock.now() });
  });
}

/** The methods of this file. */
export const configMethods: readonly MethodDefinition[] = [
  method("config.get", {
    scope: "operator.read",
    summary: "The configuration file with secrets redacted",
  }, async (_params, ctx) => {
    const loaded = await load(ctx.services);
    return await configSnapshot(loaded, ctx.services.config.current, ctx.principal.protocol);
  }),

  method("config.set", {
    scope: "operator.admin",
    summary: "Replaces the configuration file",
    params: obj(rawParams),
  }, async ({ raw, baseHash }, ctx) => {
    const changes = replaceWith;
    return await written(await write({ method: "config.set", raw, baseHash, ctx, changes }), ctx);
  }),

  method("config.patch", {
    scope: "operator.admin",
    summary: "Merges a JSON5 patch into the configuration file; null removes",
    params: patchParams,
  }, async ({ raw, baseHash, replacePaths = [] }, ctx) => {
    spend(ctx, "config.patch");
    const changes = (text: string) =>
      [{ op: "merge", patch: patchOf(text), replace: replacePaths }] as const;
    const outcome = await write({ method: "config.patch", raw, baseHash, ctx, changes });
    return await writtenWithReport(outcome, ctx, "config.patch");
  }),

  method("config.apply", {
    scope: "operator.admin",
    summary: "Replaces the configuration file and puts it in force",
    params: applyParams,
  }, async ({ raw, baseHash }, ctx) => {
    spend(ctx, "config.apply");
    const changes = replaceWith;
    const outcome = await write({ method: "config.apply", raw, baseHash, ctx, changes });
    return await writtenWithReport(outcome, ctx, "config.apply");
  }),

  method("config.schema", {
    scope: "operator.read",
    summary: "JSON Schema of the configuration file",
  }, (_params, { clock }) => ({
    schema: configJsonSchema(),
    uiHints: configUiHints(),
    version: WIRE_VERSION,
    generatedAt: new Date(clock.now()).toISOString(),
  })),

  method("config.schema.lookup", {
    scope: "operator.read",
    summary: "Schema of one configuration key",
    params: obj({ path: str({ min: 1, max: 500 }) }),
  }, ({ path }) => {
    const found = lookupSchema(path);
    if (!found) throw invalid("config schema path not found");
    return found;
  }),
];
