/** Faults of what answers at the address: other services, proxies, broken gateways. */
import {
  banner,
  closesAtOnce,
  fakeGateway,
  type FaultyServer,
  httpAnswer,
  tcpServer,
  webSocketServer,
} from "./servers.ts";
import { expectCode, type Fault, remote, withClient } from "./report.ts";

/** One broken server and what is found when a client goes there. */
function server(title: string, code: string, make: () => FaultyServer, scheme = "ws"): Fault {
  return {
    title,
    code,
    async inject() {
      await using server = make();
      await withClient(
        remote(`${scheme}://127.0.0.1:${server.port}`),
        (state) => expectCode(code, state.env),
      );
    },
  };
}

export const SERVER_FAULTS: readonly Fault[] = [
  server("a port that says nothing", "PORT_SILENT", () => tcpServer(() => {})),
  server("a port that says nothing to TLS", "PORT_SILENT", () => tcpServer(() => {}), "wss"),
  server("a port that hangs up", "CONNECTION_LOST", closesAtOnce),
  server("an ssh server", "NOT_A_GATEWAY", () => banner("SSH-2.0-OpenSSH_9.2\r\n")),
  server("a web server", "HTTP_REFUSED", () => httpAnswer("404 Not Found")),
  server("F39: 502 of a proxy", "PROXY_WITHOUT_GATEWAY", () => httpAnswer("502 Bad Gateway")),
  server("a proxy's login", "PROXY_WANTS_LOGIN", () => httpAnswer("401 Unauthorized")),
  server("503 on upgrade", "GATEWAY_BUSY", () => httpAnswer("503 Service Unavailable")),
  server(
    "F39: a redirect on upgrade",
    "UPGRADE_REDIRECTED",
    () => httpAnswer("302 Found", "Location: http://127.0.0.1:1/\r\n"),
  ),
  server("no challenge", "HANDSHAKE_TIMEOUT", () => webSocketServer()),
  server("a challenge, and no answer to connect", "AUTH_ANSWER_LATE", () =>
    webSocketServer(
      JSON.stringify({
        type: "event",
        event: "connect.challenge",
        payload: { nonce: crypto.randomUUID(), ts: Date.now() },
      }),
    )),
  server(
    "a challenge without a nonce",
    "HANDSHAKE_FAILED",
    () => webSocketServer('{"type":"event","event":"connect.challenge","payload":{}}'),
  ),
  server("plaintext where TLS is meant", "TLS_NOT_SPOKEN", () => httpAnswer("400 Bad"), "wss"),
  server(
    "F19: a clock two hours off, at a gateway that goes by its own",
    "CLOCK_SKEW",
    () => fakeGateway("DEVICE_AUTH_SIGNATURE_EXPIRED", "device signature expired"),
  ),
  server(
    "a gateway of another protocol",
    "PROTOCOL_MISMATCH",
    () => fakeGateway("PROTOCOL_MISMATCH", "protocol mismatch"),
  ),
];
