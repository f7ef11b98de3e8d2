/**
 * Names of the numbers the kernel speaks in, as far as starting and ending programs gives them. The same on x86-64 and
 * arm64 Linux.
 */

/** Errors. Source: errno(3). */
const ERRNO: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  5: "EIO",
  7: "E2BIG",
  8: "ENOEXEC",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  26: "ETXTBSY",
  36: "ENAMETOOLONG",
  40: "ELOOP",
  80: "ELIBBAD",
};

/** Signals by number, from 1. Source: signal(7). */
const SIGNALS =
  ("SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE " +
    "SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM " +
    "SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS").split(" ");

/** The error of a system call, with its name as `code`. */
export function systemError(call: string, errno: number): Error & { code: string } {
  const code = ERRNO[errno] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call}: ${code}`), { code });
}

/** How a program ended. Source: wait(2), the macros. */
export function endOfStatus(status: number): { exitCode: number } | { signal: string } {
  const signal = status & 0x7f;
  if (signal === 0) return { exitCode: (status >> 8) & 0xff };
  return { signal: SIGNALS[signal - 1] ?? `SIG${signal}` };
}
