/** Makes files and folders under odd umasks. A process of its own: a umask is one for all tests of a process. */
import { join } from "@std/path";
import { ensureDir, writeAtomic } from "../../src/platform/files.ts";

const folder = Deno.args[0] ?? "";
const before = Deno.umask(0o000);
await ensureDir(join(folder, "x/y"));
await writeAtomic(join(folder, "x/y/open.json"), "{}");
Deno.umask(0o777);
await writeAtomic(join(folder, "x/y/shut.json"), "{}");
await ensureDir(join(folder, "x/y/z"));
// What the runtime itself may still write is not ours to hide.
Deno.umask(before);
