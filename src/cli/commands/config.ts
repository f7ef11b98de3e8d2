/**
 * `config …`: read and change the configuration file.
 */
import { arg, bool, choice, command, group, text } from "../grammar/command.ts";

const path = arg({ help: "Path such as gateway.port or agents.list[0].id", required: true });

/** The `config` family. */
export const CONFIG_COMMANDS = [
  group({ path: "config", summary: "Read and change the configuration" }),
  command({
    path: "config get",
    summary: "Print one value; defaults too",
    args: { path },
    flags: { reveal: bool({ help: "Print a secret although stdout is no terminal" }) },
    examples: [
      ["openclaw config get gateway.port", "one value"],
      ["openclaw config get gateway.auth.token --reveal", "the token, for a script"],
    ],
    async run(values, io) {
      const { configGet } = await import("../actions/config.ts");
      return await configGet(values, io);
    },
  }),
  command({
    path: "config set",
    summary: "Set one value; the whole file is checked before anything is written",
    args: {
      path: arg({ help: "Path such as gateway.port" }),
      value: arg({ help: "JSON5, else taken as text" }),
    },
    flags: {
      strictJson: bool({ help: "The value must be JSON" }),
      dryRun: bool({ help: "Check, write nothing" }),
      refSource: choice(["env", "file", "exec"], {
        help: "Write a secret reference of this source",
      }),
      refProvider: text({
        help: "Provider of the reference",
        value: "<alias>",
        default: "default",
      }),
      refId: text({ help: "Id inside the provider", value: "<id>" }),
      batchJson: text({ help: "Several changes: [{path, value}]", value: "<json>" }),
      batchFile: text({ help: "File with several changes", value: "<path>" }),
    },
    exclusive: [["batchJson", "batchFile"], ["batchJson", "refSource"], ["batchFile", "refSource"]],
    examples: [
      ["openclaw config set gateway.port 18790", "a number"],
      ["openclaw config set gateway.auth.token --ref-source env --ref-id MY_TOKEN", "a reference"],
    ],
    async run(values, io) {
      const { configSet } = await import("../actions/config.ts");
      await configSet(values, io);
    },
  }),
  command({
    path: "config unset",
    summary: "Remove one value",
    args: { path },
    flags: { dryRun: bool({ help: "Check, write nothing" }) },
    examples: [["openclaw config unset gateway.bind", "back to the default"]],
    async run(values, io) {
      const { configUnset } = await import("../actions/config.ts");
      await configUnset(values, io);
    },
  }),
  command({
    path: "config file",
    summary: "Print the path of the configuration file",
    examples: [["openclaw config file", "where it is"]],
    async run(_values, io) {
      const { configFile } = await import("../actions/config.ts");
      configFile(io);
    },
  }),
  command({
    path: "config validate",
    summary: "Check the configuration file",
    flags: { reference: bool({ help: "Also list what the reference gateway would refuse" }) },
    examples: [["openclaw config validate", "exit 0 when it is fine"]],
    async run(values, io) {
      const { configValidate } = await import("../actions/config.ts");
      return await configValidate(values, io);
    },
  }),
  command({
    path: "config schema",
    summary: "Print the JSON schema of the configuration, or of one path",
    args: { path: arg({ help: "Path such as gateway.tls" }) },
    examples: [["openclaw config schema gateway.tls", "what may stand there"]],
    async run(values, io) {
      const { configSchema } = await import("../actions/config.ts");
      configSchema(values, io);
    },
  }),
];
