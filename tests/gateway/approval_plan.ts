/** The plan a node would make of a command, as requests for approval carry it. */
import { commandText } from "../../src/approvals/words.ts";

/** Plan for `argv` in `/srv/app`; `more` overrides its members. */
export function planOf(argv: readonly string[], more: Record<string, unknown> = {}) {
  return {
    argv,
    cwd: "/srv/app",
    commandText: commandText(argv),
    commandPreview: null,
    agentId: null,
    sessionKey: null,
    ...more,
  };
}
