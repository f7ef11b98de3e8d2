/**
 * Tells whoever publishes the facts of a running gateway (its record, its announcement) that they changed.
 */

/** Made by {@linkcode factChanges}. */
export interface FactChanges {
  tell(): void;
  /** Calls `listener` after each change; the returned function ends that. */
  on(listener: () => void): () => void;
}

/** One for each gateway. */
export function factChanges(): FactChanges {
  const listeners = new Set<() => void>();
  return {
    tell: () => listeners.forEach((listener) => listener()),
    on(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
