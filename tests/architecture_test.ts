/**
 * The real source tree keeps the rules of `support/architecture/rules.ts`, and each rule fails on a planted
 * violation.
 */
import { assertEquals } from "@std/assert";
import { checkTree, type Module, type Tree, type Violation } from "./support/architecture/rules.ts";
import { readTree } from "./support/architecture/module_graph.ts";

Deno.test("the source tree keeps the architecture rules", async () => {
  const tree = await readTree();
  const found = checkTree(tree).map(({ rule, path, found }) => `${rule}: ${path}: ${found}`);
  assertEquals(found, []);
});

function plant(path: string, parts: Partial<Module> = {}): Module {
  return { path, text: "", imports: [], externals: [], ...parts };
}

function filesIn(folder: string, count: number): Module[] {
  return Array.from({ length: count }, (_, i) => plant(`${folder}/f${i}.ts`));
}

function treeOf(modules: Module[], parts: Partial<Tree> = {}): Tree {
  return { modules, roots: modules.map((m) => m.path), importKeys: [], declared: [], ...parts };
}

function uses(to: string, typeOnly = false): Partial<Module> {
  return { imports: [{ to, typeOnly }] };
}

const linesOf = (count: number, text = "x;") => Array(count).fill(text).join("\n");
const functionOf = (lines: number) => `function f() {\n${linesOf(lines - 2, "  x;")}\n}\n`;

