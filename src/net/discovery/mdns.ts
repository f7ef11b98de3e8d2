/**
 * mDNS on the wire: browsing for gateways and announcing one. Records are made and read in `records.ts`.
 * Uses `node:dgram`, because Deno's own datagram sockets still need an unstable flag. Source: RFC 6762, remote-access.md 5.
 */
import { systemClock, wait } from "../../lib/clock.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { decodeDns, DNS_TYPE, type DnsRecord, encodeDns, sameName } from "./dns_message.ts";
import {
  type AnnounceFacts,
  announceRecords,
  type Beacon,
  beaconsOf,
  LOCAL_DOMAIN,
  serviceIn,
} from "./records.ts";

const GROUP = "224.0.0.251";
/** Interfaces used at most; a machine full of container bridges does not need to shout on all of them. */
const MAX_INTERFACES = 8;
/** Questions this soon after an answer have just been answered: each reaches the sockets of all interfaces. */
const ANSWER_PAUSE_MS = 20;

/** Options shared by both sides. */
export interface MulticastOptions {
  /** IPv4 address of the one interface to use; tests use loopback. Default: every interface with an IPv4 address. */
  readonly interfaceAddress?: string;
  /** UDP port, default 5353. */
  readonly port?: number;
}

interface Socket {
  send(message: Uint8Array): void;
  close(): Promise<void>;
}

/** The system would choose one interface by its routes: on a machine with a VPN or containers often the wrong one. */
function interfaceAddresses(): string[] {
  const own = Deno.networkInterfaces().filter((i) => i.family === "IPv4").map((i) => i.address);
  const outward = own.filter((address) => !address.startsWith("127."));
  return (outward.length > 0 ? outward : own).slice(0, MAX_INTERFACES);
}

async function openSocket(
  options: MulticastOptions,
  onMessage: (bytes: Uint8Array) => void,
): Promise<Socket> {
  const port = options.port ?? 5353;
  const addresses = options.interfaceAddress ? [options.interfaceAddress] : interfaceAddresses();
  const opened = await Promise.allSettled(
    addresses.map((address) => openOn(address, port, onMessage)),
  );
  const sockets = opened.flatMap((o) => o.status === "fulfilled" ? [o.value] : []);
  if (sockets.length === 0) {
    const cause = opened.find((o) => o.status === "rejected")?.reason;
    throw new OpenclawError(
      "DISCOVERY_UNAVAILABLE",
      `Cannot listen for multicast DNS on port ${port}`,
      { cause },
    );
  }
  return {
    send: (message) => sockets.forEach((socket) => socket.send(message)),
    close: async () => void await Promise.all(sockets.map((socket) => socket.close())),
  };
}

async function openOn(
  address: string,
  port: number,
  onMessage: (bytes: Uint8Array) => void,
): Promise<Socket> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  socket.on("message", (data: Uint8Array) => onMessage(data));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, () => resolve());
    });
    socket.addMembership(GROUP, address);
    socket.setMulticastInterface(address);
    socket.setMulticastTTL(255);
    socket.setMulticastLoopback(true);
  } catch (error) {
    socket.close();
    throw error;
  }
  // A send may fail when an interface goes away; the next one tries again.
  socket.on("error", () => {});
  return {
    send: (message) => socket.send(message, port, GROUP),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/**
 * Listens for `timeoutMs` (default 2000) and returns the gateways heard, in order of arrival. Asks three times, since a
 * datagram may be lost. Throws `DISCOVERY_UNAVAILABLE` when multicast cannot be had.
 */
export async function browseGateways(
  options: MulticastOptions & { readonly timeoutMs?: number } = {},
): Promise<Beacon[]> {
  const timeoutMs = options.timeoutMs ?? 2000;
  const heard: DnsRecord[] = [];
  const socket = await openSocket(options, (bytes) => {
    const message = decodeDns(bytes);
    // A bound on memory: a flood of records cannot grow the heap beyond this (N28).
    if (message?.response && heard.length < 4096) heard.push(...message.records);
  });
  const question = encodeDns({
    id: 0,
    response: false,
    questions: [{ name: serviceIn(LOCAL_DOMAIN), type: DNS_TYPE.PTR }],
    records: [],
  });
  socket.send(question);
  const timers = [0.2, 0.5].map((part) =>
    systemClock.after(timeoutMs * part, () => socket.send(question))
  );
  await wait(timeoutMs);
  for (const cancel of timers) cancel();
  await socket.close();
  return beaconsOf(heard);
}

/** A running announcement. */
export interface Announcement {
  /** Name in use: ` (2)` and so on is appended when another gateway has the wanted one. */
  readonly instanceName: string;
  /** Says goodbye (TTL 0) and closes the socket. */
  stop(): Promise<void>;
}

/** Announces a gateway until stopped. Throws `DISCOVERY_UNAVAILABLE`. */
export async function announceGateway(
  facts: AnnounceFacts,
  options: MulticastOptions & { readonly probeMs?: number } = {},
): Promise<Announcement> {
  const displayName = await freeName(facts, options);
  const own = { ...facts, displayName };
  const records = announceRecords(own);
  const answer = (list: DnsRecord[]) =>
    encodeDns({ id: 0, response: true, questions: [], records: list });
  let answeredMs = -Infinity;
  const socket = await openSocket(options, (bytes) => {
    const message = decodeDns(bytes);
    if (!message || message.response) return;
    const asked = message.questions.some((q) => records.some((r) => sameName(q.name, r.name)));
    const nowMs = systemClock.monotonic();
    if (!asked || nowMs - answeredMs < ANSWER_PAUSE_MS) return;
    answeredMs = nowMs;
    socket.send(answer(records));
  });
  socket.send(answer(records));
  const again = setTimeout(() => socket.send(answer(records)), 1000);
  return {
    instanceName: displayName,
    async stop() {
      clearTimeout(again);
      socket.send(answer(announceRecords(own, { host: 0, other: 0 })));
      await socket.close();
    },
  };
}

async function freeName(
  facts: AnnounceFacts,
  options: MulticastOptions & { readonly probeMs?: number },
): Promise<string> {
  const others = await browseGateways({ ...options, timeoutMs: options.probeMs ?? 300 });
  const taken = new Set(
    others.filter((b) => b.port !== facts.port || !facts.addresses.includes(b.host))
      .map((b) => b.instanceName.toLowerCase()),
  );
  let name = facts.displayName;
  for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${facts.displayName} (${n})`;
  return name;
}
