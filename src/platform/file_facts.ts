/** What can be told of a file by its name alone. */

/** Whether anything has this name: also a link that leads nowhere, and what may not be read. */
export function exists(path: string): Promise<boolean> {
  return Deno.lstat(path).then(() => true, () => false);
}

/** A text that differs when a file was changed or replaced; for caches. Follows no link. */
export function fileStamp(path: string): string {
  return stampBy(Deno.lstatSync, path);
}

/** {@linkcode fileStamp} of a link and of what it leads to. At once, because a command waits for it. */
export function followedStamp(path: string): string {
  const own = fileStamp(path);
  return own === "missing" ? own : `${own} ${stampBy(Deno.statSync, path)}`;
}

function stampBy(look: (path: string) => Deno.FileInfo, path: string): string {
  try {
    const { dev, ino, size, mtime, ctime, mode } = look(path);
    return [dev, ino, size, mtime?.getTime(), ctime?.getTime(), mode].join(" ");
  } catch {
    return "missing";
  }
}
