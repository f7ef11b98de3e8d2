/**
 * The command line a person just typed, changed so that it works, to be pasted. Pure. Secrets are never repeated.
 */
import { quoteWord } from "../../approvals/words.ts";

const SECRETS = ["--token", "--password"];
const REPLACED = ["--url", "--tls-fingerprint"];

/** The line with this address and fingerprint; without `url` the address stays where it comes from. */
export function lineOverTls(
  words: readonly string[],
  { url, fingerprint }: { readonly url?: string; readonly fingerprint: string },
): string {
  const end = words.indexOf("--");
  const flags = end < 0 ? words : words.slice(0, end);
  const kept: string[] = [];
  for (let at = 0; at < flags.length; at++) {
    const word = flags[at] as string;
    const name = word.split("=", 1)[0] as string;
    const isSecret = SECRETS.includes(name);
    if (!isSecret && !REPLACED.includes(name)) {
      kept.push(quoteWord(word));
      continue;
    }
    if (isSecret) kept.push(name, `<${name.slice(2)}>`);
    if (!word.includes("=")) at++;
  }
  const added = [...(url === undefined ? [] : ["--url", url]), "--tls-fingerprint", fingerprint];
  const rest = end < 0 ? [] : words.slice(end).map(quoteWord);
  return ["openclaw", ...kept, ...added, ...rest].join(" ");
}
