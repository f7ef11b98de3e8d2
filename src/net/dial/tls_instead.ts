/**
 * After plaintext was refused: the way over TLS, when that host offers one (decision 33). The fingerprint is what anybody
 * on the way could show, so it is never used, only named beside the command that prints the right one.
 */
import type { Fingerprint } from "../../identity/fingerprint.ts";
import { parseEndpoint, renderEndpoint } from "../endpoint.ts";
import { observeFingerprint } from "./dial.ts";

/**
 * A hint with the command that `render` makes of the TLS address and the observed fingerprint; `undefined` when the host
 * shows no certificate within 3 s. Sends nothing but a TLS hello.
 */
export async function tlsInstead(
  url: string,
  render: (secureUrl: string, fingerprint: Fingerprint) => string,
): Promise<string | undefined> {
  const fingerprint = await observeFingerprint({ url });
  if (fingerprint === undefined) return undefined;
  const secureUrl = renderEndpoint({ ...parseEndpoint(url), secure: true });
  return `${render(secureUrl, fingerprint)} (if "openclaw gateway fingerprint" on the gateway's ` +
    "machine prints that fingerprint)";
}
