/**
 * `tunnel …`: a lasting ssh tunnel to a gateway that listens on loopback only.
 */
import { arg, bool, command, group, port, text } from "../grammar/command.ts";
import type { ServiceVerb } from "../actions/services/act.ts";

const wishFlags = {
  sshIdentity: text({ help: "Private key file for ssh", value: "<file>" }),
  remotePort: port({ help: "Port of the gateway on the ssh host; default gateway.port" }),
  localPort: port({
    help: "Listen on this loopback port instead of a unix socket only you can open",
  }),
};
const target = arg({ help: "user@host[:port]; default gateway.remote.sshTarget" });

function action(verb: ServiceVerb, summary: string) {
  return command({
    path: `tunnel ${verb}`,
    summary,
    flags: {},
    examples: [[`openclaw tunnel ${verb}`, summary.toLowerCase()]],
    async run(_values, io) {
      const { actOnService } = await import("../actions/services/act.ts");
      return await actOnService({ kind: "tunnel", verb, system: false }, io);
    },
  });
}

/** The `tunnel` family. */
export const TUNNEL_COMMANDS = [
  group({ path: "tunnel", summary: "A lasting ssh tunnel to a gateway" }),
  command({
    path: "tunnel run",
    summary: "Keep an ssh tunnel to the gateway open, in the foreground",
    args: { target },
    flags: wishFlags,
    examples: [
      ["openclaw tunnel run me@gw.example", "keep it open; other commands of this account use it"],
      [
        "openclaw tunnel run me@gw.example --local-port 18789",
        "for programs that want ws://127.0.0.1:18789",
      ],
    ],
    notes: [
      "Host keys are checked strictly and nothing is asked: log in once with ssh to accept the key. ssh is restarted " +
      "when it dies or freezes, and ends with this command, whatever ends it.",
    ],
    async run(values, io) {
      const { runTunnel } = await import("../actions/services/tunnel.ts");
      return await runTunnel(values, io);
    },
  }),
  command({
    path: "tunnel install",
    summary: "Run the tunnel as a service that starts by itself",
    args: { target },
    flags: {
      ...wishFlags,
      force: bool({ help: "Install again over an existing service" }),
      print: bool({ help: "Only print the unit that would be written" }),
    },
    examples: [["openclaw tunnel install me@gw.example", "open it at every login"]],
    async run(values, io) {
      const { installTunnel } = await import("../actions/services/tunnel.ts");
      return await installTunnel(values, io);
    },
  }),
  command({
    path: "tunnel status",
    summary: "Show whether the tunnel is open and whether a gateway answers through it",
    examples: [["openclaw tunnel status --json", "for scripts"]],
    async run(_values, io) {
      const { showTunnelStatus } = await import("../actions/services/tunnel.ts");
      return await showTunnelStatus(io);
    },
  }),
  action("start", "Start the installed tunnel service"),
  action("stop", "Stop the tunnel service"),
  action("restart", "Restart the tunnel service"),
  action("uninstall", "Stop and remove the tunnel service"),
];
