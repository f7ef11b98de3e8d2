/**
 * F40: a program of an exec provider that leaves another behind, which holds its pipes. One test, in a file of its own: the
 * runtime ends its reads of such pipes only once they are gone, which may be during the test that comes next.
 */
import { assert, assertEquals } from "@std/assert";
import { readConfig } from "../../../src/config/schema/schema.ts";
import { fetchSecrets } from "../../../src/config/secrets/secret_ref.ts";
import { eventually } from "../../e2e/program.ts";
import { inside, type TempState, tempState } from "../temp_state.ts";

/** What comes of a secret of this program. */
async function ask(state: TempState, body: string, timeoutMs: number): Promise<string> {
  const command = inside(state, `helper-${crypto.randomUUID()}`);
  await Deno.writeTextFile(command, `#!/bin/sh\n${body}\n`);
  await Deno.chmod(command, 0o700);
  const provider = { source: "exec", command, passEnv: ["PATH"], timeoutMs };
  const { config } = readConfig({ secrets: { providers: { default: provider } } });
  const ref = { source: "exec", provider: undefined, id: "db/main" } as const;
  const [found] = await fetchSecrets({ config, env: state.env }, [ref]);
  return "secret" in found! ? `value ${found.secret.reveal()}` : found!.problem;
}

Deno.test("F40: exec: what a program leaves behind neither holds its answer back nor the limit", {
  ignore: Deno.build.os !== "linux",
  sanitizeOps: false,
}, async () => {
  await using state = await tempState({ PATH: Deno.env.get("PATH") });
  const pids = inside(state, "pids");
  await Deno.writeTextFile(pids, "");
  const written = async () => (await Deno.readTextFile(pids)).split("\n").slice(0, -1);
  const leave = `setsid sh -c 'echo $$ >> ${pids}; exec sleep 120' &`;
  const answer = `echo '{"protocolVersion":1,"values":{"db/main":"ok"}}'`;
  try {
    assertEquals(await ask(state, `${leave} ${answer}`, 60_000), "value ok");
    await eventually("the first is there", async () => (await written()).length === 1);
    // The pipes of this one are open, too, when the limit comes.
    const silent = `${leave} exec sleep 120`;
    assertEquals(await ask(state, silent, 300), "no answer within 300 ms");
    const [first] = await written();
    assert(await Deno.stat(`/proc/${first}`).then(() => true, () => false), "it held the pipes");
  } finally {
    for (const pid of await written()) Deno.kill(Number(pid), "SIGKILL");
  }
});
