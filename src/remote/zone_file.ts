/**
 * The zone files of a wide-area domain in the state directory: written while the gateway runs and emptied when it stops,
 * so that whoever serves the domain does not name a gateway that is gone. One left by a crash is emptied or replaced by
 * the next start. Serving the domain is somebody else's job. Source: remote-access.md 5.
 */
import { join } from "@std/path";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import type { DnsName } from "../net/discovery/dns_message.ts";
import type { AnnounceFacts } from "../net/discovery/records.ts";
import { parseDomain } from "../net/discovery/wide_area.ts";
import { namesGateway, renderZone, serialAfter } from "../net/discovery/zone.ts";
import { ensureDir, readOwned, writeAtomic } from "../platform/files.ts";
import { isTailnetAddress } from "./tailscale.ts";

const MAX_ZONE_BYTES = 256 * 1024;

/** Where zone files lie and which one is wanted. */
export interface WideArea {
  readonly dir: string;
  /** Unicast domain to write a zone file for; `undefined` = none is wanted. */
  readonly domain: string | undefined;
}

/** Publishes what is wanted; the returned function takes it back and never throws. */
export async function publishZone(
  wanted: WideArea,
  gateway: AnnounceFacts,
  log: Logger,
): Promise<() => Promise<void>> {
  const domain = wanted.domain === undefined ? undefined : parseDomain(wanted.domain);
  if (wanted.domain !== undefined && (!domain || gateway.addresses.length === 0)) {
    const reason = domain ? "the gateway listens on loopback only" : "that is no unicast domain";
    log.warn("no zone file written", { domain: wanted.domain, reason });
  }
  const own = domain && gateway.addresses.length > 0 ? domain : undefined;
  const file = own && fileOf(wanted.dir, own);
  try {
    await emptyOthers(wanted.dir, file);
    if (own && file) {
      await ensureDir(wanted.dir);
      await writeZone(file, own, reachable(gateway));
      log.info("zone file written", { file });
    }
  } catch (error) {
    log.warn("no zone file written", { dir: wanted.dir, reason: messageOf(error) });
  }
  return async () => {
    try {
      await emptyOthers(wanted.dir, undefined);
    } catch (error) {
      log.warn("zone file not emptied", { dir: wanted.dir, reason: messageOf(error) });
    }
  };
}

function fileOf(dir: string, domain: DnsName): string {
  return join(dir, `${domain.join(".")}.db`);
}

/** Addresses of a local network mean nothing to somebody who asks from elsewhere. */
function reachable(gateway: AnnounceFacts): AnnounceFacts {
  const tailnet = gateway.addresses.filter(isTailnetAddress);
  return tailnet.length > 0 ? { ...gateway, addresses: tailnet } : gateway;
}

async function zoneText(file: string): Promise<string> {
  const found = await readOwned(file, { maxBytes: MAX_ZONE_BYTES });
  return new TextDecoder().decode(found?.bytes);
}

async function writeZone(
  file: string,
  domain: DnsName,
  gateway: AnnounceFacts | undefined,
): Promise<void> {
  const serial = serialAfter(await zoneText(file), Math.floor(Date.now() / 1000));
  await writeAtomic(file, renderZone(domain, gateway, serial));
}

/** Empties every zone file of ours that names a gateway, except one. */
async function emptyOthers(dir: string, except: string | undefined): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(dir)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
  for (const { name } of entries) {
    const domain = name.endsWith(".db") ? parseDomain(name.slice(0, -3)) : undefined;
    if (!domain) continue;
    const file = fileOf(dir, domain);
    if (file !== except && namesGateway(await zoneText(file))) {
      await writeZone(file, domain, undefined);
    }
  }
}
