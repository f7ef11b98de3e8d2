/**
 * Holds the descendants of this process together (Linux): orphans become its own children instead of init's, and
 * descriptors it inherited are not passed on. Without the system's help (other systems, a sandbox) nothing is lost but
 * the finding of processes that left their group.
 */
import { O_CLOEXEC, openCLibrary } from "./c_library.ts";
import { openKernel32 } from "../windows/kernel32.ts";

// Source: prctl(2), fcntl(2), wait(2).
const PR_SET_CHILD_SUBREAPER = 36;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const WNOHANG = 1;

/** What {@linkcode guardDescendants} gives. */
export interface DescendantGuard {
  /** Orphans are adopted by this process. */
  readonly adopts: boolean;
  /** Takes the exit status of an adopted process that has ended, so that it does not stay a zombie. */
  reap(pid: number): void;
}

/** Descriptors above 2 that this process would pass on: those it got from its own parent. */
function inheritedDescriptors(): number[] {
  const found: number[] = [];
  for (const entry of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(entry.name);
    if (fd <= 2) continue;
    try {
      const flags = /flags:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`))?.[1];
      if (flags !== undefined && (parseInt(flags, 8) & O_CLOEXEC) === 0) found.push(fd);
    } catch {
      // The descriptor of the listing itself: closed by now.
    }
  }
  return found;
}

/** Call once at the start of a process that starts programs for others; it keeps the C library open. */
export function guardDescendants(): DescendantGuard {
  // Every program gets a job object there, whose library is opened once this way.
  if (Deno.build.os === "windows") openKernel32();
  const library = openCLibrary();
  if (typeof library === "string") return { adopts: false, reap: () => {} };
  const { symbols } = library;
  for (const fd of inheritedDescriptors()) symbols.fcntl(fd, F_SETFD, FD_CLOEXEC);
  const adopts = symbols.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0;
  return { adopts, reap: (pid) => void symbols.waitpid(pid, null, WNOHANG) };
}
