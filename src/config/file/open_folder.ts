/**
 * Folders of files that decide who gets in. A file of a stranger is refused when it is read (N40), but whoever may write
 * its folder can take the file away or put an older one of ours in its place. Looks, changes nothing: the folder may hold
 * other things than ours.
 */
import { basename, dirname } from "@std/path";
import { quoted } from "../../lib/text.ts";
import { IS_POSIX, isOpenFolder } from "../../platform/file_safety.ts";
import { userId } from "../../platform/user.ts";

/** One line per folder of these files, and of what they lead to, that somebody else can write; says what to type. */
export async function openFolderNotes(files: readonly string[]): Promise<string[]> {
  if (!IS_POSIX) return [];
  const real = await Promise.all(files.map((file) => Deno.realPath(file).catch(() => file)));
  const byFolder = Map.groupBy(new Set([...files, ...real]), (file) => dirname(file));
  const notes = await Promise.all(
    [...byFolder].map(([folder, [file = ""]]) => openFolderNote(folder, basename(file))),
  );
  return notes.filter((note) => note !== undefined);
}

async function openFolderNote(folder: string, name: string): Promise<string | undefined> {
  const info = await Deno.stat(folder).catch(() => undefined);
  if (info?.mode == null) return undefined;
  const mode = info.mode & 0o7777;
  if (info.uid !== userId() && info.uid !== 0) {
    return `FOLDER_OPEN: ${quoted(folder)} belongs to user ${info.uid}, who can replace ${name} ` +
      `there; keep it in a folder of your own`;
  }
  if (!isOpenFolder(mode)) return undefined;
  const bits = mode.toString(8).padStart(4, "0");
  return `FOLDER_OPEN: others can write ${quoted(folder)} (mode ${bits}) and replace ${name} ` +
    `there; type: chmod go-w ${quoted(folder)}`;
}
