/**
 * Whether a started service serves: a manager is content when the process exists, a person when it answers. The proof is
 * the record a gateway writes once it listens, and a node or tunnel once it runs.
 */
import { wait } from "../../../lib/clock.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import type { ServiceStatus } from "../../../service/manager.ts";
import { serviceTitle } from "../../../service/plan.ts";
import type { ServiceScene } from "./scene.ts";

/** A gateway listens within a second; one whose port is held waits 10 s for it and ends then (F30), later on a busy machine. */
const LIMIT_MS = 30_000;
const LOOK_EVERY_MS = 100;

/** What a start led to. */
export interface Proof {
  readonly status: ServiceStatus;
  readonly warnings: readonly string[];
}

/**
 * Waits for a process other than `beforePid` that serves.
 * Throws `SERVICE_DID_NOT_STAY` when it ended again.
 */
export async function proveStarted(
  scene: ServiceScene,
  beforePid: number | undefined,
): Promise<Proof> {
  const endMs = performance.now() + LIMIT_MS;
  for (;;) {
    const pid = await scene.runningPid();
    const status = await scene.manager.status(scene.names);
    if (pid !== undefined && pid !== beforePid) return { status, warnings: [] };
    const { runtime } = status;
    if (runtime.status === "stopped" && runtime.detail) throw didNotStay(scene, runtime.detail);
    if (performance.now() >= endMs) {
      const warning = `it does not serve yet, after ${LIMIT_MS / 1000} s; look again with: ` +
        `openclaw ${scene.kind} status`;
      return { status, warnings: [warning] };
    }
    await wait(LOOK_EVERY_MS);
  }
}

function didNotStay({ kind, names, manager }: ServiceScene, detail: string): OpenclawError {
  const journal: Record<string, string> = {
    "systemd": `\njournalctl --user -u ${names.systemdUnit} -n 20`,
    "systemd (system)": `\nsudo journalctl -u ${names.systemdUnit} -n 20`,
  };
  return new OpenclawError(
    "SERVICE_DID_NOT_STAY",
    `${serviceTitle(kind)} was started and ended again: ${detail}`,
    {
      hint: `openclaw ${kind} run   # in the foreground, to see why${journal[manager.label] ?? ""}`,
    },
  );
}
