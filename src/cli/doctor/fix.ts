/**
 * `doctor --fix`: tightens the modes of our own files. Nothing else is changed without a person.
 */
import { statePaths } from "../../config/paths.ts";
import { userId } from "../../platform/user.ts";
import type { Io } from "../io.ts";
import { platformName } from "../../platform/os.ts";

/** Tightens what is ours and readable by others; returns what was changed. */
export async function repairModes(io: Io): Promise<string[]> {
  if (platformName() === "windows") return [];
  const paths = statePaths(io.env);
  const wanted: (readonly [path: string, mode: number])[] = [
    [paths.stateDir, 0o700],
    [paths.identityDir, 0o700],
    [paths.configFile, 0o600],
    [paths.deviceKeyFile, 0o600],
    [paths.operatorKeyFile, 0o600],
    [paths.tlsKeyFile, 0o600],
    [paths.approvalsFile, 0o600],
    [paths.nodeFile, 0o600],
  ];
  const fixed: string[] = [];
  for (const [path, mode] of wanted) {
    const info = await Deno.lstat(path).catch(() => undefined);
    const loose = info?.mode !== null && info !== undefined && !info.isSymlink &&
      info.uid === userId() && (info.mode & 0o777 & ~mode) !== 0;
    if (!loose) continue;
    await Deno.chmod(path, mode);
    fixed.push(`${path}: mode ${mode.toString(8)}`);
  }
  return fixed;
}
