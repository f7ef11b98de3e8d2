/**
 * `config …` on the local file. Reading, judging and writing are `config/`; here is only what is shown.
 */
import { isObject } from "../../lib/objects.ts";
import { parseConfigPath, renderConfigPath } from "../../config/text/config_path.ts";
import {
  type ConfigChange,
  type ConfigPlace,
  editConfig,
  type EditOutcome,
} from "../../config/file/edit.ts";
import { issueText, loadConfig, requireValid } from "../../config/file/load.ts";
import { parseConfigValue } from "../../config/file/typed_value.ts";
import { statePaths } from "../../config/paths.ts";
import {
  configJsonSchema,
  lookupConfig,
  lookupSchema,
  referenceRefusals,
} from "../../config/file/show.ts";
import { configSchema as schemaRoot, schemaAt } from "../../config/schema/schema.ts";
import { REDACTED } from "../../config/schema/secret_input.ts";
import { isOpenclawError, OpenclawError } from "../../lib/errors.ts";
import { any, check, list, obj, str } from "../../lib/schema.ts";
import { nearest } from "../../lib/text.ts";
import { fileError } from "../../platform/file_safety.ts";
import type { Io } from "../terminal/io.ts";
import { refuseBadAddresses } from "./config_addresses.ts";
import { readRunningGateway } from "../connect/running_gateway.ts";

const placeOf = (io: Io): ConfigPlace & { paths: ReturnType<typeof statePaths> } => ({
  paths: statePaths(io.env),
  env: io.env,
});

/** `config get`. Returns the exit code. */
export async function configGet(
  values: { path: string; reveal: boolean | undefined },
  io: Io,
): Promise<number> {
  const { paths, env } = placeOf(io);
  const loaded = requireValid(await loadConfig(paths, env), { readable: true });
  const { found, shown, value, secret } = lookupConfig(loaded, values.path);
  if (found === "missing") throw pathNotFound(values.path);
  if (found === "unset") throw notSet(values.path);
  if (found === "default") io.out.note(`${values.path} is not set; this is the default`);
  if (secret && typeof value === "string") {
    return showSecret(values.path, value, values.reveal === true, io);
  }
  io.out.show(shown, () => {
    if (isObject(shown) || Array.isArray(shown)) io.out.document(shown);
    else io.out.text(String(shown));
  });
  return 0;
}

/** A secret goes to a terminal, or where `--reveal` asks for it; elsewhere it is a mistake to print it (decision 28). */
function showSecret(path: string, value: string, reveal: boolean, io: Io): number {
  const allowed = reveal || io.out.isTerminal;
  if (allowed) {
    io.out.show(value, () => io.out.text(value));
    return 0;
  }
  if (io.out.json) io.out.document(REDACTED);
  io.out.note(`${path} is a secret, and stdout is no terminal`);
  io.out.note(`hint: openclaw config get ${path} --reveal`);
  return 1;
}

/** A key we know: not a slip of the pen. */
function notSet(path: string): OpenclawError {
  return new OpenclawError("CONFIG_NOT_SET", `${path} is not set, and has no default`, {
    hint: `openclaw config schema ${path}`,
  });
}

function pathNotFound(path: string): OpenclawError {
  const parent = path.split(".").slice(0, -1).join(".");
  const node = parent === "" ? schemaRoot : schemaAt(parseConfigPath(parent));
  const names = node && "members" in node ? Object.keys(node.members) : [];
  const near = nearest(path.split(".").at(-1) ?? "", names);
  return new OpenclawError("CONFIG_PATH_NOT_FOUND", `Config path not found: ${path}`, {
    hint: near
      ? `openclaw config get ${parent === "" ? near : `${parent}.${near}`}`
      : `openclaw config schema ${names.length > 0 ? parent : ""}`.trimEnd(),
  });
}

/** Values of `config set`. */
export interface SetValues {
  readonly path: string | undefined;
  readonly value: string | undefined;
  readonly strictJson: boolean | undefined;
  readonly dryRun: boolean | undefined;
  readonly refSource: string | undefined;
  readonly refProvider: string;
  readonly refId: string | undefined;
  readonly batchJson: string | undefined;
  readonly batchFile: string | undefined;
}

/** `config set`. */
export async function configSet(values: SetValues, io: Io): Promise<void> {
  const changes = await changesOf(values);
  const place = placeOf(io);
  const dryRun = values.dryRun ?? false;
  const outcome = await editConfig(place, changes, { dryRun, review: refuseBadAddresses })
    .catch((error) => {
      throw withSchema(error);
    });
  const paths = changes.map((c) => c.op === "set" ? renderConfigPath(c.path) : "");
  await report("Updated", paths, outcome, dryRun, io);
}

