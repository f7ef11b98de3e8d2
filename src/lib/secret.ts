/**
 * A string that must not be shown. Owns the type; comparing secrets is `equals`, storing them is up to the owner.
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { sha256 } from "./bytes.ts";

/** Holds a credential; renders as `[secret]` in text, JSON and inspection. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Call it only where the credential leaves for its destination. */
  reveal(): string {
    return this.#value;
  }

  /** Constant-time comparison over SHA-256 digests, so that neither content nor length is told by timing. */
  async equals(other: Secret | string): Promise<boolean> {
    const text = typeof other === "string" ? other : other.reveal();
    return timingSafeEqual(await sha256(this.#value), await sha256(text));
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("Deno.customInspect")](): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[secret]";
  }
}

/** Wraps a string unless it is absent or blank after trimming (a blank credential counts as unset). */
export function secretOf(value: string | null | undefined): Secret | undefined {
  const text = value?.trim();
  return text ? new Secret(text) : undefined;
}
