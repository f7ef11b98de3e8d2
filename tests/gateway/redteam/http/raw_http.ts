/** Bytes to a port by hand, everything that comes back until the peer closes. */
import { RawPeer, within } from "../../../net/raw.ts";

/** One char per byte, so that a case can hold bytes that are no UTF-8. */
export const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Sends `text` and reads until the gateway closes, or until the answer to a last honest request is there. */
export async function exchange(port: number, text: string): Promise<string> {
  const peer = await RawPeer.open(port);
  try {
    await peer.write(bytesOf(text)).catch(() => {}); // it may be closed while it is still being written to
    return await within(3_000, peer.rest(), `the end of ${JSON.stringify(text.slice(0, 80))}`);
  } finally {
    peer.close();
  }
}

/** Status codes of all answers in a stream. */
export const statuses = (text: string): number[] =>
  [...text.matchAll(/(?:^|\r\n\r\n|[^\r\n])HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]));
