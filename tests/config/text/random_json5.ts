/** Random but repeatable JSON5 texts with comments, every kind of quote and trailing commas. */

/** A small repeatable generator (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One text. The same seed gives the same text. */
export function randomJson5(seed: number): string {
  const random = randomSource(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const blank = () => pick(["", " ", "\n", "  ", " // note\n", " /* a,b:{} */ ", "\r\n\t"]);
  const scalar = () =>
    pick([
      "1",
      "-2.5",
      "0x10",
      "+.5",
      "1e3",
      "true",
      "false",
      "null",
      "'it\\'s'",
      '"a\\"b"',
      "''",
      '"é\\u0041"',
    ]);
  const key = (i: number) => pick([`k${i}`, `"k ${i}"`, `'k.${i}'`, `$k${i}`]);
  const value = (depth: number): string => {
    const kind = depth > 3 ? 0 : random();
    if (kind < 0.5) return scalar();
    const count = Math.floor(random() * 4);
    const comma = count > 0 && random() < 0.4 ? "," : "";
    const items = Array.from(
      { length: count },
      (_, i) =>
        blank() + (kind < 0.8 ? `${key(i)}${blank()}:${blank()}` : "") + value(depth + 1) + blank(),
    );
    return kind < 0.8
      ? `{${items.join(",")}${comma}${blank()}}`
      : `[${items.join(",")}${comma}${blank()}]`;
  };
  const count = 1 + Math.floor(random() * 5);
  const members = Array.from(
    { length: count },
    (_, i) => `${blank()}${key(i)}: ${value(1)}${blank()}`,
  );
  return `${blank()}{${members.join(",")}${random() < 0.5 ? "," : ""}${blank()}}${blank()}`;
}
