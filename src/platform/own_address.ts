/** Which addresses are this machine's own: who comes from one is a local process, and packets to one stay here. */
import { ipKind, parseIp, renderIp, unbracketed } from "../lib/ip.ts";

/** Whether `text` is an address of this very machine, loopback included. Names are not. */
export function isOwnAddress(text: string): boolean {
  const bytes = parseIp(unbracketed(text));
  if (!bytes) return false;
  const ip = renderIp(bytes);
  return ipKind(bytes) === "loopback" || Deno.networkInterfaces().some(({ address }) => {
    const own = parseIp(address);
    return own !== undefined && renderIp(own) === ip;
  });
}
