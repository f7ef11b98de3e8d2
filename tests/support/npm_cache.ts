/**
 * Packages that only tests need (real peers, oracles), installed by npm into a cache folder outside the project, so that
 * the product's own list of dependencies stays short and a newcomer downloads none of them.
 */
import { join } from "@std/path";

/** The cache folder: `OPENCLAW_INTEROP_CACHE`, else below the user's cache. */
export function cacheDir(): string {
  const given = Deno.env.get("OPENCLAW_INTEROP_CACHE");
  const base = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  return given ?? join(base, "openclaw-interop");
}

const running = new Map<string, Promise<string>>();

/**
 * Installs packages (exact versions, install scripts off) once into `<cache>/<name>` and returns that folder.
 * Rejects with npm's own words when that fails; nothing is skipped silently.
 */
export function npmPackages(name: string, ...specs: string[]): Promise<string> {
  let install = running.get(name);
  if (!install) running.set(name, install = installOnce(join(cacheDir(), name), specs));
  return install;
}

async function installOnce(dir: string, specs: readonly string[]): Promise<string> {
  await Deno.mkdir(dir, { recursive: true });
  // Test files run beside each other, and two npms in one folder leave it half empty.
  using lock = await Deno.open(`${dir}.lock`, { create: true, write: true });
  await lock.lock(true);
  const done = join(dir, ".installed");
  const wanted = specs.join(" ");
  if (await Deno.readTextFile(done).catch(() => undefined) === wanted) return dir;
  console.log(`installing ${wanted} …`);
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const result = await new Deno.Command("npm", {
    args: ["install", "--prefix", dir, ...flags, ...specs],
    stdin: "null",
  }).output();
  if (!result.success) {
    const said = new TextDecoder().decode(result.stderr).slice(-800);
    throw new Error(`cannot install ${wanted}: ${said}`);
  }
  await Deno.writeTextFile(done, wanted);
  return dir;
}
