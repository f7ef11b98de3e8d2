/**
 * Command surfaces as values: comparing, growing, cutting down, hashing. Pure but for the hash. What is approved when is
 * `pairing/pairing.ts`. Source: gateway-protocol.md 9.1; decision 3.
 */
import { sharedList } from "../../lib/shared.ts";
import { sha256Hex } from "../../lib/bytes.ts";
import type { ApprovedSurface, Surface } from "../../store/device_record.ts";

/** The declared surface against the approved one. */
export interface SurfaceVerdict {
  readonly effective: Surface;
  /** The node declares more than is approved: a request for the full declared set is due (I08). */
  readonly grows: boolean;
}

/** A surface without repeated entries. */
export function tidySurface(surface: Surface): Surface {
  const permissions = surface.permissions;
  return {
    caps: sharedList([...new Set(surface.caps)]),
    commands: sharedList([...new Set(surface.commands)]),
    ...(permissions === undefined || Object.keys(permissions).length === 0 ? {} : { permissions }),
  };
}

/** What may be used now, and whether a request is due. Never approved: nothing may be used (I09). */
export function compareSurface(
  declared: Surface,
  approved: ApprovedSurface | undefined,
): SurfaceVerdict {
  if (approved === undefined) return { effective: NOTHING, grows: true };
  const caps = declared.caps.filter((cap) => approved.caps.includes(cap));
  const commands = declared.commands.filter((command) => approved.commands.includes(command));
  const wanted = Object.entries(declared.permissions ?? {});
  const permissions = wanted.filter(([name, on]) => !on || approved.permissions?.[name] === true);
  const grows = caps.length < declared.caps.length || commands.length < declared.commands.length ||
    permissions.length < wanted.length;
  return {
    effective: {
      caps: sharedList(caps),
      commands: sharedList(commands),
      ...(permissions.length === 0 ? {} : { permissions: Object.fromEntries(permissions) }),
    },
    grows,
  };
}

const NOTHING: Surface = { caps: [], commands: [] };

/** Whether two surfaces ask for the same. */
export function sameSurface(a: Surface | undefined, b: Surface | undefined): boolean {
  return surfaceText(a) === surfaceText(b);
}

/** What differs between two surfaces, for people: `+system.run`, `-browser.proxy`. */
export function surfaceChanges(before: Surface | undefined, after: Surface | undefined): string[] {
  const old = new Set([...(before?.caps ?? []), ...(before?.commands ?? [])]);
  const now = new Set([...(after?.caps ?? []), ...(after?.commands ?? [])]);
  return [
    ...[...now].filter((item) => !old.has(item)).map((item) => `+${item}`),
    ...[...old].filter((item) => !now.has(item)).map((item) => `-${item}`),
  ];
}

/** Names exactly this device and surface in `device.pair.admit`: 64 hex digits. */
export function surfaceHash(deviceId: string, surface: Surface | undefined): Promise<string> {
  return sha256Hex(`${deviceId}\n${surfaceText(surface)}`);
}

function surfaceText(surface: Surface | undefined): string {
  return JSON.stringify([
    [...(surface?.caps ?? [])].sort(),
    [...(surface?.commands ?? [])].sort(),
    Object.entries(surface?.permissions ?? {}).sort(([a], [b]) => a < b ? -1 : 1),
  ]);
}
