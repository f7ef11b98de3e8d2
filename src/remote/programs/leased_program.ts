/**
 * A program that several commands use one after the other and at the same time, and that none of them has to stay for:
 * a small shell keeps it and ends it soon after its last user. Every user holds a FIFO open; a user who is done says
 * so before closing it, so the end of one that was killed is told apart: nobody waits for a successor of a crash.
 *
 * ```
 * nobody holds the FIFO ── all said goodbye ──► `idleSeconds` for the next user, then TERM
 *                       └─ one did not ───────► 2 s, then TERM
 * ```
 */
import { utf8 } from "../../lib/bytes.ts";
import { OpenclawError } from "../../lib/errors.ts";
import { quoted, showableWithin } from "../../lib/text.ts";
import { identityOf, type ProcessIdentity } from "../../platform/process/identity.ts";
import { runProgram } from "../../platform/process/start.ts";
import { FORGET_SOCKET } from "./unix_socket.ts";

/**
 * Seconds for somebody to come when nobody is expected: after a crash, and before the first user.
 * Source: F24, no stray ssh after kill -9 of the parent.
 */
const GRACE_SECONDS = 2;

/**
 * `$1` is the socket the program listens on, `$2` the idle time, `$3` the grace; the FIFO and the file for what the program
 * says lie beside the socket. The program with its arguments follows and is never read as text. The shell runs in a process group of its
 * own, so that its last act can take everything along that it started. `<"$lease"` waits until a user opens the FIFO, and the
 * end of `read` is that the last one closed it; a FIFO that somebody removed ends the program, since nobody could come any
 * more. A user's word is one short write, so two of them never mix.
 */
const KEEPER = `
socket=$1 idle=$2 grace=$3
lease=$1.lease said=$1.said
shift 3
umask 077
${FORGET_SOCKET}
mkfifo "$lease" || exit 1
over() {
  forget
  kill -KILL "-$$"
}
(
  "$@" </dev/null >/dev/null 2>"$said" &
  child=$!
  echo "$child"
  exec </dev/null >/dev/null 2>&1
  (
    left=$grace
    while :; do
      (
        trap 'kill "$nap"; exit' TERM
        sleep "$left" & nap=$!
        wait "$nap"
        kill -TERM "$child"
        sleep 1.5
        over
      ) &
      timer=$!
      {
        kill -TERM "$timer"
        users=0
        while read -r word; do
          case $word in
            +) users=$((users + 1)) ;;
            -) users=$((users - 1)) ;;
          esac
        done
        left=$grace
        [ "$users" -ne 0 ] || left=$idle
      } <"$lease" || break
    done
    over
  ) &
  wait "$child"
  over
) &
`;

/** What to start. */
export interface LeasedOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The unix socket the program listens on, in a folder of ours; it goes with the program, and what lies beside it, too. */
  readonly socket: string;
  /** How long it stays for the next user after the last one said goodbye. */
  readonly idleSeconds: number;
}

/** The FIFO that users of the program at a socket hold. */
export function leaseOf(socket: string): string {
  return `${socket}.lease`;
}

/** The file for what the program at a socket says until it is known to work. */
export function saidOf(socket: string): string {
  return `${socket}.said`;
}

/**
 * Starts the program; whoever started it has {@linkcode takeLease}d it within 2 s, and removes {@linkcode saidOf} its socket
 * once nobody reads it. POSIX only.
 */
export async function startLeased(options: LeasedOptions): Promise<ProcessIdentity> {
  const { file, args, env, socket, idleSeconds } = options;
  const facts = [socket, String(idleSeconds), String(GRACE_SECONDS)];
  const started = await runProgram({
    file: "/bin/sh",
    args: ["-c", KEEPER, "openclaw-keeper", ...facts, file, ...args],
    env,
    timeoutMs: 5_000,
  });
  const pid = Number(started.stdout.trim());
  if (started.exitCode === 0 && pid > 1) return identityOf(pid);
  const why = showableWithin(started.stderr.trim(), 200) || `exit code ${started.exitCode}`;
  throw new OpenclawError("PROGRAM_FAILED_TO_START", `Cannot start ${quoted(file)}: ${why}`);
}

/** Somebody's use of a leased program. */
export interface Lease {
  /** Says goodbye. Without it, and when this process is killed, the program ends soon after its last user. */
  close(): void;
}

/** Takes a share in a leased program; `undefined` when it is over. */
export function takeLease(path: string): Lease | undefined {
  try {
    if (!Deno.lstatSync(path).isFifo) return undefined;
    // Reading as well, because opening for writing alone waits for a reader.
    const file = Deno.openSync(path, { read: true, write: true });
    file.writeSync(utf8("+\n"));
    return {
      close() {
        file.writeSync(utf8("-\n"));
        file.close();
      },
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
