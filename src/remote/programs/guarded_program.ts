/**
 * A program that dies with us, even when we are killed with -9 (decision 23): a small shell holds the reading end of a
 * pipe of ours and ends the program when the pipe closes. The program's arguments are positional parameters; the shell
 * never reads them as text.
 */
import { FORGET_SOCKET } from "./unix_socket.ts";
import { type Program, type ProgramOptions, startProgram } from "../../platform/process/start.ts";

/**
 * `$1` is the socket only this program listens on, or empty; the program with its arguments follows and runs with an empty
 * input; a reader of our pipe waits beside it. Whoever ends first takes the other along: the pipe's end stops the program
 * (TERM, KILL after 1.5 s), the program's end stops the reader.
 */
const GUARD = `
socket=$1
shift
${FORGET_SOCKET}
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
(
  while read -r line <&3; do :; done
  kill -TERM "$child" 2>/dev/null
  exec 1>&- 2>&-
  sleep 1.5
  kill -KILL "$child" 2>/dev/null
) &
guard=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
exec 2>/dev/null
kill -KILL "$guard"
wait "$guard"
forget
exit "$code"
`;

/** What to start. */
export interface GuardedOptions extends Omit<ProgramOptions, "stdin" | "group" | "argv0"> {
  /** A socket with a name nobody else uses, which goes with the program. */
  readonly socket?: string | undefined;
}

/**
 * Starts a program in its own group that ends when this process does. On Windows there is no such shell: the program is
 * started as it is and only an orderly end takes it along.
 */
export async function startGuarded(
  { socket = "", ...options }: GuardedOptions,
  platform: "linux" | "macos" | "windows",
): Promise<Program> {
  if (platform === "windows") return await startProgram({ ...options, group: true });
  return await startProgram({
    ...options,
    file: "/bin/sh",
    args: ["-c", GUARD, "openclaw-guard", socket, options.file, ...options.args ?? []],
    stdin: "pipe",
    group: true,
  });
}
