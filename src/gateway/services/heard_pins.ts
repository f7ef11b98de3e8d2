/**
 * Which nodes have kept the next certificate's pin, on disk beside it: what was acknowledged outlives a restart, so that
 * a renewal that takes days still needs no visit (F22).
 */
import { dirname, join } from "@std/path";
import type { TlsPlace } from "../../identity/tls_succession.ts";
import { check, list, obj, str } from "../../lib/schema.ts";
import { readOwned, writeAtomic } from "../../platform/files.ts";
import { jsonValue } from "../../lib/objects.ts";

const MAX_BYTES = 4 * 1024 * 1024;
const schema = obj({ fingerprint: str(), nodes: list(str()) });

/** Of one gateway. */
export class HeardPins {
  readonly #path: string;
  #fingerprint = "";
  #nodes = new Set<string>();
  #writing: Promise<void> = Promise.resolve();

  constructor({ keyPath }: TlsPlace) {
    this.#path = join(dirname(keyPath), "gateway-next-heard.json");
  }

  /** Reads who knows this certificate; what was kept of another one counts for nothing. */
  async load(fingerprint: string): Promise<void> {
    this.#fingerprint = fingerprint;
    this.#nodes = new Set(await this.#read());
  }

  async #read(): Promise<readonly string[]> {
    const file = await readOwned(this.#path, { maxBytes: MAX_BYTES });
    if (!file) return [];
    const found = check(schema, jsonValue(file.bytes));
    // What cannot be read is asked again: every node says it anew when it connects.
    return found.ok && found.value.fingerprint === this.#fingerprint ? found.value.nodes : [];
  }

  /** Whether this node has kept it. */
  has(nodeId: string): boolean {
    return this.#nodes.has(nodeId);
  }

  /** Durable when it resolves. */
  add(nodeId: string): Promise<void> {
    if (this.#nodes.has(nodeId)) return this.#writing;
    this.#nodes.add(nodeId);
    const content = () =>
      JSON.stringify({ fingerprint: this.#fingerprint, nodes: [...this.#nodes] }) + "\n";
    const write = this.#writing.then(() => writeAtomic(this.#path, content()));
    this.#writing = write.catch(() => {/* told to whoever asked */});
    return write;
  }

  /** Forgets; the next certificate is in force. */
  async clear(): Promise<void> {
    this.#nodes.clear();
    await this.#writing;
    await Deno.remove(this.#path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}
