/**
 * What the node host tells this folder about its machine. Owns the shape of those facts and the refusal value;
 * reading the real file system belongs to the node. Everything here is data, so every judgement can be tested.
 */

/** Operating systems whose rules differ. Same names as on the wire. */
export type ExecPlatform = "linux" | "macos" | "windows";

/** One path as the file system shows it now. */
export interface FileFact {
  /** What it is after following links. */
  readonly kind: "file" | "directory" | "other";
  /** Whether this process may execute it. */
  readonly executable: boolean;
  /** Real path of the parent directory, links resolved. */
  readonly parentReal: string;
  /** Whether the path itself is a symbolic link. */
  readonly isLink: boolean;
  /** Whether a component of the path is a link inside a directory that this user or others may write (A09). */
  readonly linkInWritableParent: boolean;
  /** Whether this user or others may replace or write a file; then an approval binds its content. */
  readonly mutable?: boolean;
  /** Real path of the file itself; without it the path is taken as real. */
  readonly real?: string;
  /** Device and inode as text, to notice a directory that was exchanged. */
  readonly identity?: string;
}

/** Facts about the machine, handed in by the node host. */
export interface ExecFacts {
  readonly platform: ExecPlatform;
  /** The node's own working directory, absolute. */
  readonly cwd: string;
  /** Home directory as named by the environment, and its real path. */
  readonly home: string;
  readonly homeReal: string;
  /** Directories of the PATH that children get, in order. */
  readonly pathDirs: readonly string[];
  /** Windows: extensions tried after a bare name, for instance `.EXE`. */
  readonly pathExt?: readonly string[];
  /** State of a path; `undefined` when nothing is there. */
  file(path: string): FileFact | undefined;
  /** Hex SHA-256 of a regular file's content; `undefined` when it cannot be read. */
  hashFile(path: string): Promise<string | undefined>;
}

/** Why something was not understood or not accepted. */
export interface Refusal {
  /** Stable lower-case code, for tests and programs. */
  readonly code: string;
  /** One sentence for a person; names the place and what was found there. */
  readonly message: string;
  /** Offset into the shell text, in UTF-16 units. */
  readonly at?: number;
  /** What to write instead. */
  readonly hint?: string;
}

/** A {@linkcode Refusal}; optional members are left out when absent. */
export function refusal(
  code: string,
  message: string,
  more: { at?: number; hint?: string } = {},
): Refusal {
  return { code, message, ...more };
}
