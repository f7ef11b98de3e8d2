/**
 * Where services of one kind live on this machine, and what is told where there is no service manager.
 */
import { quoteWord } from "../../../approvals/words.ts";
import { readEnv } from "../../../config/env.ts";
import { type StatePaths, statePaths } from "../../../config/paths.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { readRuntime } from "../../../node/files/runtime_file.ts";
import { platformName } from "../../../platform/os.ts";
import { userId, userName } from "../../../platform/user.ts";
import { readRecord } from "../../../remote/tunnel_record.ts";
import { type ServiceHost, systemBinDirs } from "../../../service/host.ts";
import { type ServiceManager, serviceManager } from "../../../service/manager.ts";
import { type ServiceKind, type ServiceNames, serviceNames } from "../../../service/plan.ts";
import { readRunningGateway } from "../../connect/running_gateway.ts";
import type { Env, Io } from "../../terminal/io.ts";

/** The service side of this machine for one kind. */
export interface ServiceScene {
  readonly kind: ServiceKind;
  readonly host: ServiceHost;
  readonly manager: ServiceManager;
  readonly names: ServiceNames;
  /** The process that serves now, as it wrote it down itself. */
  readonly runningPid: () => Promise<number | undefined>;
}

/** Finds out where services of `kind` live on this machine. */
export async function serviceScene(
  kind: ServiceKind,
  io: Pick<Io, "env">,
  system = false,
): Promise<ServiceScene> {
  const platform = platformName();
  const paths = statePaths(io.env);
  const host: ServiceHost = {
    env: io.env,
    home: paths.home,
    uid: userId(),
    userName: userName(io.env) ?? "root",
    binDirs: systemBinDirs(platform, io.env),
  };
  const runningPid = () => pidOnRecord(kind, paths);
  const { stateDir } = paths;
  const manager = await serviceManager(host, { platform, system, stateDir, runningPid });
  return { kind, host, manager, names: serviceNames(kind, paths.profile, io.env), runningPid };
}

async function pidOnRecord(kind: ServiceKind, paths: StatePaths): Promise<number | undefined> {
  if (kind === "gateway") return (await readRunningGateway(paths))?.pid;
  if (kind === "node") return (await readRuntime(paths.runtimeFile))?.pid;
  return (await readRecord(paths.tunnelsDir))?.pid;
}

/** Variables that decide which state a command works on. */
const STATE_VARIABLES = ["OPENCLAW_PROFILE", "OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH"];

/** Throws `SERVICE_MANAGER_MISSING` with the line that does the same under somebody else's supervision. */
export async function mustBeAvailable(
  { kind, manager }: ServiceScene,
  args: readonly string[],
  io: Io,
): Promise<void> {
  const availability = await manager.available();
  if (availability.ok) return;
  const state = STATE_VARIABLES.flatMap((name) =>
    io.env[name] ? [`${name}=${quoteWord(io.env[name])}`] : []
  );
  const line = [...state, "openclaw", ...args.map(quoteWord)].join(" ");
  const hintItems = [
    { kind: `${availability.manager}-unavailable`, text: `${line}   # in the foreground` },
    {
      kind: "container-foreground",
      text:
        `in a container or CI job, let its supervisor run that line and repeat it whenever it ` +
        `ends, but not after exit code 78`,
    },
    {
      kind: "print-unit",
      text: `openclaw ${kind} install --print   # what would be installed, for use elsewhere`,
    },
  ];
  const hints = hintItems.map((item) => item.text);
  throw new OpenclawError("SERVICE_MANAGER_MISSING", availability.reason, {
    hint: hints.join("\n"),
    details: { hints, hintItems },
  });
}

/**
 * Called when the service itself is refused with exit code 78: a manager that would start it again is told not to (F30).
 * systemd and the script of a scheduled task know the code themselves.
 */
export async function staysDown(env: Env): Promise<void> {
  const { serviceKind } = readEnv(env);
  if (serviceKind === undefined) return;
  const { manager, names } = await serviceScene(serviceKind, { env });
  await manager.giveUp?.(names);
}