const PLANTED: readonly { name: string; tree: Tree; rules: string[] }[] = [
  {
    name: "nothing wrong",
    tree: treeOf([plant("src/cli/run.ts", uses("src/lib/x.ts"))]),
    rules: [],
  },
  {
    name: "lib imports protocol",
    tree: treeOf([plant("src/lib/a.ts", uses("src/protocol/b.ts"))]),
    rules: ["direction"],
  },
  {
    name: "lib imports a type of protocol",
    tree: treeOf([plant("src/lib/a.ts", uses("src/protocol/b.ts", true))]),
    rules: ["direction"],
  },
  {
    name: "gateway imports node",
    tree: treeOf([plant("src/gateway/a.ts", uses("src/node/b.ts"))]),
    rules: ["direction"],
  },
  {
    name: "node imports gateway",
    tree: treeOf([plant("src/node/a.ts", uses("src/gateway/b.ts"))]),
    rules: ["direction"],
  },
  {
    name: "client imports the method map as a type",
    tree: treeOf([plant("src/client/a.ts", uses("src/gateway/methods/mod.ts", true))]),
    rules: [],
  },
  {
    name: "client imports the method map as code",
    tree: treeOf([plant("src/client/a.ts", uses("src/gateway/methods/mod.ts"))]),
    rules: ["direction"],
  },
  { name: "an unknown folder", tree: treeOf([plant("src/utils/a.ts")]), rules: ["folder"] },
  {
    name: "two files import each other",
    tree: treeOf([
      plant("src/net/a.ts", uses("src/net/b.ts")),
      plant("src/net/b.ts", uses("src/net/a.ts")),
    ]),
    rules: ["cycle"],
  },
  {
    name: "three files in a ring, one of them by type",
    tree: treeOf([
      plant("src/net/a.ts", uses("src/net/b.ts")),
      plant("src/net/b.ts", uses("src/net/c.ts", true)),
      plant("src/net/c.ts", uses("src/net/a.ts")),
    ]),
    rules: ["cycle"],
  },
  {
    name: "a ring closed by a dynamic import",
    tree: treeOf([
      plant("src/cli/a.ts", uses("src/cli/b.ts")),
      plant("src/cli/b.ts", { imports: [{ to: "src/cli/a.ts", dynamic: true }] }),
    ]),
    rules: [],
  },
  {
    name: "two sibling folders use each other",
    tree: treeOf([
      plant("src/net/a.ts", uses("src/config/b.ts")),
      plant("src/config/c.ts", uses("src/net/d.ts")),
    ]),
    rules: ["folder-cycle"],
  },
  {
    name: "two folders within one use each other",
    tree: treeOf([
      plant("src/net/x/a.ts", uses("src/net/y/b.ts")),
      plant("src/net/y/c.ts", uses("src/net/x/d.ts")),
    ]),
    rules: ["folder-cycle"],
  },
  { name: "15 files in a folder", tree: treeOf(filesIn("src/net", 15)), rules: [] },
  { name: "16 files in a folder", tree: treeOf(filesIn("src/net", 16)), rules: ["folder-size"] },
  { name: "300 lines", tree: treeOf([plant("src/lib/a.ts", { text: linesOf(300) })]), rules: [] },
  {
    name: "301 lines",
    tree: treeOf([plant("src/lib/a.ts", { text: linesOf(301) })]),
    rules: ["file-size"],
  },
  {
    name: "400 lines with a reason",
    tree: treeOf([plant("src/lib/a.ts", { text: `// Long: one table\n${linesOf(399)}` })]),
    rules: [],
  },
  {
    name: "501 lines with a reason",
    tree: treeOf([plant("src/lib/a.ts", { text: `// Long: one table\n${linesOf(500)}` })]),
    rules: ["file-size"],
  },
  { name: "a function of 60 lines", tree: withText(functionOf(60)), rules: [] },
  { name: "a function of 61 lines", tree: withText(functionOf(61)), rules: ["function-size"] },
  {
    name: "a method of 61 lines whose signature is broken over lines",
    tree: withText(
      `class A {\n  async #m(\n    a: string,\n  ): Promise<void> {\n${
        linesOf(57, "    x;")
      }\n  }\n}\n`,
    ),
    rules: ["function-size"],
  },
  {
    name: "an arrow function of 61 lines",
    tree: withText(`const f = (a: string) => {\n${linesOf(59, "  x;")}\n};\n`),
    rules: ["function-size"],
  },
  {
    name: "a new package",
    tree: treeOf([plant("src/lib/a.ts", { externals: ["npm:left-pad"] })]),
    rules: ["dependency"],
  },
  {
    name: "a new built-in",
    tree: treeOf([plant("src/cli/a.ts", { externals: ["node:cluster"] })]),
    rules: ["dependency"],
  },
  {
    name: "a built-in that starts programs outside platform",
    tree: treeOf([plant("src/cli/a.ts", { externals: ["node:child_process"] })]),
    rules: ["platform-only"],
  },
  {
    name: "an @std key without types",
    tree: treeOf([], { importKeys: ["@std/path", "@std/async", "ws"], declared: ["@std/path"] }),
    rules: ["undeclared-types"],
  },
  {
    name: "Deno in a pure folder",
    tree: withText("Deno.readFile(x);", "src/protocol/a.ts"),
    rules: ["pure"],
  },
  {
    name: "a clock in a pure folder",
    tree: withText("Date.now()", "src/approvals/a.ts"),
    rules: ["pure"],
  },
  {
    name: "node: in a pure folder",
    tree: treeOf([plant("src/approvals/a.ts", { externals: ["node:fs"] })]),
    rules: ["pure"],
  },
  {
    name: "Deno named in a comment and a text of a pure folder",
    tree: withText('// Deno.readFile\n/* Deno.x */ const a = "Deno.env";', "src/protocol/a.ts"),
    rules: [],
  },
  {
    name: "the operating system asked outside platform",
    tree: withText("if (Deno.build.os === x) {}", "src/node/a.ts"),
    rules: ["platform-only"],
  },
  {
    name: "a program started outside platform",
    tree: withText("new Deno.Command(x)", "src/remote/a.ts"),
    rules: ["platform-only"],
  },
  {
    name: "a program started in platform",
    tree: withText("new Deno.Command(x)", "src/platform/process/start.ts"),
    rules: [],
  },
  {
    name: "environment read outside config",
    tree: withText("Deno.env.get(x)", "src/net/a.ts"),
    rules: ["environment"],
  },
  {
    name: "printing outside output",
    tree: withText("console.log(x)", "src/gateway/a.ts"),
    rules: ["printing"],
  },
  {
    name: "a barrel file",
    tree: withText('export * from "./b.ts";', "src/net/index.ts"),
    rules: ["barrel"],
  },
  { name: "a mod.ts that is no list", tree: withText("", "src/net/mod.ts"), rules: ["barrel"] },
  {
    name: "a file that nothing imports",
    tree: treeOf([plant("main.ts"), plant("src/lib/forgotten.ts")], { roots: ["main.ts"] }),
    rules: ["unreachable"],
  },
];

function withText(text: string, path = "src/lib/a.ts"): Tree {
  return treeOf([plant(path, { text })]);
}

for (const { name, tree, rules } of PLANTED) {
  Deno.test(`checkTree() on ${name} finds ${rules.join(" and ") || "nothing"}`, () => {
    assertEquals(checkTree(tree).map((violation: Violation) => violation.rule), rules);
  });
}
