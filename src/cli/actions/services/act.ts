/**
 * `start`, `stop`, `restart` and `uninstall` of an installed service. Source: cli.md 2.
 */
import { statePaths } from "../../../config/paths.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { removeSecrets } from "../../../service/install.ts";
import { type ServiceKind, serviceTitle } from "../../../service/plan.ts";
import type { Io } from "../../terminal/io.ts";
import { mustNotRunHere } from "./foreground.ts";
import { proveStarted } from "./prove.ts";
import { mustBeAvailable, serviceScene } from "./scene.ts";
import { report, runtimeLine } from "./services.ts";

/** What can be done with an installed service. */
export type ServiceVerb = "start" | "stop" | "restart" | "uninstall";

const DONE: Record<ServiceVerb, string> = {
  start: "started",
  stop: "stopped",
  restart: "restarted",
  uninstall: "uninstalled",
};

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
  if (wish.verb === "uninstall") await removeSecrets({ ...statePaths(io.env), kind: wish.kind });
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
