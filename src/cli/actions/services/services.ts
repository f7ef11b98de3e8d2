/**
 * Installing services: facts from flags, files and the environment go to `service/`, the outcome to the person or, with
 * `--json`, as one action document. Driving them is `act.ts`. Source: cli.md 2.
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
import { proveStarted } from "./prove.ts";
import { mustBeAvailable, serviceScene } from "./scene.ts";
import { wrapperOf } from "./wrapper.ts";

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
  // What cannot be rendered is refused before anything is written.
  const files = scene.manager.preview(plan, scene.names);
  if (flags.print) {
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

/** What `--json` prints. Source: cli.md 2. */
export interface ActionDocument {
  readonly action: string;
  readonly ok: boolean;
  readonly [key: string]: unknown;
}

/** Shows the outcome of an action. */
export function report(io: Io, document: ActionDocument, render: () => void): void {
  io.out.show(document, render);
}

/** `Runtime: running (pid 4242)`. */
export function runtimeLine(runtime: { status: string; pid?: number; detail?: string }): string {
  const more = runtime.pid === undefined ? runtime.detail : `pid ${runtime.pid}`;
  return `Runtime: ${runtime.status}${more ? ` (${more})` : ""}`;
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
