/** The recorded exchanges between real gateways and real clients, as the tests of our client read them. */
import { fromFileUrl } from "@std/path";
import { type Line, parseRecording } from "../../support/replay.ts";

/** One recorded exchange: a command line, a node host or a scripted client, over one or more connections. */
export interface Recording {
  /** `v3-…` or `v4-…`: the gateway's version and what was done. */
  readonly name: string;
  readonly lines: readonly Line[];
}

/** A synthetic device key of the recordings; public, for tests only. */
export interface KeyRow {
  readonly name: string;
  readonly seed: string;
  readonly deviceId: string;
  readonly publicKey: string;
}

const WIRE = new URL("../../wire/", import.meta.url);
const textOf = (name: string) => Deno.readTextFileSync(fromFileUrl(new URL(name, WIRE)));

/** Keys of the recorded devices. */
export const KEYS: readonly KeyRow[] = JSON.parse(textOf("keys.json"));

/** All recordings by name. HTTP-only ones have no client of ours and are left out. */
export const RECORDINGS: ReadonlyMap<string, Recording> = new Map(
  [...ownFiles(), ...bundles()].sort((a, b) => a.name < b.name ? -1 : 1).map((r) => [r.name, r]),
);

/** Files of one exchange; each handshake of `…-handshake` is an exchange of its own. */
function ownFiles(): Recording[] {
  return [...Deno.readDirSync(WIRE)].flatMap(({ name: file }) => {
    const name = /^(v[34]-.*)\.jsonl$/.exec(file)?.[1];
    if (name === undefined || name.endsWith("-http-endpoints")) return [];
    const lines = parseRecording(textOf(file));
    if (!name.endsWith("-handshake")) return [{ name, lines }];
    const byConn = Map.groupBy(lines, (line) => line.conn);
    return [...byConn].map(([conn, own]) => ({
      name: `${name.slice(0, 3)}hs-${conn}`,
      lines: own,
    }));
  });
}

/** Files of many exchanges: every line says to which one it belongs. */
function bundles(): Recording[] {
  return ["v3", "v4"].flatMap((version) => {
    const lines = parseRecording(textOf(`client/${version}.jsonl`)) as (Line & { rec: string })[];
    return [...Map.groupBy(lines, (line) => line.rec)].map(([name, own]) => ({ name, lines: own }));
  });
}

/** The lines of every connection, in the order in which the connections were opened. */
export function connectionsOf({ lines }: Recording): Map<string, Line[]> {
  return Map.groupBy(lines.filter(({ dir }) => dir !== "http" && dir !== "note"), (l) => l.conn);
}
