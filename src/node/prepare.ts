/**
 * What a node needs before it connects: settings in node.json, its key, its tokens. `node run` starts with it, and
 * `node install` does it once, so that the service finds everything decided.
 */
import { dirname, join } from "@std/path";
import type { Env } from "../config/env.ts";
import type { StatePaths } from "../config/paths.ts";
import { type DeviceKey, loadOrCreateDeviceKey } from "../identity/device_key.ts";
import { TokenStore } from "../identity/token_store.ts";
import { isOpenclawError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { ensureDir } from "../platform/files.ts";
import { hostName } from "../platform/os.ts";
import {
  type DecidedSettings,
  decideSettings,
  loadNodeFile,
  type NodeFlags,
  type NodeSettings,
  saveNodeFile,
} from "./files/node_file.ts";
import { ConfigReader } from "./files/policy_config.ts";
import { wayKey } from "./way.ts";

/** Inputs of {@linkcode prepareNode}. */
export interface PrepareOptions {
  readonly paths: StatePaths;
  readonly env: Env;
  readonly flags: NodeFlags;
  readonly log: Logger;
}

/** A node that could connect. */
export interface PreparedNode {
  readonly settings: NodeSettings;
  readonly config: ConfigReader;
  readonly key: DeviceKey;
  readonly tokens: TokenStore;
}

/**
 * Decides the settings and writes them, makes the key, and forgets tokens of an identity that was replaced.
 * @throws {OpenclawError} for everything that waiting cannot mend, as `startNode`.
 */
export async function prepareNode(options: PrepareOptions): Promise<PreparedNode> {
  const { paths } = options;
  await ensureDir(paths.stateDir);
  const config = new ConfigReader(options);
  const { settings, identityReset } = await settle(options, config);
  await ensureDir(dirname(paths.deviceKeyFile));
  const key = await loadOrCreateDeviceKey(paths.deviceKeyFile);
  const tokens = new TokenStore({
    path: join(paths.identityDir, "node-tokens.json"),
    deviceId: key.deviceId,
    seed: { path: paths.deviceAuthFile, gatewayKey: wayKey(settings) },
  });
  if (identityReset) await tokens.removeRole("node");
  return { settings, config, key, tokens };
}

/** The settings a node would start with; nothing is written. @throws {OpenclawError} as {@linkcode prepareNode}. */
export async function previewNode(options: PrepareOptions): Promise<NodeSettings> {
  return (await decide(options, new ConfigReader(options))).decided.settings;
}

async function decide({ paths, flags }: PrepareOptions, config: ConfigReader) {
  const before = await loadNodeFile(paths.nodeFile);
  const loaded = await config.load();
  const decided = decideSettings({
    path: paths.nodeFile,
    file: before,
    flags,
    configTls: loaded.config.gateway.tls.enabled,
    machineName: hostName(),
    newId: () => crypto.randomUUID(),
  });
  return { before, decided };
}

/** Effective settings; the file is written when they differ from it. */
async function settle(options: PrepareOptions, config: ConfigReader): Promise<DecidedSettings> {
  const { paths, log } = options;
  const { before, decided } = await decide(options, config);
  for (const notice of decided.notices) log.warn(notice);
  try {
    await saveNodeFile(paths.nodeFile, before, decided.file);
  } catch (error) {
    // F04, F05: a full or read-only disk must not keep a node away that knows its gateway.
    if (!isOpenclawError(error, "DISK_FULL", "STATE_READ_ONLY")) throw error;
    log.error("node.json could not be written, running from memory", { error: error.message });
  }
  return decided;
}
