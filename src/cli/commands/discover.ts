/**
 * `gateway discover`: gateways that announce themselves on the local network.
 */
import { command, duration } from "../command.ts";

/** Discovery commands. */
export const DISCOVER_COMMANDS = [
  command({
    path: "gateway discover",
    summary: "Find gateways on the local network",
    flags: { timeout: duration({ help: "How long to listen", default: 2000 }) },
    examples: [["openclaw gateway discover --timeout 5s", "listen longer"]],
    notes: [
      "What is found is unauthenticated: compare the fingerprint with the one the gateway printed before pinning it.",
    ],
    async run(values, io) {
      const { discoverGateways } = await import("../actions/discover.ts");
      await discoverGateways(values.timeout, io);
    },
  }),
];
