/**
 * The rules of the source tree as functions over a module graph, so that planted violations can be
 * tested as well as the real tree. Reading the real graph is in `module_graph.ts`.
 */

import { ALLOWED_EXTERNALS } from "./allowed_externals.ts";
import { functionsOf } from "./functions_of.ts";

/** One import of a module by another. */
export interface Import {
  /** Path of the imported file relative to the project root. */
  readonly to: string;
  readonly typeOnly?: boolean;
  /** By `import()`: loaded when used. */
  readonly dynamic?: boolean;
}

/** One source file. */
export interface Module {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** What it imports from outside: `npm:ws`, `node:http`. */
  readonly externals: readonly string[];
}

/** Everything the rules look at. */
export interface Tree {
  readonly modules: readonly Module[];
  /** Where programs start: `main.ts` and the workers. */
  readonly roots: readonly string[];
  /** Keys of the import map. */
  readonly importKeys: readonly string[];
  /** Names declared with `declare module "…"` under `src/types/`. */
  readonly declared: readonly string[];
}

/** A broken rule: which, where, and what was found. */
export interface Violation {
  readonly rule: string;
  readonly path: string;
  readonly found: string;
}

/** Folders from the left (may import everything to the right) to the right; one row is one level. */
const LEVELS: readonly (readonly string[])[] = [
  ["main"],
  ["cli"],
  ["gateway", "node", "remote", "service"],
  ["client"],
  ["approvals", "config", "identity", "store", "net"],
  ["platform", "protocol"],
  ["lib"],
];

const PURE = new Set(["protocol", "approvals"]);
const MAX_LINES = 300;
const MAX_LINES_WITH_REASON = 500;
const MAX_FUNCTION_LINES = 60;
const MAX_FOLDER_FILES = 15;
const BARRELS = new Set([
  "src/gateway/methods/mod.ts",
  "src/cli/commands/mod.ts",
  "src/node/commands/mod.ts",
]);
const METHOD_MAP = "src/gateway/methods/mod.ts";

/** The folder a path belongs to: `main`, or the first folder under `src/`. */
export function areaOf(path: string): string {
  return path === "main.ts" ? "main" : path.split("/")[1] ?? "";
}

function levelOf(area: string): number {
  return LEVELS.findIndex((level) => level.includes(area));
}

function isMethodMapType(from: string, edge: Import): boolean {
  return areaOf(from) === "client" && edge.typeOnly === true && edge.to === METHOD_MAP;
}

/** Imports go only to the right; `gateway` and `node` never meet. */
export function checkDirection(tree: Tree): Violation[] {
  const out: Violation[] = [];
  for (const module of tree.modules) {
    const from = areaOf(module.path);
    if (levelOf(from) < 0) out.push({ rule: "folder", path: module.path, found: from });
    for (const edge of module.imports) {
      const to = areaOf(edge.to);
      if (isMethodMapType(module.path, edge)) continue;
      const enemies = (from === "gateway" && to === "node") ||
        (from === "node" && to === "gateway");
      if (enemies || levelOf(to) < levelOf(from)) {
        out.push({ rule: "direction", path: module.path, found: `imports ${edge.to}` });
      }
    }
  }
  return out;
}

/**
 * No file cycle, and no cycle of sibling folders. Imports of types count too: they tie files together
 * for a reader. A dynamic import may lead back to a file: a command that lists the commands.
 */
export function checkCycles(tree: Tree): Violation[] {
  const files = new Map<string, Set<string>>();
  const folders = new Map<string, Set<string>>();
  for (const module of tree.modules) {
    for (const edge of module.imports) {
      if (isMethodMapType(module.path, edge)) continue;
      if (edge.dynamic !== true) add(files, module.path, edge.to);
      const [from, to] = siblingsOf(module.path, edge.to);
      if (from !== undefined && to !== undefined) add(folders, from, to);
    }
  }
  return [
    ...cyclesOf(files).map((cycle) => ({
      rule: "cycle",
      path: cycle[0]!,
      found: cycle.join(" → "),
    })),
    ...cyclesOf(folders).map((cycle) => ({
      rule: "folder-cycle",
      path: cycle[0]!,
      found: cycle.join(" → "),
    })),
  ];
}

/** The two folders beside each other, at any depth, that an import joins; none within a folder or to its parent. */
function siblingsOf(from: string, to: string): [string?, string?] {
  const [a, b] = [from.split("/"), to.split("/")];
  const at = a.findIndex((part, i) => part !== b[i]);
  if (at < 0 || at >= a.length - 1 || at >= b.length - 1) return [];
  return [a.slice(0, at + 1).join("/"), b.slice(0, at + 1).join("/")];
}

function add(graph: Map<string, Set<string>>, from: string, to: string): void {
  const edges = graph.get(from) ?? new Set();
  edges.add(to);
  graph.set(from, edges);
}

/** One cycle per node that closes one in a depth-first walk. */
function cyclesOf(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string) => {
    if (done.has(node)) return;
    const at = path.indexOf(node);
    if (at >= 0) {
      cycles.push([...path.slice(at), node]);
      return;
    }
    path.push(node);
    for (const next of graph.get(node) ?? []) visit(next);
    path.pop();
    done.add(node);
  };
  for (const node of graph.keys()) visit(node);
  return cycles;
}

