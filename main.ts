/**
 * Entry point: argv → command line → exit code. Everything else is loaded by the command that needs it.
 */
import { runCli } from "./src/cli/run.ts";
import { ownEnvironment } from "./src/platform/own_environment.ts";

if (import.meta.main) Deno.exit(await runCli(Deno.args, ownEnvironment()));
