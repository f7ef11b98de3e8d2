/**
 * `health`, `status`, `logs`: is it well, what is where, what happened.
 */
import { bool, command, duration, int } from "../grammar/command.ts";
import { rpcFlags } from "../connect/rpc_flags.ts";

/** The status family. */
export const STATUS_COMMANDS = [
  command({
    path: "health",
    summary: "Ask the configured gateway whether it is well",
    flags: { verbose: bool({ help: "Show the whole answer" }), ...rpcFlags() },
    examples: [["openclaw health", "exit 0 when it is"]],
    async run(values, io) {
      const { health } = await import("../actions/health.ts");
      await health(values, io);
    },
  }),
  command({
    path: "status",
    summary: "Show gateway, nodes, services and which credentials are in use",
    flags: {
      deep: bool({ help: "Also check file modes, exposure and the gateway's health" }),
      all: bool({ help: "A report to paste, secrets left out" }),
      ...rpcFlags(),
    },
    examples: [
      ["openclaw status", "the overview; works without a gateway"],
      ["openclaw status --all", "for a bug report"],
    ],
    async run(values, io) {
      const { showStatus } = await import("../actions/status.ts");
      await showStatus(values, io);
    },
  }),
  command({
    path: "logs",
    summary: "Show the gateway's log",
    flags: {
      follow: bool({ help: "Keep showing new lines; survives a gateway restart" }),
      limit: int({ help: "Lines to show at first", default: 200, range: [1, 5000] }),
      maxBytes: int({ help: "Bytes to read at first", default: 250_000, range: [1, 1_000_000] }),
      intervalMs: duration({ name: "interval", help: "Pace of --follow", default: 1000 }),
      plain: bool({ help: "The lines as they stand in the file" }),
      localTime: bool({ help: "Times of this machine's zone" }),
      ...rpcFlags(30_000),
    },
    json: "Print one JSON object per line: meta, log, notice, error",
    examples: [["openclaw logs --follow", "watch it"]],
    async run(values, io) {
      const { showLogs } = await import("../actions/logs.ts");
      return await showLogs(values, io);
    },
  }),
];
