/** X24, A15: what a reviewer is shown of a run comes from what would run, not from what the requester says about it. */
import { assertEquals } from "@std/assert";
import { openWorld, owner } from "../../world.ts";
import { planOf } from "../../approval_plan.ts";
import { ask } from "./asking.ts";

const SCRIPT = ["/bin/sh", "-c", "rm -rf /srv"];

/** What is said beside the argv, and what of it is shown. */
const ROWS: readonly {
  readonly argv: readonly string[];
  readonly preview: string | null;
  readonly program: string | null;
  readonly shown: readonly [preview: string | null, program: string | null];
}[] = [
  { argv: ["/bin/rm", "-rf", "/srv"], preview: "ls", program: "/bin/ls", shown: [null, null] },
  { argv: SCRIPT, preview: "ls", program: "/bin/ls", shown: [null, null] },
  {
    argv: SCRIPT,
    preview: SCRIPT[2] ?? "",
    program: SCRIPT[0] ?? "",
    shown: ["rm -rf /srv", "/bin/sh"],
  },
  { argv: SCRIPT, preview: "rm -rf /srv\u202e", program: "/bin/sh ", shown: [null, null] },
  { argv: SCRIPT, preview: null, program: null, shown: [null, null] },
];

Deno.test("X24 variant: a preview or a program that is not the argv's own is shown to nobody, in the event, the list and each answer", async () => {
  await using world = await openWorld();
  const reviewer = await owner(world, { caps: ["exec-approvals"] });
  const asker = await owner(world, { key: 20 });
  for (const { argv, preview, program, shown } of ROWS) {
    const { id } = await ask(asker, {
      systemRunPlan: planOf(argv, { commandPreview: preview }),
      command: "ls",
      commandArgv: ["ls"],
      cwd: "/elsewhere",
      agentId: "somebody else",
      resolvedPath: program,
    });
    const { request } = await reviewer.event("exec.approval.requested", (event) => event.id === id);
    const [row] = (await reviewer.call("exec.approval.list"))
      .filter((one: { id: string }) => one.id === id);
    for (const view of [request, row.request]) {
      assertEquals([view.commandPreview ?? null, view.resolvedPath], shown);
      assertEquals([view.commandArgv, view.cwd, view.agentId], [undefined, "/srv/app", null]);
    }
    assertEquals((await reviewer.call("exec.approval.get", { id })).commandPreview, shown[0]);
    const { approval } = await reviewer.call("approval.get", { id });
    assertEquals(approval.presentation.commandPreview, shown[0]);
  }
});
