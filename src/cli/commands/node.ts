/**
 * `node …`: be a node.
 */
import { bool, command, group, port, text } from "../grammar/command.ts";

/** The `node` family without its service commands. */
export const NODE_COMMANDS = [
  group({ path: "node", summary: "Make this machine a node of a gateway" }),
  command({
    path: "node run",
    summary: "Run the node host in the foreground",
    notes: [
      "Credentials come from OPENCLAW_GATEWAY_TOKEN or OPENCLAW_GATEWAY_PASSWORD, the configuration, or a token the " +
      "gateway gave this node when it was paired. Flags are remembered in node.json.",
    ],
    flags: {
      host: text({ help: "Host of the gateway, default 127.0.0.1", value: "<host>" }),
      port: port({ help: "Port of the gateway, default 18789" }),
      tls: bool({ help: "Connect with TLS; --no-tls for plaintext" }),
      tlsFingerprint: text({
        help: "SHA-256 fingerprint of the gateway's certificate; implies TLS",
        value: "<sha256>",
      }),
      via: text({
        help: "Go through an ssh tunnel to the gateway on this host's loopback",
        value: "<ssh://user@host>",
      }),
      contextPath: text({ help: "Path behind host and port", value: "<path>" }),
      nodeId: text({ help: "Replace the instance id and forget the node's token", value: "<id>" }),
      displayName: text({ help: "Name shown to operators", value: "<name>" }),
      pair: text({ help: "Join with this line, as openclaw connect does", value: "<line>" }),
      pairIfNeeded: text({ help: "The same, unless this machine already joined", value: "<line>" }),
      untilStdinCloses: bool({
        help: "Take a join line from stdin, and end when stdin closes",
        hidden: true,
      }),
      removeAtEnd: text({ help: "Folder of a quickstart to remove at the end", hidden: true }),
    },
    exclusive: [["pair", "pairIfNeeded"]],
    json: "Log JSON lines",
    examples: [
      [
        "openclaw node run --host gw.example --port 18789 --tls-fingerprint 85544c…",
        "a TLS gateway with a pin",
      ],
      [
        "openclaw node run --via ssh://me@gw.example",
        "through an ssh tunnel that ends with the node",
      ],
      ["openclaw node run", "the gateway of the last time"],
    ],
    async run(values, io) {
      if (values.pair !== undefined || values.pairIfNeeded !== undefined) {
        const { pairAndRun } = await import("../actions/join/join.ts");
        return await pairAndRun(values, io);
      }
      const { runNode } = await import("../actions/node/run.ts");
      return await runNode(values, io);
    },
  }),
  command({
    path: "node identity",
    summary: "Print this node's device id and public key",
    examples: [["openclaw node identity --json", "for a script"]],
    async run(_values, io) {
      const { nodeIdentity } = await import("../actions/node/identity.ts");
      await nodeIdentity(io);
    },
  }),
  command({
    path: "node status",
    summary: "Show the node's service and its connection",
    examples: [["openclaw node status", "is it connected"]],
    async run(_values, io) {
      const { nodeStatus } = await import("../actions/node/identity.ts");
      await nodeStatus(io);
    },
  }),
  command({
    path: "__runner",
    summary: "Runs commands for the node host",
    hidden: true,
    json: false,
    async run() {
      const { runRunner } = await import("../../node/runner/runner.ts");
      return await runRunner();
    },
  }),
];
