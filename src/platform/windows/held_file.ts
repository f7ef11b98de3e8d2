/**
 * Files and folders of Windows held in place: while one is held nobody can change, rename, replace or delete it, so that
 * what was checked is what runs (A07, A09). What an open descriptor is on Linux.
 */
import { isHandle, openKernel32, wideText } from "./kernel32.ts";

// Source: Win32 documentation of CreateFileW.
const GENERIC_READ = 0x8000_0000;
const FILE_LIST_DIRECTORY = 0x0001;
const SHARE_READ = 1;
const SHARE_WRITE = 2;
const OPEN_EXISTING = 3;
const BACKUP_SEMANTICS = 0x0200_0000;

/** Something held; close it when its program has ended. */
export interface Held {
  close(): void;
}

/** Holds the file (or folder) at a real path; `undefined` when it cannot be held, for instance while somebody writes it. */
export function hold(realPath: string, kind: "file" | "folder"): Held | undefined {
  const library = openKernel32();
  if (typeof library === "string") return undefined;
  const { symbols } = library;
  const folder = kind === "folder";
  const handle = symbols.CreateFileW(
    // This form has no length limit and reads nothing into the name.
    wideText(realPath.startsWith("\\\\") ? realPath : `\\\\?\\${realPath}`),
    folder ? FILE_LIST_DIRECTORY : GENERIC_READ,
    // Files may be made inside a held folder; the folder itself stays.
    folder ? SHARE_READ | SHARE_WRITE : SHARE_READ,
    null,
    OPEN_EXISTING,
    folder ? BACKUP_SEMANTICS : 0,
    null,
  );
  if (!isHandle(handle)) {
    library.close();
    return undefined;
  }
  return {
    close: () => {
      symbols.CloseHandle(handle);
      library.close();
    },
  };
}
