/**
 * The configuration in force while the gateway runs. Owns reloading and telling those who depend on it; reading and
 * writing the file is `config/`.
 */
import type { LoadedConfig } from "../../config/file/load.ts";

/** Called after a valid new configuration took force; a reload ends when all listeners did. */
export type ConfigListener = (now: LoadedConfig, before: LoadedConfig) => void | Promise<void>;

/** Holds the last valid configuration (F09: a half-written edit changes nothing). */
export class ConfigHolder {
  #current: LoadedConfig;
  readonly #load: () => Promise<LoadedConfig>;
  readonly #listeners = new Set<ConfigListener>();

  constructor(initial: LoadedConfig, load: () => Promise<LoadedConfig>) {
    this.#current = initial;
    this.#load = load;
  }

  /** The configuration in force. */
  get current(): LoadedConfig {
    return this.#current;
  }

  /** Reads the file again; a file with issues is returned but does not take force. */
  async reload(): Promise<LoadedConfig> {
    const next = await this.#load();
    if (next.issues.length > 0 || next.hash === this.#current.hash) return next;
    const before = this.#current;
    this.#current = next;
    for (const listener of this.#listeners) await listener(next, before);
    return next;
  }

  /** Calls `listener` after each change; the returned function ends that. */
  onChange(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
