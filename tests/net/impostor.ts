/**
 * A TLS 1.3 server that shows a certificate and signs with whatever key it is given, also one that does not belong to
 * it, as an attacker would who has only copied the certificate. Ordinary TLS libraries refuse to do that. It speaks
 * just enough of RFC 8446 for one handshake (x25519, AES-128-GCM) and then stays silent.
 */
import { derOfPem } from "../../src/identity/fingerprint.ts";
import { sequence, unsigned } from "../../src/identity/der.ts";

type Bytes = Uint8Array<ArrayBuffer>;
const text = (value: string) => new TextEncoder().encode(value);
const EMPTY = new Uint8Array(0);

function join(...parts: (Uint8Array | number[])[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
const u16 = (n: number) => [n >> 8, n & 255];
const u24 = (n: number) => [n >> 16, (n >> 8) & 255, n & 255];

async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

async function hmac(key: Bytes, data: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey(
    "raw",
    key,
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

/** HKDF-Expand-Label for lengths of at most 32 (RFC 8446, 7.1). */
async function expand(
  secret: Bytes,
  label: string,
  context: Uint8Array,
  length: number,
): Promise<Bytes> {
  const name = text(`tls13 ${label}`);
  const info = join(u16(length), [name.length], name, [context.length], context, [1]);
  return (await hmac(secret, info)).slice(0, length);
}

const message = (type: number, body: Uint8Array) => join([type], u24(body.length), body);

/** The client's session id and x25519 share. */
function readHello(hello: Uint8Array): { sessionId: Uint8Array; share: Bytes } {
  let at = 4 + 2 + 32;
  const sessionId = hello.slice(at + 1, at + 1 + (hello[at] ?? 0));
  at += 1 + sessionId.length;
  const view = new DataView(hello.buffer, hello.byteOffset);
  at += 2 + view.getUint16(at);
  at += 1 + (hello[at] ?? 0) + 2;
  for (; at < hello.length; at += 4 + view.getUint16(at + 2)) {
    if (view.getUint16(at) !== 51) continue;
    const end = at + 4 + view.getUint16(at + 2);
    for (let entry = at + 6; entry < end; entry += 4 + view.getUint16(entry + 2)) {
      if (view.getUint16(entry) === 0x001d) {
        return { sessionId, share: Uint8Array.from(hello.slice(entry + 4, entry + 36)) };
      }
    }
  }
  throw new Error("the client offered no x25519 share");
}

async function answerHello(
  conn: Deno.Conn,
  certificate: Uint8Array,
  key: CryptoKey,
): Promise<void> {
  const buffer = new Uint8Array(16_384);
  let have = 0;
  while (have < 5 || have < 5 + (((buffer[3] ?? 0) << 8) | (buffer[4] ?? 0))) {
    have += await conn.read(buffer.subarray(have)) ?? 0;
  }
  const clientHello = Uint8Array.from(
    buffer.subarray(5, 5 + (((buffer[3] ?? 0) << 8) | (buffer[4] ?? 0))),
  );
  const { sessionId, share } = readHello(clientHello);
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]) as CryptoKeyPair;
  const peer = await crypto.subtle.importKey("raw", share, "X25519", false, []);
  const shared = new Uint8Array(
    await crypto.subtle.deriveBits({ name: "X25519", public: peer }, pair.privateKey, 256),
  );
  const own = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const extensions = join(
    u16(43),
    u16(2),
    u16(0x0304),
    u16(51),
    u16(36),
    u16(0x001d),
    u16(32),
    own,
  );
  const random = crypto.getRandomValues(new Uint8Array(32));
  const serverHello = message(
    2,
    join(
      u16(0x0303),
      random,
      [sessionId.length],
      sessionId,
      u16(0x1301),
      [0],
      u16(extensions.length),
      extensions,
    ),
  );

  const zeros = new Uint8Array(32);
  const early = await hmac(zeros, zeros);
  const handshake = await hmac(await expand(early, "derived", await sha256(EMPTY), 32), shared);
  const secret = await expand(
    handshake,
    "s hs traffic",
    await sha256(join(clientHello, serverHello)),
    32,
  );

  let transcript = join(clientHello, serverHello, message(8, join(u16(0))));
  const flight: Uint8Array[] = [message(8, join(u16(0)))];
  const add = (part: Bytes) => {
    flight.push(part);
    transcript = join(transcript, part);
  };
  const list = join(u24(certificate.length), certificate, u16(0));
  add(message(11, join([0], u24(list.length), list)));
  const signed = join(
    new Uint8Array(64).fill(32),
    text("TLS 1.3, server CertificateVerify"),
    [0],
    await sha256(transcript),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, signed),
  );
  const signature = sequence(unsigned(raw.subarray(0, 32)), unsigned(raw.subarray(32)));
  add(message(15, join(u16(0x0403), u16(signature.length), signature)));
  const finishedKey = await expand(secret, "finished", EMPTY, 32);
  add(message(20, await hmac(finishedKey, await sha256(transcript))));

  const inner = join(...flight, [22]);
  const header = join([23], u16(0x0303), u16(inner.length + 16));
  const trafficKey = await crypto.subtle.importKey(
    "raw",
    await expand(secret, "key", EMPTY, 16),
    "AES-GCM",
    false,
    ["encrypt"],
  );
  const iv = await expand(secret, "iv", EMPTY, 12);
  const sealed = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv, additionalData: header },
    trafficKey,
    inner,
  );
  await conn.write(
    join([22], u16(0x0303), u16(serverHello.length), serverHello, header, new Uint8Array(sealed)),
  );
}

/** Listens; every connection gets one handshake. */
export function startImpostor(
  certPem: string,
  keyPem: string,
): { port: number; close(): Promise<void> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns: Deno.Conn[] = [];
  const serve = async () => {
    const key = await crypto.subtle.importKey(
      "pkcs8",
      derOfPem(keyPem, "PRIVATE KEY") ?? new Uint8Array(),
      { name: "ECDSA", namedCurve: "P-256" },
      false,
      ["sign"],
    );
    for await (const conn of listener) {
      conns.push(conn);
      await answerHello(conn, derOfPem(certPem) ?? EMPTY, key);
    }
  };
  const serving = serve().catch((error) => {
    if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) {
      throw error;
    }
  });
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async close() {
      listener.close();
      await serving;
      for (const conn of conns) conn.close();
    },
  };
}
