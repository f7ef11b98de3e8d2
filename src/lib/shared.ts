/**
 * One copy of equal texts and lists. A thousand connections that send the same names and command lists would keep a thousand
 * copies of them; each connection then costs kilobytes instead of bytes. Bounded: full tables start over.
 */

const MAX_ENTRIES = 2_000;
/** Longer texts are hardly ever equal. */
const MAX_TEXT = 2_048;

const texts = new Map<string, string>();
const lists = new Map<string, readonly string[]>();
const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

function put<T>(table: Map<string, T>, key: string, value: T): T {
  if (table.size >= MAX_ENTRIES) table.clear();
  table.set(key, value);
  return value;
}

/** The kept copy of a text. */
export function sharedText<T extends string | undefined>(text: T): T {
  if (text === undefined || text.length > MAX_TEXT) return text;
  return (texts.get(text) ?? put(texts, text, text)) as T;
}

/** The kept copy of a list; frozen, because many hold it. */
export function sharedList(list: readonly string[]): readonly string[] {
  const key = JSON.stringify(list);
  const kept = lists.get(key);
  if (kept) return kept;
  return put(lists, key, Object.freeze(list.map((text) => sharedText(text))));
}

/** The members of a list of {@linkcode sharedList} as a set, made once per list. */
export function sharedSet(list: readonly string[]): ReadonlySet<string> {
  const kept = sets.get(list);
  if (kept) return kept;
  const set = new Set(list);
  sets.set(list, set);
  return set;
}
