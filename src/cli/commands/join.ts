/**
 * Join lines: made on the gateway, pasted on the new machine.
 */
import { arg, bool, command, duration, int, list, text } from "../grammar/command.ts";
import { rpcFlags } from "../connect/rpc_flags.ts";

/** `devices join-code` and `connect`. */
export const JOIN_COMMANDS = [
  command({
    path: "devices join-code",
    summary: "Make one line that joins a new machine without further approval",
    notes: [
      "The line carries the gateway's addresses, its certificate fingerprint and a one-time secret, never the shared " +
      "token. Whoever has the line can join until it is used or expires: send it over a trusted channel.",
    ],
    flags: {
      name: text({ help: "Name of the new machine" }),
      label: list({ help: "Label kept on the gateway", value: "<k=v>" }),
      commands: text({ help: "Commands it may serve, comma separated; default all it offers" }),
      ttlMs: duration({
        name: "ttl",
        help: "How long the line works, 1s to 7d",
        default: 600_000,
        range: [1_000, 604_800_000],
      }),
      uses: int({ help: "How many machines may use it", default: 1, range: [1, 1000] }),
      publicUrl: text({ help: "Address the new machine should dial", value: "<wss-url>" }),
      also: list({ help: "Further address to try, also ssh://user@host", value: "<url>" }),
      wait: bool({ help: "Wait until the line was used and show the verification code" }),
      operator: bool({ help: "For a person with a CLI (read and write) instead of a node" }),
      joinUrl: bool({ help: "Print a short one-time https address instead; needs a public name" }),
      ...rpcFlags(),
    },
    // A person serves no commands, and the short address is for nodes.
    exclusive: [["operator", "commands"], ["operator", "joinUrl"]],
    examples: [
      ["openclaw devices join-code --name build-1", "then paste the line on the new machine"],
      [
        "openclaw devices join-code --public-url wss://gw.example:18789 --ttl 1h",
        "with an address of your own",
      ],
    ],
    async run(values, io) {
      const { makeJoinLine } = await import("../actions/join/code.ts");
      await makeJoinLine(values, io);
    },
  }),
  command({
    path: "connect",
    summary: "Join a gateway with a line from openclaw devices join-code",
    args: {
      line: arg({
        help: "oc-pair://… or https://…/j/…; - reads it from stdin, which no process list shows",
        required: true,
      }),
    },
    flags: {
      displayName: text({ help: "Name shown to operators", value: "<name>" }),
      service: bool({ help: "Install the node as a service once it has joined" }),
      operator: bool({
        help: "Join as a person: keep the gateway for the commands of this account",
      }),
    },
    json: "Log JSON lines",
    examples: [
      ["openclaw connect oc-pair://eyJ1cmwiOi…", "be a node, in the foreground"],
      ["openclaw connect -", "paste the line, or pipe it in: it stays out of process lists"],
      ["openclaw connect --service oc-pair://eyJ1cmwiOi…", "and stay one after a reboot"],
    ],
    async run(values, io) {
      const { connectWithLine } = await import("../actions/join/join.ts");
      return await connectWithLine(values, io);
    },
  }),
];
