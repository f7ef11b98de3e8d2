/**
 * Makes the one executable: bundles `main.ts` and its workers with code splitting (so `--version`
 * still loads nothing), then `deno compile`s the bundle. Bundling first leaves unused package files out.
 *
 *   deno task compile [--target linux-x64|linux-arm64|macos-x64|macos-arm64|windows-x64|all]…
 *
 * Without `--target` it builds for this machine as `dist/openclaw` and runs `--version` on it once.
 * `DENORT_BIN` (read by deno itself) names another base executable; it must fit this deno's version.
 */
import { parseArgs } from "@std/cli/parse-args";
import { basename, fromFileUrl, join, relative } from "@std/path";
import { V8_FLAGS } from "./v8_flags.ts";

const TARGETS: Record<string, string> = {
  "linux-x64": "x86_64-unknown-linux-gnu",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "macos-x64": "x86_64-apple-darwin",
  "macos-arm64": "aarch64-apple-darwin",
  "windows-x64": "x86_64-pc-windows-msvc",
};
/** The one form in which a worker is started; its file must end in `_worker.ts`. */
const WORKER_URL = /new URL\(\s*"([^"]*\/)?([a-z0-9_]+_worker)\.ts",\s*import\.meta\.url,?\s*\)/g;

const root = fromFileUrl(new URL("..", import.meta.url));
const bundleDir = join(root, "dist", "bundle");

async function run(args: string[], cwd: string): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (code !== 0) {
    console.error(`error: "deno ${args[0]}" failed with exit code ${code}`);
    Deno.exit(1);
  }
}

/** Every file under `dir` whose name ends with `suffix`. */
function* filesUnder(dir: string, suffix: string): Generator<string> {
  for (const entry of Deno.readDirSync(dir)) {
    const path = join(dir, entry.name);
    if (entry.isDirectory) yield* filesUnder(path, suffix);
    else if (entry.name.endsWith(suffix)) yield path;
  }
}

/** Bundles to `dist/bundle` and returns the worker files there, relative to it. */
async function bundle(): Promise<string[]> {
  const workers = [...filesUnder(join(root, "src"), ".ts")].flatMap((path) =>
    [...Deno.readTextFileSync(path).matchAll(WORKER_URL)].map(([, folder, name]) =>
      relative(root, join(path, "..", folder ?? "", `${name}.ts`))
    )
  );
  await Deno.remove(bundleDir, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await run(
    ["bundle", "-q", "--code-splitting", "--outdir", bundleDir, "main.ts", ...workers],
    root,
  );
  const built = workers.map((path) => path.replace(/\.ts$/, ".js"));
  for (const file of filesUnder(bundleDir, ".js")) {
    const text = await Deno.readTextFile(file);
    const rewritten = text.replace(WORKER_URL, (_all, _folder, name: string) => {
      const target = built.find((path) => basename(path) === `${name}.js`);
      if (target === undefined) throw new Error(`No worker file "${name}.ts" under src/`);
      const from = relative(join(file, ".."), join(bundleDir, target)).replaceAll("\\", "/");
      return `new URL("./${from}", import.meta.url)`;
    });
    if (rewritten !== text) await Deno.writeTextFile(file, rewritten);
  }
  return built;
}

/** Compiles the bundle; an undefined target means this machine. Returns the executable's path. */
async function compile(workers: string[], target: string | undefined): Promise<string> {
  const windows = target?.startsWith("windows") ?? Deno.build.os === "windows";
  const name = target === undefined ? "openclaw" : `openclaw-${target}`;
  const out = join(root, "dist", name + (windows ? ".exe" : ""));
  const args = ["compile", "-q", "-A", "--no-config", "--no-check", V8_FLAGS, "-o", out];
  if (target !== undefined) args.push("--target", TARGETS[target]!);
  for (const worker of workers) args.push("--include", worker);
  await run([...args, "main.js"], bundleDir);
  const { size } = await Deno.stat(out);
  console.log(`${relative(root, out)}  ${(size / 1e6).toFixed(1)} MB`);
  return out;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, { string: ["target"], collect: ["target"] });
  const asked = (flags["target"] ?? []) as string[];
  const targets = asked.includes("all") ? Object.keys(TARGETS) : asked;
  const unknown = targets.find((target) => !(target in TARGETS));
  if (unknown !== undefined) {
    console.error(`error: Unknown target "${unknown}", known: ${Object.keys(TARGETS).join(", ")}`);
    Deno.exit(2);
  }
  const workers = await bundle();
  for (const target of targets) await compile(workers, target);
  if (targets.length > 0) return;
  const out = await compile(workers, undefined);
  const check = await new Deno.Command(out, { args: ["--version"], stdin: "null" }).output();
  if (!check.success) {
    console.error(
      `error: "${relative(root, out)} --version" failed with exit code ${check.code}: ` +
        new TextDecoder().decode(check.stderr).trim(),
    );
    console.error(
      "hint: a DENORT_BIN of another deno version makes executables that cannot find their program",
    );
    Deno.exit(1);
  }
}

await main();
