/** A gateway as its own process, so that it can be killed: `gateway_child.ts <state dir>` prints its URL. */
import { statePaths } from "../../../src/config/paths.ts";
import { startGateway } from "../../../src/gateway/server.ts";

const [stateDir = ""] = Deno.args;
const env = { HOME: stateDir, OPENCLAW_STATE_DIR: stateDir };
const gateway = await startGateway({ paths: statePaths(env), env, flags: { port: 0 } });
Deno.stdout.writeSync(new TextEncoder().encode(gateway.url + "\n"));
