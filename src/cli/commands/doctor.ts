/**
 * `doctor`: where the way to the gateway, and on to a node, is broken.
 */
import { bool, command, rest, text } from "../grammar/command.ts";
import { rpcFlags } from "../connect/rpc_flags.ts";

/** The doctor. */
export const DOCTOR_COMMANDS = [
  command({
    path: "doctor",
    summary: "Check every hop to the gateway and on to a node; name the first broken one",
    notes: [
      "Hops: config, name, route, tcp, tls, pin, upgrade, challenge, credential, pairing; with --node also surface, " +
      "policy and run. Exit 0 when all are fine, 1 otherwise. On the node's own machine --node walks the node's way to " +
      "its gateway first.",
      "--fix tightens modes of our files, removes leftovers of killed programs and a byte order mark, makes a missing " +
      "gateway token; each repair is listed.",
    ],
    args: { argv: rest({ help: "With --node: a command the node should be able to run" }) },
    flags: {
      node: text({ help: "Check on to this node", value: "<node>" }),
      fix: bool({ help: "Repair what can be repaired safely" }),
      ...rpcFlags(2_000),
    },
    examples: [
      ["openclaw doctor", "from here to the gateway"],
      ["openclaw doctor --node build-1", "and on to a node"],
      ["openclaw doctor --node build-1 -- git status", "would the node run this?"],
    ],
    async run(values, io) {
      const { examine } = await import("../doctor/examine.ts");
      return await examine(values, io);
    },
  }),
];
