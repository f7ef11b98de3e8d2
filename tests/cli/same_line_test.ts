/** The line that is handed back to be pasted. */
import { assertEquals } from "@std/assert";
import { lineOverTls } from "../../src/cli/grammar/same_line.ts";

const fingerprint = "ab".repeat(32);
const url = "wss://10.0.0.5:18789";

for (
  const [what, words, wanted] of [
    [
      "the address is replaced, the fingerprint added",
      ["health", "--url", "ws://10.0.0.5:18789", "--json"],
      `openclaw health --json --url ${url} --tls-fingerprint ${fingerprint}`,
    ],
    [
      "N39: a secret is never repeated",
      ["health", "--url=ws://10.0.0.5:18789", "--token", "hunter2", "--password=hunter3"],
      `openclaw health --token <token> --password <password> --url ${url} --tls-fingerprint ${fingerprint}`,
    ],
    [
      "what stands after -- is the remote command, and is quoted",
      ["nodes", "run", "--node", "build 1", "--", "echo", "--token", "$HOME"],
      `openclaw nodes run --node 'build 1' --url ${url} --tls-fingerprint ${fingerprint} -- echo --token '$HOME'`,
    ],
    [
      "another fingerprint gives way",
      ["status", "--tls-fingerprint", "00"],
      `openclaw status --url ${url} --tls-fingerprint ${fingerprint}`,
    ],
  ] as const
) {
  Deno.test(`lineOverTls(): ${what}`, () =>
    assertEquals(lineOverTls(words, { url, fingerprint }), wanted));
}