/** Folder, file and function sizes. Function ends are found by indentation, which `deno fmt` guarantees. */
export function checkSizes(tree: Tree): Violation[] {
  const out: Violation[] = [];
  const folders = Map.groupBy(tree.modules, ({ path }) => path.slice(0, path.lastIndexOf("/")));
  for (const [path, { length }] of folders) {
    if (length <= MAX_FOLDER_FILES) continue;
    out.push({ rule: "folder-size", path, found: `${length} files` });
  }
  for (const module of tree.modules) {
    const lines = module.text.replace(/\n$/, "").split("\n");
    const limit = lines[0]?.startsWith("// Long: ") ? MAX_LINES_WITH_REASON : MAX_LINES;
    if (lines.length > limit) {
      out.push({ rule: "file-size", path: module.path, found: `${lines.length} lines` });
    }
    for (const { name, length } of functionsOf(lines)) {
      if (length <= MAX_FUNCTION_LINES) continue;
      out.push({ rule: "function-size", path: module.path, found: `${name}: ${length} lines` });
    }
  }
  return out;
}

/** Packages and built-ins only from {@linkcode ALLOWED_EXTERNALS}; every `@std` key has declared types. */
export function checkDependencies(tree: Tree): Violation[] {
  const out: Violation[] = [];
  for (const module of tree.modules) {
    for (const external of module.externals) {
      if (external in ALLOWED_EXTERNALS) continue;
      out.push({ rule: "dependency", path: module.path, found: external });
    }
  }
  for (const key of tree.importKeys) {
    if (!key.startsWith("@std/") || tree.declared.includes(key)) continue;
    out.push({ rule: "undeclared-types", path: "deno.json", found: key });
  }
  return out;
}

/** Words that only some places may use. Comments and string contents are not looked at. */
const RESERVED: readonly {
  readonly rule: string;
  readonly word: RegExp;
  readonly allowed: (path: string) => boolean;
}[] = [
  {
    rule: "pure",
    word:
      /\bDeno\.|\bDate\.now\b|\bnew Date\(\)|\bperformance\.|\bfetch\(|\bset(?:Timeout|Interval)\(/,
    allowed: (path) => !PURE.has(areaOf(path)),
  },
  {
    rule: "platform-only",
    word: /\bDeno\.build\.(?:os|arch)\b|\bDeno\.Command\b|\bDeno\.uid\b|\bDeno\.osRelease\b/,
    allowed: (path) => areaOf(path) === "platform",
  },
  {
    rule: "environment",
    word: /\bDeno\.env\b|\bprocess\.env\b/,
    allowed: (path) => ["config", "platform"].includes(areaOf(path)) || path === "main.ts",
  },
  {
    rule: "printing",
    word: /\bconsole\./,
    allowed: (path) => path === "src/cli/terminal/output.ts",
  },
];

/** Reserved words, `node:` in a pure folder, programs started outside `platform/`. */
export function checkReserved(tree: Tree): Violation[] {
  const out: Violation[] = [];
  for (const { path, text, externals } of tree.modules) {
    const code = withoutCommentsAndStrings(text);
    for (const { rule, word, allowed } of RESERVED) {
      const found = allowed(path) ? undefined : word.exec(code)?.[0];
      if (found !== undefined) out.push({ rule, path, found });
    }
    for (const external of externals) {
      const node = external.startsWith("node:");
      if (node && PURE.has(areaOf(path))) out.push({ rule: "pure", path, found: external });
      const starts = external === "node:child_process" || external === "node:os";
      if (starts && areaOf(path) !== "platform") {
        out.push({ rule: "platform-only", path, found: external });
      }
    }
  }
  return out;
}

/** Blanks comments, strings and the literal parts of templates, well enough for a word search. */
export function withoutCommentsAndStrings(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g,
    (match) => match.startsWith("/") ? " " : '""',
  );
}

/** No list-of-exports files but the three lists of definitions. */
export function checkBarrels(tree: Tree): Violation[] {
  const out: Violation[] = [];
  for (const { path, text } of tree.modules) {
    const star = /^export \* from/m.test(text);
    if ((star || path.endsWith("/mod.ts")) && !BARRELS.has(path)) {
      out.push({ rule: "barrel", path, found: star ? "export *" : "mod.ts" });
    }
  }
  return out;
}

/** No file that no import reaches from a root: it is dead, or its connection was forgotten. */
export function checkReachable(tree: Tree): Violation[] {
  const byPath = new Map(tree.modules.map((module) => [module.path, module]));
  const reached = new Set<string>();
  const queue = [...tree.roots];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    queue.push(...(byPath.get(path)?.imports ?? []).map((edge) => edge.to));
  }
  return tree.modules.filter((module) => !reached.has(module.path)).map(({ path }) => ({
    rule: "unreachable",
    path,
    found: "no import leads from main.ts to it",
  }));
}

/** All rules on one tree. */
export function checkTree(tree: Tree): Violation[] {
  return [
    ...checkDirection(tree),
    ...checkCycles(tree),
    ...checkSizes(tree),
    ...checkDependencies(tree),
    ...checkReserved(tree),
    ...checkBarrels(tree),
    ...checkReachable(tree),
  ];
}
