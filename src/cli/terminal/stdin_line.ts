/**
 * One line from stdin: for secrets, which must not stand in a process list or an environment.
 */

/** Longest line that is read, bytes. */
const MAX_BYTES = 64 * 1024;

/** The first line of stdin, or all of it when it has no line break; empty when there is nothing. */
export async function readStdinLine(): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.includes("\n") && text.length < MAX_BYTES) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return (text.split("\n")[0] as string).trim();
}
