/**
 * `gateway …`: run one, and ask one.
 */
import { arg, bool, choice, command, duration, group, port, text } from "../grammar/command.ts";
import { rpcFlags } from "../connect/rpc_flags.ts";

/** The `gateway` family. */
export const GATEWAY_COMMANDS = [
  group({
    path: "gateway",
    summary: "Run a gateway, or ask a running one",
    fallback: "gateway run",
  }),
  command({
    path: "gateway run",
    summary: "Run a gateway in the foreground",
    notes: [
      "Listens on loopback, port 18789, unless flags, environment or configuration say otherwise. Without a " +
      "token or password it makes a token and saves it in the configuration.",
    ],
    flags: {
      port: port({ help: "Port to listen on, default 18789", env: "OPENCLAW_GATEWAY_PORT" }),
      bind: choice(["loopback", "lan", "tailnet", "custom", "auto"], {
        help: "Addresses to listen on",
      }),
      tls: bool({ help: "Speak TLS with a certificate of its own; --no-tls for plaintext" }),
      auth: choice(["none", "token", "password", "trusted-proxy"], {
        help: "How callers prove who they are",
      }),
      token: text({ help: "Token callers must show (visible in process lists)", value: "<token>" }),
      password: text({ help: "Password callers must show (visible in process lists)" }),
      passwordFile: text({ help: "File that holds the password", value: "<path>" }),
      tailscale: choice(["off", "serve", "funnel"], { help: "Publish through Tailscale" }),
      tailscaleResetOnExit: bool({ help: "Undo the Tailscale publication at the end" }),
      allowUnconfigured: bool({ help: "Run although gateway.mode says remote" }),
      force: bool({ help: "End a gateway that is in the way first; never any other program" }),
      verbose: bool({ help: "Log debug lines too, and calls in compact form" }),
      wsLog: choice(["auto", "full", "compact"], {
        help:
          "Log frames: each of them, or one line for a call and its answer; never their content",
      }),
      compact: bool({ help: "The same as --ws-log compact" }),
    },
    exclusive: [["password", "passwordFile"], ["wsLog", "compact"]],
    json: "Log JSON lines",
    examples: [
      ["openclaw gateway", "on this machine only"],
      ["openclaw gateway run --tls --bind lan", "for other machines, with TLS"],
      ["openclaw gateway run --force", "in the place of the one that runs"],
    ],
    async run(values, io) {
      const { runGateway } = await import("../actions/gateway/run.ts");
      return await runGateway(values, io);
    },
  }),
  command({
    path: "gateway call",
    summary: "Call any method of the gateway; prints its answer",
    args: { method: arg({ help: "Name of the method", required: true }) },
    flags: {
      params: text({ help: "Parameters as a JSON object", value: "<json>", default: "{}" }),
      expectFinal: bool({ help: "Wait for the final answer of a two-phase method" }),
      ...rpcFlags(),
    },
    json: "Print the answer only",
    examples: [["openclaw gateway call node.list --params '{}'", "a method by its name"]],
    async run(values, io) {
      const { gatewayCall } = await import("../actions/gateway/calls.ts");
      await gatewayCall(values, io);
    },
  }),
  command({
    path: "gateway health",
    summary: "Ask the gateway whether it is well",
    flags: { ...rpcFlags() },
    examples: [["openclaw gateway health", "exit 0 when it is"]],
    async run(values, io) {
      const { gatewayHealth } = await import("../actions/health.ts");
      await gatewayHealth(values, io);
    },
  }),
  command({
    path: "gateway status",
    summary: "Show the gateway's service, address, configuration and whether it answers",
    flags: {
      probe: bool({ help: "Connect and ask (the default); --no-probe does not" }),
      requireRpc: bool({ help: "Exit 1 when the gateway does not answer" }),
      deep: bool({ help: "Also check file modes and exposure" }),
      ...rpcFlags(),
    },
    examples: [["openclaw gateway status --require-rpc", "exit 0 only when it answers"]],
    async run(values, io) {
      const { gatewayStatus } = await import("../actions/gateway/status.ts");
      return await gatewayStatus(values, io);
    },
  }),
  group({ path: "gateway cert", summary: "Show or renew the gateway's certificate" }),
  command({
    path: "gateway cert show",
    summary: "Show the certificate in force, the next one, and which nodes know it",
    flags: { ...rpcFlags() },
    examples: [["openclaw gateway cert show", "when it ends, and who would follow"]],
    async run(values, io) {
      const { showCertificate } = await import("../actions/gateway/cert.ts");
      await showCertificate(values, io);
    },
  }),
  command({
    path: "gateway cert renew",
    summary: "Make the next certificate, tell connected nodes, and switch when all know it",
    notes: [
      "Nodes of this program keep the announced pin and follow without a visit. While a paired node has not heard it, " +
      "nothing is switched: run it again when the node is back, or give --now (that node then needs the new pin by hand).",
    ],
    flags: {
      now: bool({ help: "Switch although some nodes do not know the next certificate" }),
      ...rpcFlags(),
    },
    examples: [["openclaw gateway cert renew", "no connection is dropped"]],
    async run(values, io) {
      const { renewCertificate } = await import("../actions/gateway/cert.ts");
      return await renewCertificate(values, io);
    },
  }),
  command({
    path: "gateway fingerprint",
    summary: "Print the certificate fingerprint that nodes pin",
    examples: [["openclaw gateway fingerprint", "64 hex digits"]],
    async run(_values, io) {
      const { gatewayFingerprint } = await import("../actions/gateway/calls.ts");
      await gatewayFingerprint(io);
    },
  }),
  command({
    path: "gateway discover",
    summary: "Find gateways on the local network",
    flags: { timeout: duration({ help: "How long to listen", default: 2000 }) },
    examples: [["openclaw gateway discover --timeout 5s", "listen longer"]],
    notes: [
      "What is found is unauthenticated: compare the fingerprint with the one the gateway printed before pinning it.",
    ],
    async run(values, io) {
      const { discoverGateways } = await import("../actions/gateway/discover.ts");
      await discoverGateways(values.timeout, io);
    },
  }),
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
      const { probeGateways } = await import("../actions/gateway/probe.ts");
      return await probeGateways(values, io);
    },
  }),
];
