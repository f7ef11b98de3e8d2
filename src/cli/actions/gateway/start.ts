/**
 * Starts the gateway for `gateway run`. A person is told at once that the port is taken (exit code 1); a service waits a
 * little, since whoever is being replaced may still be closing, and then ends with the code that keeps the service manager
 * from starting it again and again (F30). With `--force` a gateway in the way is ended first.
 */
import { readEnv } from "../../../config/env.ts";
import { CONFIG_REFUSAL_EXIT_CODE, throwAsRefusal } from "../../../config/refusal.ts";
import { type GatewayOptions, type RunningGateway, startGateway } from "../../../gateway/server.ts";
import { wait } from "../../../lib/clock.ts";
import { isOpenclawError, OpenclawError } from "../../../lib/errors.ts";
import type { Io } from "../../terminal/io.ts";

/** How long a service waits for its port, and how often it looks. */
const PORT_WAIT_MS = 10_000;
const PORT_PAUSE_MS = 1_000;
/** One gateway may hold the state directory, another one the port. */
const MOST_IN_THE_WAY = 2;

/** As {@linkcode startGateway}; a file that must not be used (N40) is refused for good: no restart heals it. */
async function startOwnFiles(options: GatewayOptions): Promise<RunningGateway> {
  return await startGateway(options).catch((error) => {
    if (isOpenclawError(error, "FILE_UNSAFE")) throwAsRefusal(error);
    throw error;
  });
}

/** As {@linkcode startGateway}; `PORT_IN_USE` of a service has exit code 78. `io`: end what is in the way. */
export async function startInItsPlace(options: GatewayOptions, io: Io): Promise<RunningGateway> {
  const { endOldGateway } = await import("./force.ts");
  for (let ended = 0; ended < MOST_IN_THE_WAY; ended++) {
    try {
      return await startOwnFiles(options);
    } catch (error) {
      await endOldGateway(error, options.paths, io);
    }
  }
  return await startWhenPortIsFree(options);
}

/** As {@linkcode startGateway}; `PORT_IN_USE` of a service has exit code 78. */
export async function startWhenPortIsFree(options: GatewayOptions): Promise<RunningGateway> {
  const endMs = performance.now() + PORT_WAIT_MS;
  for (;;) {
    try {
      return await startOwnFiles(options);
    } catch (error) {
      const isService = readEnv(options.env).serviceKind === "gateway";
      if (!isService || !isOpenclawError(error, "PORT_IN_USE")) throw error;
      if (performance.now() >= endMs) {
        throw new OpenclawError(error.code, error.message, {
          cause: error,
          exitCode: CONFIG_REFUSAL_EXIT_CODE,
          ...(error.hint === undefined ? {} : { hint: error.hint }),
        });
      }
      await wait(PORT_PAUSE_MS);
    }
  }
}
