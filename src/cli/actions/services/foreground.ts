/**
 * The gateway that runs in the foreground of this state directory, as the service commands see it. Source: cli.md 6.
 */
import { statePaths } from "../../../config/paths.ts";
import { OpenclawError } from "../../../lib/errors.ts";
import { readRunningGateway } from "../../connect/running_gateway.ts";
import type { Io } from "../../terminal/io.ts";

/** Refuses when a gateway runs that no service manager knows. @throws {OpenclawError} `SERVICE_NOT_INSTALLED`. */
export async function mustNotRunHere(io: Io): Promise<void> {
  const running = await readRunningGateway(statePaths(io.env));
  if (!running) return;
  throw new OpenclawError(
    "SERVICE_NOT_INSTALLED",
    `The gateway is not a service: it runs in the foreground as process ${running.pid}`,
    {
      hint: `kill ${running.pid}   # or Ctrl-C where it was started`,
      details: { pid: running.pid },
    },
  );
}
