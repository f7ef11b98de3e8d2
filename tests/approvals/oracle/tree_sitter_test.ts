/**
 * A second opinion on shell text: for random lines and a list of corners that our reader accepts, the bash grammar of
 * tree-sitter must see the same commands with the same literal words and nothing that expands. Test-time only.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { createRequire } from "node:module";
import { npmPackages } from "../../support/npm_cache.ts";
import { parseShell, type ShellItem } from "../../../src/approvals/reading/shell/shell.ts";
import { randomFrom, randomLine } from "./shell_lines.ts";

const LINES = Number(Deno.env.get("OPENCLAW_ORACLE_LINES") ?? "2000") * 5;

/** The parts of a syntax tree that are looked at. */
interface Node {
  readonly type: string;
  readonly text: string;
  readonly hasError: boolean;
  readonly isNamed: boolean;
  readonly children: readonly (Node | null)[];
}

interface Parser {
  setLanguage(language: unknown): void;
  parse(text: string): { readonly rootNode: Node; delete(): void } | null;
  delete(): void;
}

async function bashParser(): Promise<Parser> {
  const dir = await npmPackages("oracle", "web-tree-sitter@0.27.1", "tree-sitter-bash@0.25.1");
  const modules = join(dir, "node_modules");
  // Its CommonJS form: the other one imports "module" without a prefix, which Deno 2.8 refuses.
  const library = createRequire(join(dir, "package.json"))("web-tree-sitter");
  await library.Parser.init();
  const parser: Parser = new library.Parser();
  const wasm = await Deno.readFile(join(modules, "tree-sitter-bash/tree-sitter-bash.wasm"));
  parser.setLanguage(await library.Language.load(wasm));
  return parser;
}

/** Node kinds that stand for a literal list of simple commands. */
const LITERAL = new Set([
  "program",
  "list",
  "pipeline",
  "command",
  "command_name",
  "word",
  "string",
  "string_content",
  "raw_string",
  "concatenation",
  "number",
  "redirected_statement",
  "file_redirect",
  "file_descriptor",
  "comment",
  "&&",
  "||",
  ";",
  "|",
  '"',
  ">",
  "<",
  ">>",
  ">&",
  "\n",
  "$",
]);

function foreign(node: Node): string | undefined {
  if (!LITERAL.has(node.type)) return node.type;
  for (const child of children(node)) {
    const found = foreign(child);
    if (found) return found;
  }
  return undefined;
}

const children = (node: Node): Node[] =>
  node.children.filter((child): child is Node => child !== null);

/** Words of each command. Words after a redirection hang on the redirection in this grammar. */
function commands(node: Node): string[][] {
  if (node.type === "command") {
    return [children(node).filter((child) => child.type !== "file_redirect").map(valueOf)];
  }
  const found = children(node).filter((child) => child.type !== "file_redirect").flatMap(commands);
  const last = found.at(-1);
  for (const redirect of children(node).filter((child) => child.type === "file_redirect")) {
    const words = children(redirect).filter((child) =>
      child.isNamed && child.type !== "file_descriptor"
    );
    last?.push(...words.slice(1).map(valueOf));
  }
  return found;
}

/** Literal value of a word node. */
function valueOf(node: Node): string {
  if (node.type === "raw_string") return node.text.slice(1, -1);
  if (node.type === "string") return node.text.slice(1, -1).replace(/\\([$`"\\])/g, "$1");
  if (node.type === "concatenation") return children(node).map(valueOf).join("");
  if (node.type === "command_name") return children(node).map(valueOf).join("");
  return node.text.replace(/\\([^\n])/gs, "$1");
}

/** Corners that this grammar reads wrongly: some escapes, odd blanks, `1==`, a lone dash before a redirection. */
const MISREAD = /["']\\|\\[ \t;\u200b]|[\f\v]|(?:^|[;&|] *)[-\d]\S*=|(?:^| )-\S*\d?>| - +\d?>|\$ /;

/** Words without blanks at their start, which this grammar drops inside quotes. */
const text = (words: readonly string[][]) =>
  JSON.stringify(words.map((one) => one.map((word) => word.trimStart())));

const ours = (items: readonly ShellItem[]) =>
  items.flatMap((item) => item.stages.map((stage) => [...stage.words]));

Deno.test("parseShell() accepts only lines in which tree-sitter sees the same literal commands", async () => {
  const parser = await bashParser();
  const random = randomFrom(4711);
  const seen = { accepted: 0, unread: 0 };
  const differ: string[] = [];
  for (let i = 0; i < LINES; i++) {
    const line = randomLine(random);
    const parsed = parseShell(line, "bash");
    if (!parsed.ok) continue;
    seen.accepted++;
    const tree = parser.parse(line);
    assert(tree);
    const root = tree.rootNode;
    if (root.hasError || MISREAD.test(line)) seen.unread++;
    else {
      const odd = foreign(root);
      const theirs = commands(root);
      if (odd !== undefined) differ.push(`${JSON.stringify(line)}: ${odd}`);
      else if (text(theirs) !== text(ours(parsed.items))) {
        differ.push(`${JSON.stringify(line)}: ${JSON.stringify(theirs)}`);
      }
    }
    tree.delete();
  }
  parser.delete();
  assertEquals(differ.slice(0, 10), []);
  assert(seen.accepted > LINES / 5, `only ${seen.accepted} of ${LINES} lines were accepted`);
  assert(
    seen.unread < seen.accepted * 0.3,
    `only ${seen.accepted - seen.unread} of ${seen.accepted} lines were compared`,
  );
});
