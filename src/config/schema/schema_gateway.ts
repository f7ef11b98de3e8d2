/**
 * The keys of `gateway`: one line each with type, default, summary and how a change applies.
 * Source: config-and-credentials.md 2.
 */
import {
  bool,
  int,
  list,
  num,
  obj,
  oneOf,
  opt,
  type Schema,
  str,
  union,
} from "../../lib/schema.ts";
import { filledStr, key, type KeyFacts, keyOr, secretKey, section } from "./schema_kit.ts";

type Rest = Omit<KeyFacts, "summary">;
const restart: Rest = { reload: "restart" };
const listen: Rest = { reload: "listen" };
const client: Rest = { reload: "none" };
const texts = (): Schema<string[]> => list(str());
const port = () => int({ min: 1, max: 65535 });

const auth = section({
  mode: key(oneOf("none", "token", "password", "trusted-proxy"), {
    summary: "How callers prove who they are; inferred from what is configured when unset",
  }),
  token: secretKey({ summary: "Shared token of the gateway" }),
  password: secretKey({ summary: "Shared password of the gateway" }),
  allowTailscale: key(bool(), {
    summary: "Accept Tailscale Serve identities; default on when tailscale.mode is serve",
  }),
  rateLimit: section({
    maxAttempts: keyOr(num({ min: 1 }), 10, { summary: "Failed attempts before a lockout" }),
    windowMs: keyOr(num({ min: 1 }), 60_000, { summary: "Window of the count, milliseconds" }),
    lockoutMs: keyOr(num({ min: 1 }), 300_000, { summary: "Length of a lockout, milliseconds" }),
    exemptLoopback: keyOr(bool(), true, { summary: "Never lock out loopback addresses" }),
  }),
  trustedProxy: section({
    userHeader: key(str(), { summary: "Header in which the proxy names the user" }),
    requiredHeaders: keyOr(texts(), [], {
      summary: "Headers the proxy must have set; x-openclaw-scopes gives scopes only from here",
    }),
    allowUsers: keyOr(texts(), [], { summary: "Users let in; empty = every user" }),
    allowLoopback: keyOr(bool(), false, { summary: "Accept a proxy on this very machine" }),
  }, ["cloudflareAccessOidc", "deviceAutoApprove"]),
}, ["identityScopes"]);

const tls = section({
  enabled: keyOr(bool(), false, { summary: "Speak TLS (wss)", ...listen }),
  autoGenerate: keyOr(bool(), true, {
    summary: "Make a certificate when none is there",
    ...listen,
  }),
  certPath: key(filledStr(), { summary: "Certificate file, PEM", ...listen }),
  keyPath: key(filledStr(), { summary: "Private key file, PEM", ...listen }),
  caPath: key(filledStr(), { summary: "File of certificate authorities, PEM", ...listen }),
});

const remote = section({
  url: key(filledStr(), { summary: "WebSocket URL of the remote gateway", ...client }),
  transport: key(oneOf("ssh", "direct"), {
    summary: "How to reach it: managed ssh tunnel or directly; default ssh",
    ...client,
  }),
  token: secretKey({ summary: "Token for the remote gateway", ...client }),
  password: secretKey({ summary: "Password for the remote gateway", ...client }),
  tlsFingerprint: key(str(), { summary: "Pinned certificate of the remote gateway", ...client }),
  sshTarget: key(filledStr(), { summary: "Host alias or user@host for ssh", ...client }),
  sshIdentity: key(filledStr(), { summary: "Key file for ssh", fileOnly: true, ...client }),
  remotePort: key(port(), { summary: "Gateway port on the ssh host", only: "v4", ...client }),
  sshHostKeyPolicy: keyOr(oneOf("strict", "openssh"), "strict", {
    summary: "Host key checking of managed tunnels",
    only: "v4",
    ...client,
  }),
  sshShareSeconds: keyOr(int({ min: 0, max: 3600 }), 30, {
    summary: "How long an idle ssh stays for the next command; 0 = each command has its own",
    only: "ours",
    ...client,
  }),
}, ["edgeAuth"]);

const sshVerify = union(
  bool(),
  obj({
    user: opt(str()),
    identity: opt(str()),
    timeoutMs: opt(int({ min: 1 })),
    cidrs: opt(texts()),
  }),
);

