/**
 * Installing and driving services: facts from flags, files and the environment go to `service/`, the outcome to the
 * person or, with `--json`, as one action document. Source: cli.md 2.
 */
import { type StatePaths, statePaths } from "../../../config/paths.ts";
import { readEnv } from "../../../config/env.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { createLogger } from "../../../lib/log.ts";
import { Secret } from "../../../lib/secret.ts";
import { quoted } from "../../../lib/text.ts";
import type { NodeFlags } from "../../../node/files/node_file.ts";
import { prepareNode, previewNode } from "../../../node/prepare.ts";
import { selfCommand } from "../../../node/runner/link.ts";
import { OWN_VERSION } from "../../../protocol/versions.ts";
import {
  type InstallFacts,
  planInstall,
  proxySecrets,
  writeSecrets,
} from "../../../service/install.ts";
import type { ServiceStatus } from "../../../service/manager.ts";
import { type ServiceKind, serviceTitle } from "../../../service/plan.ts";
import type { Io } from "../../terminal/io.ts";
import { mustNotRunHere } from "./foreground.ts";
import { proveStarted } from "./prove.ts";
import { mustBeAvailable, serviceScene } from "./scene.ts";
import { wrapperOf } from "./wrapper.ts";

/** What can be done with an installed service. */
export type ServiceVerb = "start" | "stop" | "restart" | "uninstall";

const DONE: Record<ServiceVerb, string> = {
  start: "started",
  stop: "stopped",
  restart: "restarted",
  uninstall: "uninstalled",
};

/** Flags every install has. */
interface InstallFlags {
  readonly system: boolean | undefined;
  readonly force: boolean | undefined;
  readonly print: boolean | undefined;
  readonly runtime: string | undefined;
  readonly wrapper?: string | undefined;
}

/** What differs between kinds. */
interface Wish {
  readonly kind: ServiceKind;
  readonly args: readonly string[];
  readonly secrets: Readonly<Record<string, Secret>>;
  readonly environment: Readonly<Record<string, string>>;
  /** Called once the service is known to be installable, for instance to write node.json. */
  readonly before?: () => Promise<void>;
}

async function installFacts(
  wish: Wish,
  flags: InstallFlags,
  paths: StatePaths,
): Promise<InstallFacts> {
  const self = selfCommand("");
  return {
    ...wish,
    profile: paths.profile,
    version: OWN_VERSION,
    executable: flags.wrapper === undefined
      ? [self.file, ...self.args.slice(0, -1)]
      : [await wrapperOf(flags.wrapper)],
    stateDir: paths.stateDir,
    configFile: paths.configFile,
    serviceEnvDir: paths.serviceEnvDir,
    logsDir: paths.logsDir,
  };
}

/** Installs one service; the way of every `install` command. */
export async function installService(wish: Wish, flags: InstallFlags, io: Io): Promise<number> {
  const scene = await serviceScene(wish.kind, io, flags.system);
  const paths = statePaths(io.env);
  const facts = await installFacts(wish, flags, paths);
  const plan = await planInstall(facts, scene.host);
  if (flags.runtime) {
    io.out.note(
      `--runtime ${flags.runtime} is accepted and ignored: this program needs no runtime`,
    );
  }
  if (flags.print) {
    const files = scene.manager.preview(plan, scene.names);
    io.out.show({ ...files[0], files }, () => {
      for (const { path, text } of files) {
        io.out.note(`This would be written to ${path}`);
        io.out.verbatim(text);
      }
    });
    return 0;
  }
  await mustBeAvailable(scene, wish.args, io);
  const title = serviceTitle(wish.kind);
  const before = await scene.manager.status(scene.names);
  if (before.installed && !flags.force) {
    mustServe(paths.stateDir, before, wish.kind);
    reportAlready(
      io,
      wish.kind,
      `${title} already ${before.loaded ? scene.manager.loadedText : "installed"}.`,
    );
    return 0;
  }
  await wish.before?.();
  await writeSecrets(facts);
  const beforePid = await scene.runningPid();
  const told = await scene.manager.install(plan, scene.names);
  const { status, warnings: doubts } = await proveStarted(scene, beforePid);
  const warnings = [...told, ...doubts];
  report(io, {
    action: "install",
    ok: true,
    result: "installed",
    service: { label: scene.manager.label, ...status },
    warnings,
  }, () => {
    io.out.text(`${title} installed: ${status.command?.sourcePath ?? ""}`);
    io.out.text(runtimeLine(status.runtime));
    warnings.forEach((warning) => io.out.warn(warning));
  });
  return 0;
}

/** Two state directories cannot share one service: the later one would quietly not be served. */
function mustServe(stateDir: string, { command }: ServiceStatus, kind: ServiceKind): void {
  const other = command?.environment?.["OPENCLAW_STATE_DIR"];
  if (other === undefined || other === stateDir) return;
  throw new OpenclawError(
    "SERVICE_TAKEN",
    `Cannot install: the ${serviceTitle(kind)} already serves ${quoted(other)}, not ${
      quoted(stateDir)
    }`,
    {
      hint: `openclaw --profile <name> ${kind} install   # a second one beside it\n` +
        `openclaw ${kind} install --force   # in its place`,
    },
  );
}

interface ActionDocument {
  readonly action: string;
  readonly ok: boolean;
  readonly [key: string]: unknown;
}

function report(io: Io, document: ActionDocument, render: () => void): void {
  io.out.show(document, render);
}

