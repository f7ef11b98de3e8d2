/** Opens a tunnel, one of its own or a shared one, and waits to be killed; the test looks for what it leaves behind. */
import { probeTunnel } from "../../src/remote/probe_tunnel.ts";
import { joinShared } from "../../src/remote/shared_tunnel.ts";
import { parseSshTarget } from "../../src/remote/ssh_target.ts";
import { openTunnel, sshEnvironment } from "../../src/remote/tunnel.ts";

const env = Deno.env.toObject();
const wish = {
  target: parseSshTarget("gw"),
  remotePort: Number(env["TUNNEL_PORT"]),
  hostKeyPolicy: "strict",
  configFile: env["TUNNEL_CONFIG"] ?? "",
} as const;
const around = {
  platform: "linux",
  sshPath: "/usr/bin/ssh",
  env: sshEnvironment(env),
  tunnelsDir: env["TUNNEL_DIR"] ?? "",
  probe: probeTunnel({ url: "ws://127.0.0.1" }),
} as const;
const shareSeconds = Number(env["TUNNEL_SHARE_SECONDS"]);
const tunnel = shareSeconds > 0
  ? await joinShared(wish, around, shareSeconds)
  : await openTunnel(wish, around);
console.log(`open ${tunnel?.local.kind === "unix" ? tunnel.local.path : ""}`);
setInterval(() => {}, 60_000);
