/**
 * Notices that this machine's addresses changed: another network, a cable, a VPN. Looking is one cheap system call; no
 * system tells a program without help.
 */
import type { Clock } from "../lib/clock.ts";

/** Tells about changes of the machine's own addresses. */
export interface NetworkWatch {
  /** Returns how to stop listening. */
  onChange(listener: () => void): () => void;
  stop(): void;
}

/** Pace of looking, so that a moved machine is back within 5 s (F13). */
const LOOK_MS = 1_000;

/** Starts looking. Where addresses cannot be read, nothing is ever told. */
export function watchNetwork(clock: Clock): NetworkWatch {
  const listeners = new Set<() => void>();
  let known = ownAddresses();
  let cancel = clock.after(LOOK_MS, look);
  function look() {
    const now = ownAddresses();
    cancel = clock.after(LOOK_MS, look);
    if (now === known) return;
    known = now;
    for (const listener of [...listeners]) listener();
  }
  return {
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop: () => cancel(),
  };
}

function ownAddresses(): string {
  try {
    // IPv6 privacy addresses come and go without a change of network.
    return Deno.networkInterfaces().filter((i) => i.family === "IPv4")
      .map((i) => `${i.name} ${i.address}`).sort().join("\n");
  } catch {
    return ""; // not permitted: every look is the same
  }
}