/** `Runtime: running (pid 4242)`. */
export function runtimeLine(runtime: { status: string; pid?: number; detail?: string }): string {
  const more = runtime.pid === undefined ? runtime.detail : `pid ${runtime.pid}`;
  return `Runtime: ${runtime.status}${more ? ` (${more})` : ""}`;
}

async function notInstalled({ kind, verb, system }: ActionWish, io: Io): Promise<OpenclawError> {
  const ways = `openclaw ${kind} install\nopenclaw ${kind} run   # in the foreground`;
  const whole = system ? undefined : await serviceScene(kind, io, true);
  const elsewhere = (await whole?.manager.status(whole.names))?.installed;
  return new OpenclawError(
    "SERVICE_NOT_INSTALLED",
    `Cannot ${verb} the service: ${serviceTitle(kind)} is not installed` +
      (elsewhere ? " for your account, only for the whole machine" : ""),
    { hint: elsewhere ? `sudo openclaw ${kind} ${verb} --system` : ways },
  );
}

interface ActionWish {
  readonly kind: ServiceKind;
  readonly verb: ServiceVerb;
  readonly system: boolean;
}

/** `start`, `stop`, `restart` and `uninstall` of a service. */
export async function actOnService(wish: ActionWish, io: Io): Promise<number> {
  const scene = await serviceScene(wish.kind, io, wish.system);
  const status = await scene.manager.status(scene.names);
  const title = serviceTitle(wish.kind);
  if (!status.installed) {
    if (wish.verb === "start" || wish.verb === "restart") {
      if (wish.kind === "gateway") await mustNotRunHere(io);
      throw await notInstalled(wish, io);
    }
    if (wish.kind === "gateway" && wish.verb === "stop") await mustNotRunHere(io);
    const message = wish.verb === "stop" ? `${title} disabled.` : `${title} is not installed.`;
    report(
      io,
      { action: wish.verb, ok: true, result: "not-loaded", message },
      () => io.out.text(message),
    );
    return 0;
  }
  await mustBeAvailable(scene, [wish.kind, "run"], io);
  // A service that runs may be started once more; only a restart has to give another process.
  const beforePid = wish.verb === "restart" ? await scene.runningPid() : undefined;
  await scene.manager[wish.verb](scene.names);
  const starts = wish.verb === "start" || wish.verb === "restart";
  const { status: after, warnings } = starts
    ? await proveStarted(scene, beforePid)
    : { status: await scene.manager.status(scene.names), warnings: [] };
  const document = {
    action: wish.verb,
    ok: true,
    result: DONE[wish.verb],
    service: { label: scene.manager.label, ...after },
    ...(warnings.length > 0 ? { warnings } : {}),
  };
  report(io, document, () => {
    io.out.text(`${title} ${DONE[wish.verb]}.`);
    if (wish.verb !== "uninstall") io.out.text(runtimeLine(after.runtime));
    warnings.forEach((warning) => io.out.warn(warning));
  });
  return 0;
}

function credentialsOf(io: Io): Record<string, Secret> {
  const { gatewayToken, gatewayPassword } = readEnv(io.env);
  return {
    ...proxySecrets(io.env),
    ...(gatewayToken ? { OPENCLAW_GATEWAY_TOKEN: gatewayToken } : {}),
    ...(gatewayPassword ? { OPENCLAW_GATEWAY_PASSWORD: gatewayPassword } : {}),
  };
}

/** `gateway install`. */
export async function installGateway(
  values: InstallFlags & { readonly port: number | undefined; readonly token: string | undefined },
  io: Io,
): Promise<number> {
  const port = values.port ?? readEnv(io.env).gatewayPort;
  return await installService(
    {
      kind: "gateway",
      args: ["gateway", "run", ...(port === undefined ? [] : ["--port", String(port)])],
      secrets: {
        ...credentialsOf(io),
        ...(values.token ? { OPENCLAW_GATEWAY_TOKEN: new Secret(values.token) } : {}),
      },
      environment: port === undefined ? {} : { OPENCLAW_GATEWAY_PORT: String(port) },
    },
    values,
    io,
  );
}

/** Flags of `node install`. */
export interface NodeInstallFlags extends InstallFlags, NodeFlags {}

/**
 * `node install`. Wrong flags are refused before anything is installed; what was given is kept in node.json, too, and a
 * new instance id only there: in the unit it would forget the node's token at every start.
 */
export async function installNode(values: NodeInstallFlags, io: Io): Promise<number> {
  const log = createLogger({
    subsystem: "node",
    sink: io.out.logSink(values.print ?? io.out.json),
  });
  const options = { paths: statePaths(io.env), env: io.env, flags: values, log };
  await previewNode(options);
  const flag = (name: string, value: string | number | undefined) =>
    value === undefined ? [] : [name, String(value)];
  return await installService(
    {
      kind: "node",
      args: [
        "node",
        "run",
        ...flag("--via", values.via),
        ...flag("--host", values.host),
        ...flag("--port", values.port),
        ...(values.tls === undefined ? [] : [values.tls ? "--tls" : "--no-tls"]),
        ...flag("--tls-fingerprint", values.tlsFingerprint),
        ...flag("--context-path", values.contextPath),
        ...flag("--display-name", values.displayName),
      ],
      secrets: credentialsOf(io),
      environment: {},
      before: async () => void await prepareNode(options),
    },
    values,
    io,
  );
}

function reportAlready(io: Io, kind: ServiceKind, message: string): void {
  const again = `openclaw ${kind} install --force`;
  const hints = [again];
  report(io, { action: "install", ok: true, result: "already-installed", message, hints }, () => {
    io.out.text(message);
    io.out.note(`hint: ${again}`);
  });
}
