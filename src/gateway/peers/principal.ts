/**
 * Who is at the other end of a live connection, decided once by the handshake and never changed afterwards.
 */
import type { AuthMethod } from "../../protocol/hello.ts";
import type { Role } from "../../protocol/roles.ts";
import type { ProtocolVersion } from "../../protocol/versions.ts";

/** An authenticated peer. Names and versions are as the peer sent them: show them escaped. */
export interface Principal {
  readonly role: Role;
  /** Scopes in force on this connection; always empty for a node. */
  readonly scopes: readonly string[];
  /** Scopes of the device's token. The older command line asks for fewer at each connect than its device was granted. */
  readonly deviceScopes?: readonly string[];
  /** Decision 1: right shared secret over a direct loopback socket, no Origin, no proxy headers. */
  readonly owner: boolean;
  /** Proven device, when the connection presented one. For a node this is its node id. */
  readonly deviceId: string | undefined;
  /** Raw Ed25519 key of the device, base64url without padding. */
  readonly publicKey: string | undefined;
  readonly clientId: string;
  readonly clientMode: string;
  readonly clientVersion: string;
  readonly displayName: string | undefined;
  readonly instanceId: string | undefined;
  readonly platform: string;
  readonly deviceFamily: string | undefined;
  readonly modelIdentifier: string | undefined;
  readonly authMethod: AuthMethod;
  readonly protocol: ProtocolVersion;
  /** Capabilities the peer announced, for instance `invoke-output`. */
  readonly caps: readonly string[];
  /** Role node: commands declared at connect, before any policy. */
  readonly commands: readonly string[];
  readonly permissions: Readonly<Record<string, boolean>> | undefined;
  /** Role node: PATH of the host. */
  readonly pathEnv: string | undefined;
  /** Direct loopback socket without proxy headers, whatever the credentials. */
  readonly local: boolean;
  /** Address of the client: the socket's, or the one a trusted proxy vouches for. */
  readonly remoteAddress: string;
}

/** What the approval and audit records call this peer. */
export function principalName(principal: Principal): string {
  return principal.displayName ?? principal.clientId;
}
