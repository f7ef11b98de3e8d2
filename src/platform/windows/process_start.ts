/**
 * When a process of Windows started: with its number it tells a process from a later one that got the same number (F31).
 */
import { isHandle, openKernel32 } from "./kernel32.ts";

// Source: Win32 documentation of OpenProcess, GetProcessTimes and WaitForSingleObject.
const QUERY_LIMITED_INFORMATION = 0x1000;
const SYNCHRONIZE = 0x0010_0000;
const WAIT_TIMEOUT = 0x102;

/** Start of a running process in milliseconds since 1601, or `undefined` when it has ended or may not be looked at. */
export function processStart(pid: number): number | undefined {
  const library = openKernel32();
  if (typeof library === "string") return undefined;
  const api = library.symbols;
  const process = api.OpenProcess(QUERY_LIMITED_INFORMATION | SYNCHRONIZE, 0, pid);
  try {
    // A process that has ended can be opened as long as somebody holds it.
    if (!isHandle(process) || api.WaitForSingleObject(process, 0) !== WAIT_TIMEOUT) {
      return undefined;
    }
    const times = Array.from({ length: 4 }, () => new BigUint64Array(1));
    const [created, exited, kernel, user] = times.map((one) => new Uint8Array(one.buffer));
    if (api.GetProcessTimes(process, created!, exited!, kernel!, user!) === 0) return undefined;
    return Number(times[0]![0]! / 10_000n);
  } finally {
    if (isHandle(process)) api.CloseHandle(process);
    library.close();
  }
}
