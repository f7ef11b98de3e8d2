/**
 * `quickstart`: the whole product on one machine, in one command.
 */
import { bool, command, rest } from "../grammar/command.ts";

/** The first command somebody runs. */
export const QUICKSTART_COMMANDS = [
  command({
    path: "quickstart",
    summary: "A TLS gateway, a paired node and a command on it, on this machine",
    notes: [
      "Everything lives in a temporary directory and ends with this command; nothing of yours is read or changed. " +
      "Stays up until Ctrl-C, so that you can try other commands from a second terminal.",
    ],
    args: { argv: rest({ help: "Command to run on the node; default uname -a" }) },
    flags: { once: bool({ help: "End after the command, with its exit code" }) },
    json: "Print one JSON document at the end (needs --once)",
    examples: [
      ["openclaw quickstart", "see it work, then try more"],
      ["openclaw quickstart --once -- df -h", "one command of your own"],
    ],
    async run(values, io) {
      const { quickstart } = await import("../actions/quickstart/quickstart.ts");
      return await quickstart(values, io);
    },
  }),
];
