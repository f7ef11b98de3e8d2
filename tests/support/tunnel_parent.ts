/** Opens a tunnel and waits to be killed; the test looks for what it leaves behind. */
import { probeTunnel } from "../../src/remote/probe_tunnel.ts";
import { parseSshTarget } from "../../src/remote/ssh_target.ts";
import { openTunnel, sshEnvironment } from "../../src/remote/tunnel.ts";

const env = Deno.env.toObject();
const tunnel = await openTunnel({
  target: parseSshTarget("gw"),
  remotePort: Number(env["TUNNEL_PORT"]),
  hostKeyPolicy: "strict",
  configFile: env["TUNNEL_CONFIG"] ?? "",
}, {
  platform: "linux",
  sshPath: "/usr/bin/ssh",
  env: sshEnvironment(env),
  tunnelsDir: env["TUNNEL_DIR"] ?? "",
  probe: probeTunnel({ url: "ws://127.0.0.1" }),
});
console.log("open");
await tunnel.ended;
