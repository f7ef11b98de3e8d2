/**
 * Words of ssh, scp and sftp that make them start a program or load code. Settings given with `-o` are refused but for a few
 * everyday ones with plain values.
 */

/** Options of ssh that take the next word; they may stand before and after the host, up to the remote command. */
const SSH_VALUED = /^-[46AaCfGgKkMNnqsTtVvXxYy]*[BbcDEeFIiJLlmOoPpQRSWw]$/;
const SSH_CODE = /^-[46AaCfGgKkMNnqsTtVvXxYy]*[oFSIE]/;
const COPY_CODE = /^-[a-zA-Z0-9]*[oFSD]/;

const SETTING =
  "(?:StrictHostKeyChecking|BatchMode|ConnectTimeout|ConnectionAttempts|ServerAlive(?:Interval|CountMax)|LogLevel|Port|User|" +
  "Identit(?:iesOnly|yFile)|PreferredAuthentications|P(?:assword|ubkey)Authentication|Compression|UserKnownHostsFile|RequestTTY|" +
  "TCPKeepAlive|AddressFamily|NumberOfPasswordPrompts)=[\\w.,:/~+-]+";
const PLAIN_SETTING = new RegExp(`^${SETTING}$`, "i");

/** `ssh` as a remote shell of another program, with nothing but a port, a key, a user and everyday settings. */
export const PLAIN_SSH = new RegExp(
  `^ssh(?: -p ?\\d+| -[46Cqv]+| -i [\\w./~-]+| -l [\\w.-]+| -o ?${SETTING})*$`,
  "i",
);

/** Whether the word at `at` is `-o` with a setting that starts nothing, alone in its cluster. */
function isPlainSetting(argv: readonly string[], at: number): boolean {
  const attached = /^-o(.*)$/s.exec(argv[at] ?? "")?.[1];
  return attached !== undefined && PLAIN_SETTING.test(attached || (argv[at + 1] ?? ""));
}

/** The part of an ssh argv that can start a program here; `undefined` when there is none. */
export function sshCode(argv: readonly string[]): string | undefined {
  for (let i = 1, operands = 0; i < argv.length && operands < 2; i++) {
    const word = argv[i] ?? "";
    if (!word.startsWith("-")) operands++;
    else if (SSH_CODE.test(word) && !isPlainSetting(argv, i)) {
      return `${word} ${argv[i + 1] ?? ""}`.trim();
    } else if (SSH_VALUED.test(word)) i++;
  }
  return undefined;
}

/** The same for scp and sftp. */
export function copyCode(argv: readonly string[]): string | undefined {
  return argv.find((word, i) => i > 0 && COPY_CODE.test(word) && !isPlainSetting(argv, i));
}
