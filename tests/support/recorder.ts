/** A WebSocket relay that records every frame between clients and a plaintext gateway, as `tests/wire` files do. */

/** One recorded frame. */
export interface Recorded {
  readonly conn: number;
  readonly dir: "c2s" | "s2c";
  readonly text: string;
}

/** A running relay. */
export interface Recorder {
  readonly port: number;
  readonly frames: readonly Recorded[];
  close(): Promise<void>;
}

/** Starts a relay to `gatewayPort`. Frames reach the other side unchanged, closes with their code where the runtime can send it. */
export function startRecorder(gatewayPort: number): Recorder {
  const frames: Recorded[] = [];
  let conns = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.headers.get("upgrade") !== "websocket") {
      const url = new URL(request.url);
      url.port = String(gatewayPort);
      return await fetch(url, { method: request.method, headers: { accept: "application/json" } });
    }
    const conn = ++conns;
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    const upstream = new WebSocket(`ws://127.0.0.1:${gatewayPort}/`);
    const early: string[] = [];
    upstream.onopen = () => early.splice(0).forEach((text) => upstream.send(text));
    socket.onmessage = ({ data }) => {
      frames.push({ conn, dir: "c2s", text: data });
      if (upstream.readyState === WebSocket.OPEN) upstream.send(data);
      else early.push(data);
    };
    upstream.onmessage = ({ data }) => {
      frames.push({ conn, dir: "s2c", text: data });
      if (socket.readyState === WebSocket.OPEN) socket.send(data);
    };
    const passOn = (to: WebSocket) => (event: CloseEvent) => {
      if (to.readyState > WebSocket.OPEN) return;
      // The runtime's own sockets send no other codes; the answer before the close tells the reason anyway.
      if (event.code === 1000 || event.code >= 3000) to.close(event.code, event.reason);
      else to.close();
    };
    socket.onclose = passOn(upstream);
    upstream.onclose = passOn(socket);
    socket.onerror = () => {};
    upstream.onerror = () => {};
    return response;
  });
  return {
    port: (server.addr as Deno.NetAddr).port,
    frames,
    close: () => server.shutdown(),
  };
}
