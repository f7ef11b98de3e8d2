/**
 * A Windows job object around one program: its descendants belong to it whatever they do, it is ended as a whole, and
 * Windows ends it when the process that holds it dies in any way (F02, F40). What a process group is on POSIX, and more.
 */
import { isHandle, type Kernel32, openKernel32 } from "./kernel32.ts";

// Source: winnt.h, JOBOBJECT_EXTENDED_LIMIT_INFORMATION and JOBOBJECT_BASIC_ACCOUNTING_INFORMATION on 64 bits.
const EXTENDED_LIMITS = { infoClass: 9, size: 144, flagsAt: 16 } as const;
const ACCOUNTING = { infoClass: 1, size: 48, activeAt: 40 } as const;
const KILL_ON_JOB_CLOSE = 0x2000;
const PROCESS_TERMINATE = 0x0001;
const PROCESS_SET_QUOTA = 0x0100;
const SYNCHRONIZE = 0x0010_0000;
const WAIT_TIMEOUT = 0x102;
/** Exit code of a program that was ended from outside, as `taskkill` gives it. */
const ENDED_EXIT_CODE = 1;

/** Limits of a job whose members die with its last handle, as Windows takes them. */
export function killOnCloseLimits(): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(EXTENDED_LIMITS.size));
  view.setUint32(EXTENDED_LIMITS.flagsAt, KILL_ON_JOB_CLOSE, true);
  return new Uint8Array(view.buffer);
}

/** Number of living members in the answer of Windows. */
export function activeIn(accounting: Uint8Array<ArrayBuffer>): number {
  return new DataView(accounting.buffer).getUint32(ACCOUNTING.activeAt, true);
}

/** A running program and everything it started. Close it, or its members live as long as this process. */
export class JobObject {
  readonly #library: Kernel32;
  readonly #job: Deno.PointerObject;
  /** Kept open: while somebody holds a process, Windows gives its number to no other (F31). */
  readonly #process: Deno.PointerObject;

  private constructor(library: Kernel32, job: Deno.PointerObject, process: Deno.PointerObject) {
    this.#library = library;
    this.#job = job;
    this.#process = process;
  }

  /**
   * Puts a program that was just started into a job of its own; text says why it could not be done. What the program
   * starts before this returns would stay outside: call it in the same turn as the start.
   */
  static around(pid: number): JobObject | string {
    const library = openKernel32();
    if (typeof library === "string") return library;
    const api = library.symbols;
    const process = api.OpenProcess(PROCESS_TERMINATE | PROCESS_SET_QUOTA | SYNCHRONIZE, 0, pid);
    const job = api.CreateJobObjectW(null, null);
    const refused = (why: string) => {
      for (const handle of [job, process]) if (isHandle(handle)) api.CloseHandle(handle);
      library.close();
      return why;
    };
    if (!isHandle(process)) return refused("the program cannot be opened (OpenProcess failed)");
    if (!isHandle(job)) return refused("no job object can be made (CreateJobObjectW failed)");
    const limits = killOnCloseLimits();
    const { infoClass } = EXTENDED_LIMITS;
    if (
      api.SetInformationJobObject(job, infoClass, limits, limits.length) !== 0 &&
      api.AssignProcessToJobObject(job, process) !== 0
    ) return new JobObject(library, job, process);
    const over = api.WaitForSingleObject(process, 0) !== WAIT_TIMEOUT;
    return refused(
      over
        ? "the program is already over"
        : "the program cannot be put into a job (AssignProcessToJobObject failed)",
    );
  }

  /** Members that still run. */
  get active(): number {
    const answer = new Uint8Array(ACCOUNTING.size);
    const { infoClass, size } = ACCOUNTING;
    const told = this.#library.symbols.QueryInformationJobObject(
      this.#job,
      infoClass,
      answer,
      size,
      null,
    );
    return told === 0 ? 0 : activeIn(answer);
  }

  /** Ends all members at once; `false` when nothing was left to end. */
  terminate(): boolean {
    if (this.active === 0) return false;
    return this.#library.symbols.TerminateJobObject(this.#job, ENDED_EXIT_CODE) !== 0;
  }

  /** Lets go of the job, which ends what is left in it. */
  close(): void {
    this.#library.symbols.CloseHandle(this.#job);
    this.#library.symbols.CloseHandle(this.#process);
    this.#library.close();
  }
}
