/** A process that runs a command with descendants through a runner and waits to be killed. */
import { item, job, newLink, sh } from "./runner.ts";

newLink().run(
  job([
    item(
      "always",
      sh("echo child $$; (trap '' TERM; sh -c 'echo grandchild $$; exec sleep 99' &); sleep 98"),
    ),
  ]),
  { onOutput: (_, bytes) => Deno.stdout.writeSync(bytes) },
);