const nodes = section({
  allowCommands: keyOr(texts(), [], { summary: "Node commands let through", only: "v3" }),
  denyCommands: keyOr(texts(), [], { summary: "Node commands refused; wins", only: "v3" }),
  commands: section({
    allow: keyOr(texts(), [], { summary: "Node commands let through", only: "v4" }),
    deny: keyOr(texts(), [], { summary: "Node commands refused; wins", only: "v4" }),
  }),
  browser: section({
    mode: keyOr(oneOf("auto", "manual", "off"), "auto", {
      summary: "Which node's browser is used",
    }),
    node: key(str(), { summary: "Node whose browser is used in manual mode" }),
  }),
  pairing: section({
    autoApproveCidrs: keyOr(texts(), [], {
      summary: "Networks whose fresh nodes without scopes are paired at once",
    }),
    autoApproveLocal: key(bool(), {
      summary: "Pair nodes on loopback at once; default off for nodes",
      only: "v4",
    }),
    sshVerify: keyOr(sshVerify, false, {
      summary: "Approve nodes whose key ssh confirms",
      only: "v4",
      fileOnly: true,
    }),
  }),
}, ["pluginTools", "allowSkills"]);

const controlUi = section({
  enabled: keyOr(bool(), true, { summary: "Serve the small page" }),
  basePath: keyOr(str(), "", { summary: "Path of the page", ...restart }),
  allowedOrigins: keyOr(texts(), [], { summary: "Origins of browsers let in" }),
  dangerouslyAllowHostHeaderOriginFallback: keyOr(bool(), false, {
    summary: "Accept an Origin equal to the Host header",
  }),
  dangerouslyDisableDeviceAuth: keyOr(bool(), false, {
    summary: "Read and without effect: a page always needs a key of its own",
  }),
}, [
  ...["allowInsecureAuth", "experimental", "root", "environment", "communityInvite", "github"],
  ...["sessionObserver", "embedSandbox", "allowExternalEmbedUrls", "automaticallyFetchFavicons"],
]);

/** Keys of `gateway` that belong to the wider product. */
const FOREIGN = [
  ...["publicOrigin", "portals", "cliAgents", "terminal", "roles", "tools", "push", "webchat"],
  ...["channelHealthCheckMinutes", "channelMaxRestartsPerHour"],
  ...["channelStaleEventThresholdMinutes"],
];

/** The `gateway` object. */
export const gatewaySection = section({
  mode: key(oneOf("local", "remote"), {
    summary: "remote = this host uses a gateway elsewhere; unset = local",
    ...restart,
  }),
  port: keyOr(port(), 18789, { summary: "Port of the gateway", ...listen }),
  bind: key(oneOf("loopback", "lan", "tailnet", "custom", "auto"), {
    summary: "Which addresses to listen on; default loopback",
    ...listen,
  }),
  customBindHost: key(str(), { summary: "IPv4 address for bind custom", ...listen }),
  auth,
  trustedProxies: keyOr(texts(), [], { summary: "Addresses and networks of reverse proxies" }),
  allowRealIpFallback: keyOr(bool(), false, {
    summary: "Use X-Real-IP when a trusted proxy sends no X-Forwarded-For",
  }),
  tls,
  remote,
  nodes,
  tailscale: section({
    mode: keyOr(oneOf("off", "serve", "funnel"), "off", {
      summary: "Publish the gateway by Tailscale",
      ...listen,
    }),
    resetOnExit: keyOr(bool(), false, {
      summary: "Undo the publishing on exit",
      only: "v3",
      ...listen,
    }),
  }, ["preserveFunnel"]),
  controlUi,
  reload: section({
    mode: keyOr(oneOf("hybrid", "hot", "restart", "off"), "hybrid", {
      summary: "What happens when the file changes",
      refusedByV4: ["hot", "restart"],
    }),
    debounceMs: keyOr(int({ min: 0 }), 300, {
      summary: "Quiet time before a reload",
      only: "v3",
      ...restart,
    }),
  }, ["deferralTimeoutMs"]),
  handshakeTimeoutMs: keyOr(int({ min: 1 }), 15_000, {
    summary: "Longest handshake, milliseconds",
    only: "v3",
    ...listen,
  }),
  http: section({
    securityHeaders: section({
      strictTransportSecurity: keyOr(union(str(), oneOf(false)), false, {
        summary: "Strict-Transport-Security header",
      }),
    }),
  }, ["endpoints"]),
}, FOREIGN);
