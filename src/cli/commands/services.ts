/**
 * `node|gateway install|start|stop|restart|uninstall`: our programs as services of the operating system.
 */
import { bool, choice, command, port, text } from "../grammar/command.ts";
import type { ServiceVerb } from "../actions/services/act.ts";

type Kind = "gateway" | "node";

const RUNTIME = choice(["node", "bun"], {
  help: "Accepted for compatibility; this program needs no runtime",
  hidden: true,
});

const shared = {
  system: bool({
    help: "Install for the whole machine instead of your account (systemd, needs root)",
  }),
  force: bool({ help: "Install again over an existing service" }),
  print: bool({ help: "Only print the unit that would be written" }),
  runtime: RUNTIME,
};

const TITLE: Record<Kind, string> = { gateway: "gateway", node: "node host" };

function actionCommand(kind: Kind, verb: ServiceVerb, summary: string) {
  return command({
    path: `${kind} ${verb}`,
    summary,
    flags: { system: shared.system },
    examples: [[`openclaw ${kind} ${verb}`, summary.toLowerCase()]],
    async run(values, io) {
      const { actOnService } = await import("../actions/services/act.ts");
      return await actOnService({ kind, verb, system: values.system ?? false }, io);
    },
  });
}

function actionCommands(kind: Kind) {
  const what = TITLE[kind];
  return [
    actionCommand(kind, "start", `Start the installed ${what} service`),
    actionCommand(kind, "stop", `Stop the ${what} service`),
    actionCommand(kind, "restart", `Restart the ${what} service`),
    actionCommand(kind, "uninstall", `Stop and remove the ${what} service`),
  ];
}

/** Service commands of the node host and the gateway. */
export const SERVICE_COMMANDS = [
  command({
    path: "node install",
    summary: "Run the node host as a service that starts by itself",
    flags: {
      host: text({ help: "Host of the gateway", value: "<host>" }),
      port: port({ help: "Port of the gateway" }),
      tls: bool({ help: "Connect with TLS" }),
      tlsFingerprint: text({
        help: "SHA-256 fingerprint of the gateway's certificate",
        value: "<sha256>",
      }),
      via: text({
        help: "Go through an ssh tunnel to the gateway on this host's loopback",
        value: "<ssh://user@host>",
      }),
      contextPath: text({ help: "Path behind host and port", value: "<path>" }),
      nodeId: text({ help: "Replace the instance id", value: "<id>" }),
      displayName: text({ help: "Name shown to operators", value: "<name>" }),
      ...shared,
    },
    examples: [
      [
        "openclaw node install --host gw.example --port 18789 --tls-fingerprint 85544c…",
        "a TLS gateway with a pin",
      ],
      [
        "openclaw node install --via ssh://me@gw.example",
        "through an ssh tunnel of the node's own",
      ],
      ["openclaw node install --print", "the unit, for another service manager"],
    ],
    notes: [
      "Without flags the values of node.json are used, and what is given is kept there. OPENCLAW_GATEWAY_TOKEN or OPENCLAW_GATEWAY_PASSWORD, when set, " +
      "are stored in a file only you can read; they never stand in the unit.",
    ],
    async run(values, io) {
      const { installNode } = await import("../actions/services/services.ts");
      return await installNode(values, io);
    },
  }),
  ...actionCommands("node"),
  command({
    path: "gateway install",
    summary: "Run the gateway as a service that starts by itself",
    flags: {
      port: port({ help: "Port to listen on" }),
      token: text({ help: "Shared token; stored in a file only you can read", value: "<token>" }),
      wrapper: text({
        help: "Program the service starts in our place; it gets our arguments",
        value: "<path>",
      }),
      ...shared,
    },
    examples: [[
      "openclaw gateway install",
      "start with the machine, with the settings of openclaw.json",
    ]],
    async run(values, io) {
      const { installGateway } = await import("../actions/services/services.ts");
      return await installGateway(values, io);
    },
  }),
  ...actionCommands("gateway"),
];
