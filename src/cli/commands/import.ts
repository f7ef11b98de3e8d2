/**
 * `import`: take over an existing set-up.
 */
import { arg, command, text } from "../grammar/command.ts";

/** The import. */
export const IMPORT_COMMANDS = [
  command({
    path: "import",
    summary: "Take over pairings, keys and policy of an existing OpenClaw state directory",
    notes: [
      "Reads the old directory and changes nothing in it. The gateway of the new one must not run meanwhile. Keys and " +
      "policy files are copied only where there is none yet.",
    ],
    args: {
      folder: arg({ help: "The old state directory, for instance ~/.openclaw", required: true }),
    },
    flags: {
      into: text({
        help: "State directory to import into; default this profile's",
        value: "<dir>",
      }),
    },
    examples: [["openclaw import /home/me/.openclaw --into /srv/openclaw", "into a new directory"]],
    async run(values, io) {
      const { importFolder } = await import("../actions/import.ts");
      await importFolder(values, io);
    },
  }),
];
