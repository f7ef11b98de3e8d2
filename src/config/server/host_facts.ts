/**
 * Facts of this machine that decide the default bind: whether it is a container, and its address in a tailnet.
 */
import { ipKind, parseIp } from "../../lib/ip.ts";

/** See {@linkcode loadHostFacts}. */
export interface HostFacts {
  readonly inContainer: boolean;
  /** First interface address in 100.64.0.0/10. */
  readonly tailnetIpv4: string | undefined;
}

const CONTAINER_MARKS = ["/.dockerenv", "/run/.containerenv"];

/** Looks at this machine; never fails. */
export function loadHostFacts(): HostFacts {
  return { inContainer: CONTAINER_MARKS.some(exists), tailnetIpv4: tailnetAddress() };
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false; // not there, or not to be seen: no container as far as anyone can tell
  }
}

function tailnetAddress(): string | undefined {
  for (const { address, family } of Deno.networkInterfaces()) {
    const bytes = family === "IPv4" ? parseIp(address) : undefined;
    if (bytes && ipKind(bytes) === "cgnat") return address;
  }
  return undefined;
}
