/**
 * Entry point: argv → command line → exit code. Everything else is loaded by the command that needs it.
 */
import { runCli } from "./src/cli/run.ts";

if (import.meta.main) Deno.exit(await runCli(Deno.args, Deno.env.toObject()));
