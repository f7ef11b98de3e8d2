/**
 * The functions of kernel32.dll that the runtime does not offer: job objects, and files nobody else may change while
 * they are open. Windows only; everywhere else `openKernel32` says why not, and the callers do without.
 */

// Source: Win32 documentation of jobapi2.h, processthreadsapi.h, fileapi.h, handleapi.h.
const SYMBOLS = {
  CreateJobObjectW: { parameters: ["pointer", "pointer"], result: "pointer" },
  SetInformationJobObject: { parameters: ["pointer", "i32", "buffer", "u32"], result: "i32" },
  QueryInformationJobObject: {
    parameters: ["pointer", "i32", "buffer", "u32", "pointer"],
    result: "i32",
  },
  OpenProcess: { parameters: ["u32", "i32", "u32"], result: "pointer" },
  AssignProcessToJobObject: { parameters: ["pointer", "pointer"], result: "i32" },
  TerminateJobObject: { parameters: ["pointer", "u32"], result: "i32" },
  GetProcessTimes: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  WaitForSingleObject: { parameters: ["pointer", "u32"], result: "u32" },
  CreateFileW: {
    parameters: ["buffer", "u32", "u32", "pointer", "u32", "u32", "pointer"],
    result: "pointer",
  },
  CloseHandle: { parameters: ["pointer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The library, shared by all who have it open. */
export interface Kernel32 {
  readonly symbols: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  /** Call it once; the library is let go of with its last user. */
  close(): void;
}

let library: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;
let users = 0;

/** Opens the library, or says why it cannot be had. Opening takes up to 3 ms: one who needs it often keeps it open. */
export function openKernel32(): Kernel32 | string {
  if (Deno.build.os !== "windows") return `not on ${Deno.build.os}`;
  try {
    library ??= Deno.dlopen("kernel32.dll", SYMBOLS);
  } catch (error) {
    // A sandbox that does not let programs call it.
    return `kernel32.dll cannot be used: ${error instanceof Error ? error.message : error}`;
  }
  users++;
  return { symbols: library.symbols, close: letGo };
}

function letGo(): void {
  if (--users > 0) return;
  library?.close();
  library = undefined;
}

/** Whether a call that gives a handle failed. Source: both NULL and INVALID_HANDLE_VALUE (-1) are in use. */
export function isHandle(handle: Deno.PointerValue): handle is Deno.PointerObject {
  return handle !== null && Deno.UnsafePointer.value(handle) !== 0xffff_ffff_ffff_ffffn;
}

/** A text as Windows takes it: UTF-16 with a zero behind it. @throws {TypeError} For a NUL, which would cut it short unseen. */
export function wideText(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError("NUL character in a path");
  const units = Uint16Array.from({ length: text.length + 1 }, (_, i) => text.charCodeAt(i) || 0);
  return new Uint8Array(units.buffer);
}
