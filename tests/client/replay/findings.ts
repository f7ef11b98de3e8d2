/** What was found to differ, and which of it has no reason in the table. */
import type { Rows, Rules } from "./differences.ts";

/** Something our side does otherwise than the recorded one, or understands otherwise than it was said. */
export interface Difference {
  readonly where: string;
  readonly recorded: string;
  readonly ours: string;
}

/** Collects differences. */
export class Findings {
  readonly all: Difference[] = [];

  differ(where: string, recorded: unknown, ours: unknown): void {
    const text = (value: unknown) =>
      typeof value === "string" ? value : JSON.stringify(value) ?? "absent";
    this.all.push({ where, recorded: text(recorded), ours: text(ours) });
  }

  /** Compares as JSON, whatever the order of keys. */
  same(where: string, recorded: unknown, ours: unknown): void {
    if (JSON.stringify(sorted(recorded)) !== JSON.stringify(sorted(ours))) {
      this.differ(where, recorded, ours);
    }
  }

  /** Compares every value of the recorded side; what ours has besides is not looked at. */
  leaves(where: string, recorded: unknown, ours: unknown): void {
    if (typeof recorded !== "object" || recorded === null) return this.same(where, recorded, ours);
    if (typeof ours !== "object" || ours === null) return this.differ(where, recorded, ours);
    if (Array.isArray(recorded) !== Array.isArray(ours)) return this.differ(where, recorded, ours);
    for (const [key, value] of Object.entries(recorded)) {
      this.leaves(`${where}.${key}`, value, (ours as Record<string, unknown>)[key]);
    }
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => a < b ? -1 : 1).map(([key, entry]) => [key, sorted(entry)]),
  );
}

/** Differences without a reason in `rows` or `rules`, and rows that are not needed any more. */
export function unexplained(
  name: string,
  found: readonly Difference[],
  { rows = {}, rules = [], used }: { rows?: Rows; rules?: Rules; used?: Set<RegExp> },
): { readonly unlisted: Difference[]; readonly stale: string[] } {
  const unlisted = found.filter(({ where }) => {
    const rule = rules.find(([pattern]) => pattern.test(`${name}: ${where}`));
    if (rule) used?.add(rule[0]);
    return !rule && !(where in rows);
  });
  const places = new Set(found.map(({ where }) => where));
  return { unlisted, stale: Object.keys(rows).filter((where) => !places.has(where)) };
}
