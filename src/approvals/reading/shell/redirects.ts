/**
 * The few redirections a plan may carry: a stream to the other stream, and from or to the null device.
 * Owns their shape and their effect; the shell reader recognises them, the node's executor applies the result.
 */

/** One redirection in source order. `to` is another output stream or the null device. */
export interface Redirect {
  readonly fd: 0 | 1 | 2;
  readonly to: 1 | 2 | "null";
}

/** Where the streams of one command end up. `out` and `err` are the stage's own pipes. */
export interface Stdio {
  readonly stdin: "inherit" | "null";
  readonly stdout: "out" | "err" | "null";
  readonly stderr: "out" | "err" | "null";
}

/** Streams of a command without redirections. */
export const PLAIN_STDIO: Stdio = { stdin: "inherit", stdout: "out", stderr: "err" };

/** Applies redirections left to right, as a shell does: `2>&1 >/dev/null` keeps stderr on the old stdout. */
export function stdioOf(redirects: readonly Redirect[]): Stdio {
  let { stdin, stdout, stderr } = PLAIN_STDIO;
  for (const { fd, to } of redirects) {
    if (fd === 0) stdin = "null";
    else {
      const target = to === "null" ? "null" : to === 1 ? stdout : stderr;
      if (fd === 1) stdout = target;
      else stderr = target;
    }
  }
  return { stdin, stdout, stderr };
}
