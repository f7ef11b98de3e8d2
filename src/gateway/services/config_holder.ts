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
  #onRestart: (next: LoadedConfig) => void | Promise<void> = () => {};
  /** The reload under way: two edits in a row take force one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(initial: LoadedConfig, load: () => Promise<LoadedConfig>) {
    this.#current = initial;
    this.#load = load;
  }

  /** The configuration in force. */
  get current(): LoadedConfig {
    return this.#current;
  }

  /**
   * Reads the file again; a file with issues is returned but does not take force, nor does any with
   * `gateway.reload.mode` `off` or `restart`.
   */
  reload(): Promise<LoadedConfig> {
    return this.between(() => this.#reload());
  }

  /** Runs `work` between two reloads, never during one. */
  between<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {/* told to whoever asked */});
    return turn;
  }

  async #reload(): Promise<LoadedConfig> {
    const next = await this.#load();
    if (next.issues.length > 0 || next.hash === this.#current.hash) return next;
    const { mode } = this.#current.config.gateway.reload;
    if (mode === "restart") await this.#onRestart(next);
    if (mode === "restart" || mode === "off") return next;
    const before = this.#current;
    this.#current = next;
    for (const listener of this.#listeners) await listener(next, before);
    return next;
  }

  /** In mode `restart` a changed file goes to `listener` and takes force with the next start. */
  set onRestart(listener: (next: LoadedConfig) => void | Promise<void>) {
    this.#onRestart = listener;
  }

  /** Calls `listener` after each change; the returned function ends that. */
  onChange(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
