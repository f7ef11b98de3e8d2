// Runs under the reference's runtime: drives the published client package and prints one JSON line per step.
// argv: <client package folder> <gateway url> <token>
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { pathToFileURL } from "node:url";

const [folder, url, token] = process.argv.slice(2);
const { GatewayClient } = await import(
  pathToFileURL(`${folder}/node_modules/@openclaw/gateway-client/dist/index.mjs`)
);
const say = (step, facts = {}) => console.log(JSON.stringify({ step, ...facts }));

function open(options) {
  const ready = Promise.withResolvers();
  const client = new GatewayClient({
    url,
    token,
    minProtocol: 4,
    maxProtocol: 4,
    onHelloOk: (hello) => ready.resolve(hello),
    onConnectError: (error) => ready.reject(error),
    ...options,
  });
  client.start();
  return { client, ready: ready.promise };
}

const { client, ready } = open({
  onEvent: (event) => say("event", { event: event.event }),
  onHelloOk: (hello) => {
    say("hello", { protocol: hello.protocol, methods: hello.features.methods.length });
    onHello?.(hello);
  },
});
let onHello;
await new Promise((resolve, reject) => {
  onHello = resolve;
  ready.catch(reject);
});
const health = await client.request("health", {});
say("health", { ok: health.ok });
try {
  await client.request("no.such.method", {});
  say("unknown", { accepted: true });
} catch (error) {
  say("unknown", { message: String(error.message) });
}

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const pem = publicKey.export({ type: "spki", format: "pem" });
const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32);
const identity = {
  deviceId: createHash("sha256").update(raw).digest("hex"),
  publicKeyPem: pem,
  privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }),
};
const paired = open({
  clientName: "cli",
  mode: "cli",
  role: "operator",
  scopes: ["operator.read"],
  deviceIdentity: identity,
  hostDeps: {
    signDevicePayload: (_pem, payload) =>
      sign(null, Buffer.from(payload), privateKey).toString("base64url"),
    publicKeyRawBase64UrlFromPem: () => raw.toString("base64url"),
  },
});
try {
  const hello = await paired.ready;
  say("paired", { scopes: hello.auth.scopes, token: typeof hello.auth.deviceToken });
} catch (error) {
  say("paired", { error: String(error.message) });
}
try {
  await paired.client.request("config.set", { raw: "{}" });
  say("scope", { accepted: true });
} catch (error) {
  say("scope", { message: String(error.message) });
}
paired.client.stop();
// The test restarts the gateway now and waits for a second hello.
say("waiting");
process.stdin.resume();
process.stdin.on("end", () => {
  client.stop();
  process.exit(0);
});
