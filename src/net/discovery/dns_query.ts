/**
 * One question to a DNS server: UDP first, TCP when the answer did not fit. The resolver of the system cannot be used,
 * because it refuses the blanks and dots that DNS-SD instance names hold. Source: RFC 1035 section 4.2.
 */
import { OpenclawError } from "../../lib/errors.ts";
import {
  decodeDns,
  type DnsMessage,
  type DnsQuestion,
  encodeDns,
  sameName,
} from "./dns_message.ts";

/** Where to ask. */
export interface DnsServer {
  readonly address: string;
  /** Default 53. */
  readonly port?: number;
}

/** How long one server may take before it is asked again or the next one is. */
const TRY_MS = 700;

/** The servers this system asks. */
export async function systemServers(): Promise<DnsServer[]> {
  const { getServers } = await import("node:dns");
  return [...new Set(getServers())].map((text) => {
    const framed = /^\[(.+)\]:(\d+)$|^([^:]+):(\d+)$/.exec(text);
    const address = framed?.[1] ?? framed?.[3];
    if (address === undefined) return { address: text };
    return { address, port: Number(framed?.[2] ?? framed?.[4]) };
  });
}

/**
 * Asks until `signal` ends it, each server twice. No such name is an answer without records.
 * Throws `DNS_FAILED` when no server answers.
 */
export async function queryDns(
  question: DnsQuestion,
  servers: readonly DnsServer[],
  signal: AbortSignal,
): Promise<DnsMessage> {
  for (const server of [...servers, ...servers]) {
    if (signal.aborted) break;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]);
    const answer = await askUdp(question, server, limit);
    if (answer?.truncated) return await askTcp(question, server, limit) ?? answer;
    if (answer) return answer;
  }
  throw new OpenclawError(
    "DNS_FAILED",
    `Cannot ask for "${question.name.join(".")}": no DNS server answered (${
      servers.map((s) => s.address).join(", ") || "none is known"
    })`,
  );
}

/** The id is a guess an off-path liar has to make, together with our port (N28). */
function encodeQuestion(question: DnsQuestion): { id: number; bytes: Uint8Array<ArrayBuffer> } {
  const id = crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;
  const bytes = encodeDns({
    id,
    response: false,
    recursion: true,
    questions: [question],
    records: [],
  });
  return { id, bytes };
}

function answerTo(question: DnsQuestion, id: number, bytes: Uint8Array): DnsMessage | undefined {
  const message = decodeDns(bytes);
  if (!message?.response || message.id !== id) return undefined;
  const [asked] = message.questions;
  return asked && asked.type === question.type && sameName(asked.name, question.name)
    ? message
    : undefined;
}

async function askUdp(
  question: DnsQuestion,
  { address, port = 53 }: DnsServer,
  signal: AbortSignal,
): Promise<DnsMessage | undefined> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  const { id, bytes } = encodeQuestion(question);
  try {
    return await new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(undefined), { once: true });
      // An unreachable server is one that does not answer.
      socket.on("error", () => resolve(undefined));
      socket.on("message", (data: Uint8Array, from: { address: string; port: number }) => {
        if (from.address !== address || from.port !== port) return;
        const answer = answerTo(question, id, data);
        if (answer) resolve(answer);
      });
      socket.bind(0, () => socket.send(bytes, port, address));
    });
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

async function askTcp(
  question: DnsQuestion,
  { address, port = 53 }: DnsServer,
  signal: AbortSignal,
): Promise<DnsMessage | undefined> {
  const { id, bytes } = encodeQuestion(question);
  const conn = await Deno.connect({ hostname: address, port }).catch(() => undefined);
  if (!conn) return undefined;
  const close = () => {
    try {
      conn.close();
    } catch {
      // Closed by the deadline.
    }
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    const framed = new Uint8Array(bytes.length + 2);
    new DataView(framed.buffer).setUint16(0, bytes.length);
    framed.set(bytes, 2);
    await conn.write(framed);
    const head = await readExactly(conn, 2);
    const body = head && await readExactly(conn, new DataView(head.buffer).getUint16(0));
    return body && answerTo(question, id, body);
  } catch {
    return undefined; // Reset, or cut by the deadline: the shortened answer has to do.
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

async function readExactly(
  conn: Deno.Conn,
  length: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) return undefined;
    at += count;
  }
  return bytes;
}