/** A refused value leads to what its path may hold. */
function withSchema(error: unknown): unknown {
  if (!isOpenclawError(error, "CONFIG_INVALID") || error.hint !== undefined) return error;
  const issues = error.details?.issues as readonly { readonly path?: unknown }[] | undefined;
  const path = issues?.[0]?.path;
  if (typeof path !== "string" || path === "") return error;
  return new OpenclawError(error.code, error.message, {
    cause: error,
    exitCode: error.exitCode,
    hint: `openclaw config schema ${path}`,
    details: { ...error.details },
  });
}

async function changesOf(values: SetValues): Promise<ConfigChange[]> {
  const { batchFile } = values;
  const batch = values.batchJson ?? (batchFile && await readNamed(batchFile));
  if (batch !== undefined) {
    if (values.path !== undefined) throw usage("a batch takes no <path>");
    return batchOf(batch);
  }
  if (values.path === undefined) throw usage("<path> is missing");
  const path = parseConfigPath(values.path);
  if (values.refSource !== undefined) {
    if (values.refId === undefined) throw usage("--ref-source needs --ref-id");
    const value = { source: values.refSource, provider: values.refProvider, id: values.refId };
    return [{ op: "set", path, value }];
  }
  if (values.value === undefined) throw usage("<value> is missing");
  const value = parseConfigValue(values.value, { strictJson: values.strictJson ?? false, path });
  return [{ op: "set", path, value }];
}

async function readNamed(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch((error) => {
    throw fileError("read", path, error);
  });
}

function batchOf(text: string): ConfigChange[] {
  const value = parseConfigValue(text, { strictJson: true });
  const checked = check(list(obj({ path: str(), value: any() })), value);
  if (!checked.ok) throw usage('a batch is a JSON list: [{"path":"gateway.port","value":18790}]');
  return checked.value.map((c) => ({ op: "set", path: parseConfigPath(c.path), value: c.value }));
}

const usage = (message: string) =>
  new OpenclawError("USAGE", `Cannot set: ${message}`, {
    exitCode: 2,
    hint: "openclaw config set gateway.port 18790",
  });

/** `config unset`. */
export async function configUnset(
  values: { path: string; dryRun: boolean | undefined },
  io: Io,
): Promise<void> {
  const change: ConfigChange = { op: "unset", path: parseConfigPath(values.path) };
  const outcome = await editConfig(placeOf(io), [change], { dryRun: values.dryRun ?? false });
  await report("Removed", [values.path], outcome, values.dryRun ?? false, io);
}

async function report(
  verb: "Updated" | "Removed",
  paths: readonly string[],
  outcome: EditOutcome,
  dryRun: boolean,
  io: Io,
): Promise<void> {
  const { effect, changedPaths } = outcome;
  const changed = changedPaths.map(renderConfigPath);
  const running = await readRunningGateway(statePaths(io.env));
  const suffix = running === undefined || dryRun
    ? ""
    : effect.restart.length > 0
    ? " Restart the gateway to apply."
    : effect.hot.length > 0
    ? " The running gateway applies it."
    : "";
  io.out.show({ ok: true, dryRun, changedPaths: changed, ...effect }, () => {
    for (const path of paths) {
      io.out.text(`${dryRun ? "Valid, not written:" : verb} ${path}.${suffix}`);
    }
  });
}

/** `config file`. */
export function configFile(io: Io): void {
  const { configFile: path } = statePaths(io.env);
  io.out.show({ path }, () => io.out.text(path));
}

/** `config validate`. Returns the exit code. */
export async function configValidate(
  values: { reference: boolean | undefined },
  io: Io,
): Promise<number> {
  const { paths, env } = placeOf(io);
  const loaded = await loadConfig(paths, env);
  const refused = values.reference ? referenceRefusals(loaded).map(issueText) : [];
  const { valid, path, issues, warnings } = loaded;
  io.out.show({ valid, path, issues, warnings, ...(values.reference ? { refused } : {}) }, () => {
    if (valid) io.out.text(`Config valid: ${path}`);
    else {
      io.out.text(`Config invalid: ${path}`);
      for (const issue of issues) io.out.text(`- ${issueText(issue)}`);
    }
    for (const warning of warnings) io.out.warn(issueText(warning));
    for (const line of refused) io.out.text(`- the reference would refuse: ${line}`);
  });
  return valid ? 0 : 1;
}

/** `config schema`. */
export function configSchema(values: { path: string | undefined }, io: Io): void {
  const shown = values.path === undefined ? configJsonSchema() : lookupSchema(values.path);
  if (!shown) throw pathNotFound(values.path as string);
  io.out.document(shown);
}
