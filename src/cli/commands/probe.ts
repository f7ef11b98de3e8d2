/**
 * `gateway probe`: every way this machine knows to a gateway, tried at once.
 */
import { bool, command, text } from "../command.ts";
import { rpcFlags } from "../rpc_flags.ts";

/** Probe commands. */
export const PROBE_COMMANDS = [
  command({
    path: "gateway probe",
    summary: "Try every known way to a gateway and say which works",
    flags: {
      ...rpcFlags(3000),
      ssh: text({ help: "ssh host to try a tunnel through", value: "<user@host>" }),
      sshIdentity: text({ help: "Private key file for ssh", value: "<file>" }),
      sshAuto: bool({ help: "Try a tunnel to the first discovered gateway" }),
    },
    examples: [
      ["openclaw gateway probe", "local, remote and discovered gateways"],
      ["openclaw gateway probe --ssh me@gw.example", "also through ssh"],
    ],
    async run(values, io) {
      const { probeGateways } = await import("../actions/probe.ts");
      return await probeGateways(values, io);
    },
  }),
];
