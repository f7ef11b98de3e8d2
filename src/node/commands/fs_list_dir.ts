/** `fs.listDir`: folders inside a folder, for choosing a working directory. Source: node-host.md 10. */
import { dirname, isAbsolute, join, resolve } from "@std/path";
import { messageOf, OpenclawError } from "../../lib/errors.ts";
import { obj, opt, str } from "../../lib/schema.ts";
import { quoted } from "../../lib/text.ts";
import { nodeCommand } from "./define.ts";

/** Folders listed at most; more would only fill a frame. */
const MAX_ENTRIES = 5000;

export const fsListDir = nodeCommand("fs.listDir", {
  cap: "file",
  params: obj({ path: opt(str({ max: 4096 })) }, { unknown: "drop" }),
}, async ({ path: wanted }, { machine }) => {
  const { home } = machine.facts();
  const text = wanted?.trim() || home;
  const path = text === "~" || text.startsWith("~/") ? join(home, text.slice(1)) : text;
  if (!isAbsolute(path)) {
    throw new OpenclawError("INVALID_REQUEST", `Cannot list ${quoted(path)}: not an absolute path`);
  }
  const entries: { name: string; path: string }[] = [];
  try {
    for await (const entry of Deno.readDir(path)) {
      if (entries.length >= MAX_ENTRIES) break;
      const full = join(path, entry.name);
      if (entry.isDirectory || entry.isSymlink && isFolder(full)) {
        entries.push({ name: entry.name, path: full });
      }
    }
  } catch (error) {
    throw new OpenclawError("UNAVAILABLE", `Cannot list ${quoted(path)}: ${messageOf(error)}`);
  }
  entries.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  const parent = dirname(resolve(path));
  return { path, parent: parent === path ? null : parent, home, entries };
});

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // a dangling link
  }
}
