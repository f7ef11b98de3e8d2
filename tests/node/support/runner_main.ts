import { runRunner } from "../../../src/node/runner.ts";

Deno.exit(await runRunner());
