/**
 * Servers that are wrong in one way each, for the doctor. All on loopback, all ended with `using`.
 */

/** A fault that listens. */
export interface FaultyServer extends AsyncDisposable {
  readonly port: number;
}

/** Accepts connections and gives each to `serve`; what `serve` does not close is closed at the end. */
export function tcpServer(serve: (conn: Deno.TcpConn) => void | Promise<void>): FaultyServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  const work = new Set<Promise<void>>();
  const loop = (async () => {
    for await (const conn of listener) {
      open.add(conn);
      const one = Promise.resolve(serve(conn)).catch(() => {/* the peer has gone */});
      work.add(one);
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of open) closeQuietly(conn);
      await Promise.all([loop, ...work]);
    },
  };
}

/** Says these bytes to everybody and closes. */
export const banner = (text: string): FaultyServer =>
  tcpServer(async (conn) => {
    await conn.write(new TextEncoder().encode(text));
    await conn.read(new Uint8Array(4096));
    closeQuietly(conn);
  });

/** Answers every HTTP request with one answer. */
export const httpAnswer = (status: string, headers = ""): FaultyServer =>
  tcpServer(async (conn) => {
    await conn.read(new Uint8Array(4096));
    const text = `HTTP/1.1 ${status}\r\n${headers}Content-Length: 2\r\nConnection: close\r\n\r\nno`;
    await conn.write(new TextEncoder().encode(text));
    closeQuietly(conn);
  });

/** A WebSocket server that says `greeting`, or nothing, and answers what it is told. */
export function webSocketServer(
  greeting?: string,
  answer?: (text: string) => string,
): FaultyServer {
  const sockets = new Set<WebSocket>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    sockets.add(socket);
    if (greeting !== undefined) socket.onopen = () => socket.send(greeting);
    if (answer) socket.onmessage = ({ data }) => socket.send(answer(String(data)));
    return response;
  });
  return {
    port: server.addr.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) if (socket.readyState <= WebSocket.OPEN) socket.close();
      await server.shutdown();
    },
  };
}

/** A reverse proxy on loopback that adds `header` to the first request of each connection. */
export function proxy(port: number, header: string): FaultyServer {
  return tcpServer(async (conn) => {
    const upstream = await Deno.connect({ hostname: "127.0.0.1", port });
    const buffer = new Uint8Array(16_384);
    const count = await conn.read(buffer) ?? 0;
    const head = new TextDecoder().decode(buffer.subarray(0, count));
    const changed = head.replace("\r\n\r\n", `\r\n${header}\r\n\r\n`);
    await upstream.write(new TextEncoder().encode(changed));
    await Promise.all([
      conn.readable.pipeTo(upstream.writable).catch(() => closeQuietly(upstream)),
      upstream.readable.pipeTo(conn.writable).catch(() => closeQuietly(conn)),
    ]);
  });
}

/** A port whose queue is full, so that the system drops every new connection as a firewall does; needs perl. */
export async function silentPort(): Promise<FaultyServer | undefined> {
  const script =
    "use Socket; socket(S,PF_INET,SOCK_STREAM,0); bind(S,sockaddr_in(0,INADDR_LOOPBACK));" +
    'listen(S,0); my($p)=sockaddr_in(getsockname(S)); $|=1; print "$p\\n"; <STDIN>;';
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("perl", { args: ["-e", script], stdin: "piped", stdout: "piped" })
      .spawn();
  } catch {
    return undefined; // no perl here
  }
  const reader = child.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  const fillers: Deno.TcpConn[] = [];
  for (let n = 0; n < 8; n++) {
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), 150);
    const stop = new AbortController();
    const conn = await Promise.race([
      Deno.connect({ hostname: "127.0.0.1", port, signal: stop.signal }).catch(() => undefined),
      late.promise,
    ]);
    clearTimeout(timer);
    if (!conn) {
      stop.abort();
      break;
    }
    fillers.push(conn);
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
      for (const conn of fillers) closeQuietly(conn);
    },
  };
}

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It is closed already.
  }
}

/** Takes a connection and ends it without a word. */
export const closesAtOnce = (): FaultyServer =>
  tcpServer(async (conn) => {
    await conn.read(new Uint8Array(1));
    closeQuietly(conn);
  });

/** Greets like a gateway and refuses every connect with one code. */
export function fakeGateway(code: string, message: string): FaultyServer {
  const challenge = {
    type: "event",
    event: "connect.challenge",
    payload: { nonce: crypto.randomUUID(), ts: Date.now() },
  };
  return webSocketServer(JSON.stringify(challenge), (text) => {
    const { id } = JSON.parse(text);
    const error = { code: "INVALID_REQUEST", message, details: { code } };
    return JSON.stringify({ type: "res", id, ok: false, error });
  });
}

/** Answers a TLS hello with a fatal alert (handshake_failure). */
export const tlsAlert = (): FaultyServer =>
  tcpServer(async (conn) => {
    await conn.read(new Uint8Array(4096));
    await conn.write(new Uint8Array([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]));
    closeQuietly(conn);
  });
