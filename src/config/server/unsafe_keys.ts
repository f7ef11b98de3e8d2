/**
 * Configured keys that widen who may try to get in, or do not do what they look like. Said at every start, by `status --deep`
 * and by `doctor`, so that none of them works, or does nothing, in silence. Pure.
 */
import { parseIpRange } from "../../lib/ip.ts";
import { quoted } from "../../lib/text.ts";
import type { Config } from "../schema/schema.ts";

/** One line per key that is set; without secrets. */
export function unsafeKeyNotes({ gateway }: Config): string[] {
  const { controlUi, trustedProxies } = gateway;
  const notes: string[] = [];
  if (controlUi.dangerouslyDisableDeviceAuth) {
    notes.push(
      "gateway.controlUi.dangerouslyDisableDeviceAuth has no effect: a page is let in by its own key or not at all; " +
        "remove it: openclaw config unset gateway.controlUi.dangerouslyDisableDeviceAuth",
    );
  }
  if (controlUi.dangerouslyAllowHostHeaderOriginFallback) {
    notes.push(
      "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback is on: pages under every name that leads here " +
        "may try to get in, also rebound ones",
    );
  }
  if (controlUi.allowedOrigins.includes("*")) {
    notes.push('gateway.controlUi.allowedOrigins has "*": pages of every site may try to get in');
  }
  const unread = trustedProxies.filter((range) => parseIpRange(range) === undefined);
  if (unread.length > 0) {
    notes.push(
      `gateway.trustedProxies: ${
        unread.map(quoted).join(", ")
      } is no address and no range; it matches nobody`,
    );
  }
  if (trustedProxies.some((range) => parseIpRange(range)?.prefixBits === 0)) {
    notes.push("gateway.trustedProxies holds every address: everybody may say who he is");
  }
  return notes;
}
