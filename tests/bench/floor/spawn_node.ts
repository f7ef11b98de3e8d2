/**
 * Floor program: a node that spawns what it is told and nothing else, connected to the relay.
 *
 *   deno run -A spawn_node.ts URL        prints its node id once it is connected
 */
import { makeIdentity, openPeer } from "../peer.ts";

const identity = await makeIdentity();
const peer = await openPeer({ url: Deno.args[0]!, role: "node", identity });
peer.onInvoke = async (request) => {
  const { command, cwd } = JSON.parse(request.paramsJSON) as { command: string[]; cwd?: string };
  const [file, ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(file!, {
    args,
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { exitCode: code, success: code === 0, stdout: decode(stdout), stderr: decode(stderr) };
};
console.log(identity.deviceId);
await peer.closed;
