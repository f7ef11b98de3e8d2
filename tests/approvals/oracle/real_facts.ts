/** Facts of the machine the tests run on, for the oracle tests. The product's own version is in the node host. */
import type { ExecFacts, FileFact } from "../../../src/approvals/facts.ts";
import { sha256Hex } from "../../../src/lib/bytes.ts";

/** Real facts with the given PATH and working directory. */
export function realFacts(pathDirs: readonly string[], cwd: string): ExecFacts {
  return {
    platform: "linux",
    cwd,
    home: "/nonexistent",
    homeReal: "/nonexistent",
    pathDirs,
    file(path): FileFact | undefined {
      try {
        const stat = Deno.statSync(path);
        return {
          kind: stat.isFile ? "file" : stat.isDirectory ? "directory" : "other",
          executable: stat.isFile && ((stat.mode ?? 0) & 0o111) !== 0,
          parentReal: Deno.realPathSync(path.slice(0, path.lastIndexOf("/")) || "/"),
          real: Deno.realPathSync(path),
          isLink: Deno.lstatSync(path).isSymlink,
          linkInWritableParent: false,
        };
      } catch (error) {
        if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
          return undefined;
        }
        if (
          error instanceof Error &&
          /too long|filename|InvalidInput|ENAMETOOLONG/i.test(`${error.name} ${error.message}`)
        ) return undefined;
        throw error;
      }
    },
    hashFile: async (path) => await sha256Hex(await Deno.readFile(path)),
  };
}
