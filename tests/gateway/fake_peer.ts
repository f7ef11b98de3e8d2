/** A connection that exists only in memory, for desks that are tested without a socket. */
import type { Peer } from "../../src/gateway/peers/peer.ts";
import type { Principal } from "../../src/gateway/peers/principal.ts";

/** What the peer was sent, and whether it was closed. */
export interface FakePeer extends Peer {
  // deno-lint-ignore no-explicit-any
  readonly sent: any[];
  closedWith: { code: number; reason: string } | undefined;
}

let made = 0;

export function fakePeer(more: Partial<Principal> = {}): FakePeer {
  // deno-lint-ignore no-explicit-any
  const sent: any[] = [];
  return {
    connId: `conn-${++made}`,
    principal: {
      role: "operator",
      scopes: [],
      owner: false,
      deviceId: undefined,
      publicKey: undefined,
      clientId: "cli",
      clientMode: "cli",
      clientVersion: "2026.9.6",
      displayName: undefined,
      instanceId: undefined,
      platform: "linux",
      deviceFamily: "Linux",
      modelIdentifier: undefined,
      authMethod: "token",
      protocol: 4,
      caps: [],
      commands: [],
      permissions: undefined,
      pathEnv: undefined,
      local: true,
      remoteAddress: "127.0.0.1",
      ...more,
    },
    connectedAtMs: 0,
    signal: new AbortController().signal,
    sent,
    closedWith: undefined,
    sendText(frame) {
      sent.push(JSON.parse(frame));
      return true;
    },
    sendEvent(head) {
      sent.push(JSON.parse(head + "}"));
    },
    close(code, reason) {
      this.closedWith = { code, reason };
    },
  };
}
