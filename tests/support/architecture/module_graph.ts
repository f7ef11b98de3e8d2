/**
 * Reads the real module graph with `deno info --json` and the files it needs, as a `Tree` for the
 * rules in `rules.ts`.
 */
import { fromFileUrl, join, relative, toFileUrl } from "@std/path";
import type { Import, Module, Tree } from "./rules.ts";

interface InfoDependency {
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
}
interface InfoModule {
  readonly specifier: string;
  readonly dependencies?: readonly InfoDependency[];
}

const ROOT = fromFileUrl(new URL("../../..", import.meta.url));
const WORKER_URL = /new URL\(\s*"([^"]+_worker\.ts)",\s*import\.meta\.url,?\s*\)/g;

/** The tree of this project: `main.ts` and every file under `src/`. */
export async function readTree(): Promise<Tree> {
  const sources = [...filesUnder("src")].filter((path) => !path.startsWith("src/types/"));
  const modules = await readGraph(["main.ts", ...sources]);
  const config = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  return {
    modules,
    roots: ["main.ts", ...modules.flatMap(workersOf)],
    importKeys: Object.keys(config.imports),
    declared: [...filesUnder("src/types")].flatMap((path) => {
      const text = Deno.readTextFileSync(join(ROOT, path));
      return [...text.matchAll(/^declare module "([^"]+)"/gm)].map((match) => match[1]!);
    }),
  };
}

/** The workers a module starts, in the one form that bundling understands. */
function workersOf(module: Module): string[] {
  const base = new URL(module.path, "file:///");
  return [...module.text.matchAll(WORKER_URL)].map(([, worker]) =>
    new URL(worker!, base).pathname.slice(1)
  );
}

/** One `deno info` for all files, through a root module that imports each. */
async function readGraph(paths: readonly string[]): Promise<Module[]> {
  const folder = await Deno.makeTempDir();
  try {
    const root = join(folder, "all.ts");
    const urls = paths.map((path) => toFileUrl(join(ROOT, path)).href);
    await Deno.writeTextFile(root, urls.map((url) => `import ${JSON.stringify(url)};\n`).join(""));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", "--config", join(ROOT, "deno.json"), root],
      cwd: ROOT,
    }).output();
    if (!success) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
    const info = JSON.parse(new TextDecoder().decode(stdout)) as { modules: InfoModule[] };
    return info.modules.flatMap((module) => toModule(module, paths));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function toModule(module: InfoModule, paths: readonly string[]): Module[] {
  const path = localPath(module.specifier);
  if (path === undefined || !paths.includes(path)) return [];
  const edges = (module.dependencies ?? []).map(toEdge);
  return [{
    path,
    text: Deno.readTextFileSync(join(ROOT, path)),
    imports: edges.filter((edge) => typeof edge === "object").filter((edge) => isSource(edge.to)),
    externals: edges.filter((edge) => typeof edge === "string"),
  }];
}

function isSource(path: string): boolean {
  return path === "main.ts" || (path.startsWith("src/") && /(?<!\.d)\.ts$/.test(path));
}

/** A local import, or the name of what is imported from outside. */
function toEdge(dependency: InfoDependency): Import | string {
  const specifier = dependency.code?.specifier ?? dependency.type?.specifier ?? "";
  const to = localPath(specifier);
  if (to !== undefined) {
    return { to, typeOnly: dependency.code === undefined, dynamic: dependency.isDynamic === true };
  }
  return externalName(specifier);
}

/** `npm:/ws@8.23.0` and `npm:deno-std@1.4.0/path/mod.js` by package, the rest as it is. */
function externalName(specifier: string): string {
  const match = /^npm:\/?((?:@[^/]+\/)?[^@/]+)/.exec(specifier);
  return match ? `npm:${match[1]}` : specifier;
}

function localPath(specifier: string): string | undefined {
  if (!specifier.startsWith("file:")) return undefined;
  return relative(ROOT, fromFileUrl(specifier)).replaceAll("\\", "/");
}

function* filesUnder(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(join(ROOT, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* filesUnder(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}
