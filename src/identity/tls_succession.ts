/**
 * The gateway's next certificate: made beside the one in force, told to nodes, then put in its place. A crash between
 * the two files is finished at the next start, so that no pin is ever lost. Source: config-and-credentials.md 7.
 */
import { dirname, join } from "@std/path";
import type { Clock } from "../lib/clock.ts";
import { OpenclawError } from "../lib/errors.ts";
import { lstatOrMissing } from "../platform/file_safety.ts";
import { writeAtomic } from "../platform/files.ts";
import { loadOrCreateTls, type TlsFiles, type TlsFilesOptions } from "./tls_files.ts";

/** Where the pair in force is. */
export interface TlsPlace {
  readonly certPath: string;
  readonly keyPath: string;
  readonly clock?: Clock;
}

/** Stands while the next pair is being put in place. */
const SWITCHING = ".switching";

const nextPlace = ({ certPath, keyPath }: TlsPlace) => ({
  certPath: join(dirname(certPath), "gateway-next-cert.pem"),
  keyPath: join(dirname(keyPath), "gateway-next-key.pem"),
});
const markerOf = ({ keyPath }: TlsPlace) => join(dirname(keyPath), SWITCHING);

/** The pair that will follow; `undefined` when none was made. */
export async function loadNextTls(place: TlsPlace): Promise<TlsFiles | undefined> {
  const next = nextPlace(place);
  if (await lstatOrMissing(next.certPath) === undefined) return undefined;
  return await loadOrCreateTls({ ...place, ...next, autoGenerate: false });
}

/** Makes the pair that will follow, or returns the one made before. */
export function makeNextTls(place: TlsPlace): Promise<TlsFiles> {
  return loadOrCreateTls({ ...place, ...nextPlace(place) });
}

/** Puts the next pair in force on disk. @throws {OpenclawError} `CERTIFICATE_MISSING` when none was made. */
export async function switchTls(place: TlsPlace): Promise<TlsFiles> {
  const next = await loadNextTls(place);
  if (!next) throw new OpenclawError("CERTIFICATE_MISSING", "There is no next certificate");
  await writeAtomic(markerOf(place), "");
  await writeAtomic(place.keyPath, next.keyPem);
  await writeAtomic(place.certPath, next.certPem);
  await endSwitch(place);
  return next;
}

/** The certificate first: without it there is no next pair, whatever a crash leaves. The marker last. */
async function endSwitch(place: TlsPlace): Promise<void> {
  const { certPath, keyPath } = nextPlace(place);
  for (const path of [certPath, keyPath, markerOf(place)]) {
    await Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** The pair in force, made when there is none; a switch that a crash cut short is finished first. */
export async function loadTlsInForce(options: TlsFilesOptions): Promise<TlsFiles> {
  await finishSwitch(options);
  return await loadOrCreateTls(options);
}

async function finishSwitch(place: TlsPlace): Promise<void> {
  if (await lstatOrMissing(markerOf(place)) === undefined) return;
  if (await lstatOrMissing(nextPlace(place).certPath)) await switchTls(place);
  else await endSwitch(place);
}
