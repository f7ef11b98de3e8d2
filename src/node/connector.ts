/**
 * Opens the node's sessions: what it declares about itself, which credentials go along, and what happens when a stored
 * device token is refused. Source: node-host.md 2; decisions 9, 31.
 */
import { withRepair } from "../client/refused_credential.ts";
import {
  type ClientHello,
  newConnectMemory,
  openSession,
  type Session,
} from "../client/session.ts";
import type { Credentials as FoundCredentials } from "../config/credentials/credential_fetch.ts";
import { type Env, readEnv } from "../config/env.ts";
import { nodeCredentials } from "../config/credentials/target.ts";
import type { DeviceKey } from "../identity/device_key.ts";
import type { TokenStore } from "../identity/token_store.ts";
import type { Clock } from "../lib/clock.ts";
import { isOpenclawError, OpenclawError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { Secret } from "../lib/secret.ts";
import { tlsInstead } from "../net/dial/tls_instead.ts";
import { deviceFamily, platformName } from "../platform/os.ts";
import { WIRE_VERSION } from "../protocol/versions.ts";
import { NODE_COMMANDS } from "./commands/mod.ts";
import type { NodeSettings } from "./files/node_file.ts";
import type { ConfigReader } from "./files/policy_config.ts";
import type { PinBook } from "./pin_book.ts";
import type { Way } from "./way.ts";

/** Inputs of {@linkcode Connector}. */
export interface ConnectorFacts {
  readonly settings: NodeSettings;
  readonly way: Way;
  readonly pins: PinBook;
  readonly config: ConfigReader;
  readonly key: DeviceKey;
  readonly tokens: TokenStore;
  readonly env: Env;
  readonly bootstrapToken: Secret | undefined;
  readonly pathEnv: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Opens sessions to one gateway and remembers what one attempt taught. */
export class Connector {
  readonly #facts: ConnectorFacts;
  readonly #memory = newConnectMemory();

  constructor(facts: ConnectorFacts) {
    this.#facts = facts;
  }

  /** One attempt. @throws {OpenclawError} as {@linkcode openSession}, and errors of the configured credentials. */
  async open(signal: AbortSignal): Promise<Session> {
    const { pins, tokens } = this.#facts;
    const stored = await tokens.load(pins.gatewayKey, "node");
    try {
      return await this.#session(await this.#credentials(stored !== undefined), signal);
    } catch (error) {
      if (!stored || !isOpenclawError(error, "AUTH_DEVICE_TOKEN_MISMATCH")) throw error;
      // Decision 31: the refused token is dropped and the node asks for pairing with what else it has.
      this.#facts.log.warn("the stored device token was refused and dropped");
      return await this.#session(await this.#credentials(false), signal, true);
    }
  }

  async #session(
    { token, password, tokenSource, passwordSource }: Partial<FoundCredentials>,
    signal: AbortSignal,
    droppedToken = false,
  ): Promise<Session> {
    const { way, pins, key, tokens, env, clock, bootstrapToken } = this.#facts;
    const session = openSession({
      dial: {
        ...await way.dial(signal),
        pins: pins.pins,
        plaintext: { optIn: readEnv(env).allowInsecurePrivateWs },
        longLived: true,
        signal,
      },
      hello: this.#hello(),
      credentials: { token, password, ...(bootstrapToken ? { bootstrapToken } : {}) },
      deviceKey: key,
      tokens,
      gatewayKey: pins.gatewayKey,
      memory: this.#memory,
      clock,
    });
    return await session.catch(async (error) => {
      if (isOpenclawError(error, "PLAINTEXT_REFUSED")) throw await this.#overTls(error);
      throw withRepair(error, { role: "node", tokenSource, passwordSource, droppedToken });
    });
  }

  /** Decision 33: the same line over TLS with the fingerprint that host shows, when it shows one. */
  async #overTls(error: OpenclawError): Promise<OpenclawError> {
    const { host, port, url } = this.#facts.settings;
    const hint = await tlsInstead(
      url,
      (_url, pin) =>
        `openclaw node run --host ${host} --port ${port} --tls --tls-fingerprint ${pin}`,
    );
    if (hint === undefined) return error;
    const { code, message, details, exitCode } = error;
    return new OpenclawError(code, message, {
      cause: error,
      hint,
      exitCode,
      details: { ...details },
    });
  }

  /**
   * Read anew for every attempt, so that a changed token is picked up (decision 31). Beside a join line none goes
   * along: a line from somewhere must not draw this machine's shared secret, and an old one must not spoil it.
   */
  async #credentials(savedDeviceToken: boolean): Promise<Partial<FoundCredentials>> {
    const { config, env, bootstrapToken } = this.#facts;
    if (bootstrapToken) return {};
    return await nodeCredentials({ env, loaded: await config.load(), savedDeviceToken });
  }

  #hello(): ClientHello {
    const { settings, pathEnv } = this.#facts;
    return {
      client: {
        id: "node-host",
        mode: "node",
        version: WIRE_VERSION,
        platform: platformName(),
        deviceFamily: deviceFamily(),
        displayName: settings.displayName,
        instanceId: settings.nodeId,
      },
      role: "node",
      scopes: [],
      caps: [...new Set(NODE_COMMANDS.map((command) => command.cap)), "invoke-output"],
      commands: NODE_COMMANDS.map((command) => command.name),
      pathEnv,
    };
  }
}
