import { runRunner } from "../../../src/node/runner/runner.ts";

Deno.exit(await runRunner());
