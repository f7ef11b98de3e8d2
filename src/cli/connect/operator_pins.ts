/**
 * The certificates this command line accepts for a pinned gateway: the configured one, or what the gateway itself
 * announced in its place over a connection that was pinned (F22). The configuration stays as its owner wrote it; a new
 * pin there begins anew. A pin given by flag means exactly that one and never ends up here.
 */
import { join } from "@std/path";
import type { Target } from "../../config/credentials/target.ts";
import type { StatePaths } from "../../config/paths.ts";
import { type Fingerprint, parseFingerprint } from "../../identity/fingerprint.ts";
import { check, type Infer, obj, oneOf, opt, record, str } from "../../lib/schema.ts";
import { readOwned, withFileLock, writeAtomic } from "../../platform/files.ts";
import { jsonValue } from "../../lib/objects.ts";

const MAX_BYTES = 64 * 1024;
/** Gateways that are remembered; the longest unused ones go first. */
const MAX_GATEWAYS = 64;

const schema = obj({
  version: oneOf(1),
  /** By configured pin. */
  gateways: record(obj({ current: str(), next: opt(str()) })),
});
type Book = Infer<typeof schema>;

/** Whether announcements of this target's gateway are kept: its pin is the configured one, and so is the address. */
export function followsPins({ pinSource, storedTokens }: Target): boolean {
  return pinSource === "gateway.remote.tlsFingerprint" && storedTokens;
}

/** What a gateway says with `gateway.cert`. */
export interface AnnouncedPins {
  readonly current: Fingerprint | undefined;
  readonly next: Fingerprint | undefined;
}

const fileOf = (paths: Pick<StatePaths, "identityDir">) =>
  join(paths.identityDir, "operator-pins.json");

/** The accepted certificates in place of `pin`, the one in force first. */
export async function acceptedPins(
  paths: Pick<StatePaths, "identityDir">,
  pin: Fingerprint,
): Promise<Fingerprint[]> {
  const { gateways } = await readBook(fileOf(paths));
  return pinsIn(gateways, pin);
}

/**
 * Keeps what a gateway announced; nothing is written when nothing changed. A certificate that was not accepted before
 * cannot make itself the one in force: its holder could be anybody.
 */
export async function learnPins(
  paths: Pick<StatePaths, "identityDir">,
  pin: Fingerprint,
  { current, next }: AnnouncedPins,
): Promise<void> {
  const path = fileOf(paths);
  const changed = (book: Book) => {
    const accepted = pinsIn(book.gateways, pin);
    const kept = current !== undefined && accepted.includes(current) ? current : accepted[0] ?? pin;
    const entry = { current: kept, ...(next === undefined || next === kept ? {} : { next }) };
    const before = book.gateways[pin] ?? { current: pin };
    return JSON.stringify(before) === JSON.stringify(entry) ? undefined : entry;
  };
  if (!changed(await readBook(path))) return;
  await withFileLock(`${path}.lock`, async () => {
    const book = await readBook(path);
    const entry = changed(book);
    if (!entry) return;
    const { [pin]: _old, ...others } = book.gateways;
    const all = [...Object.entries(others), [pin, entry] as const].slice(-MAX_GATEWAYS);
    const after = { version: 1, gateways: Object.fromEntries(all) };
    await writeAtomic(path, JSON.stringify(after, null, 2) + "\n");
  });
}

/** Reads the payload of a `gateway.cert` event; anything else says nothing. */
export function announcedPins(payload: unknown): AnnouncedPins {
  const { current, next } = Object(payload) as Record<string, unknown>;
  const pinOf = (value: unknown) => typeof value === "string" ? parseFingerprint(value) : undefined;
  return { current: pinOf(current), next: pinOf(next) };
}

function pinsIn(gateways: Book["gateways"], pin: Fingerprint): Fingerprint[] {
  const entry = Object.hasOwn(gateways, pin) ? gateways[pin] : undefined;
  const found = [entry?.current, entry?.next].flatMap((text) => parseFingerprint(text ?? "") ?? []);
  return found.length > 0 ? found : [pin];
}

/** A book that cannot be read holds nothing: then only the configured pin counts. */
async function readBook(path: string): Promise<Book> {
  const file = await readOwned(path, { maxBytes: MAX_BYTES });
  const empty: Book = { version: 1, gateways: {} };
  if (!file) return empty;
  const checked = check(schema, jsonValue(file.bytes));
  return checked.ok ? checked.value : empty;
}
