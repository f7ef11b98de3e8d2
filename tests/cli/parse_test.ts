import { assertEquals, assertThrows } from "@std/assert";
import {
  arg,
  bool,
  choice,
  command,
  CommandTree,
  duration,
  group,
  int,
  list,
  port,
  rest,
  text,
} from "../../src/cli/grammar/command.ts";
import { parseCommandLine } from "../../src/cli/grammar/parse.ts";
import { parseDuration } from "../../src/cli/grammar/values.ts";
import { OpenclawError } from "../../src/lib/errors.ts";

const nothing = () => Promise.resolve();
const tree = new CommandTree([
  group({ path: "", summary: "root" }),
  group({ path: "gateway", summary: "the gateway", fallback: "gateway run" }),
  command({
    path: "gateway run",
    summary: "run",
    flags: { port: port({ help: "port" }), tls: bool({ help: "tls" }) },
    run: nothing,
  }),
  group({ path: "nodes", summary: "nodes", aliases: ["node-list"] }),
  command({
    path: "nodes run",
    summary: "run",
    flags: {
      node: text({ help: "node" }),
      env: list({ help: "env" }),
      timeoutMs: duration({ name: "timeout", help: "time", default: 30_000 }),
      count: int({ help: "count", range: [1, 9] }),
      ask: choice(["off", "always"], { help: "ask" }),
      raw: text({ help: "script" }),
    },
    args: { argv: rest({ help: "the command" }) },
    exclusive: [["node", "raw"]],
    run: nothing,
  }),
  command({
    path: "nodes rename",
    summary: "rename",
    flags: { name: text({ help: "name", required: true }) },
    args: { id: arg({ help: "id", required: true }) },
    run: nothing,
  }),
]);

function helpOf(line: string[]): string {
  const parsed = parseCommandLine(line, tree);
  return parsed.kind === "help" ? parsed.command.path.join(" ") : parsed.kind;
}

Deno.test("help before a command is --help behind it, version the flag of that name", () => {
  assertEquals(helpOf(["help"]), "");
  assertEquals(helpOf(["help", "nodes"]), "nodes");
  assertEquals(helpOf(["help", "nodes", "rename"]), "nodes rename");
  assertEquals(helpOf(["version"]), "version");
  assertEquals(valuesOf(["nodes", "run", "help"]).argv, ["help"]);
});

function valuesOf(line: string[]): Record<string, unknown> {
  const parsed = parseCommandLine(line, tree);
  if (parsed.kind !== "run") throw new Error(`got ${parsed.kind}`);
  return { ...parsed.values, path: parsed.command.path.join(" ") };
}

function refusal(line: string[]): OpenclawError {
  return assertThrows(() => parseCommandLine(line, tree), OpenclawError) as OpenclawError;
}

Deno.test("parseCommandLine() takes what follows -- as it is", () => {
  const values = valuesOf(["nodes", "run", "--node", "a", "--", "ls", "-la", "--json", "--"]);
  assertEquals(values.argv, ["ls", "-la", "--json", "--"]);
  assertEquals(values.json, false);
});

Deno.test("parseCommandLine() leaves the flags of a wrapped command alone without --", () => {
  const values = valuesOf(["nodes", "run", "--node=a", "uname", "-a", "--node", "b"]);
  assertEquals(values.argv, ["uname", "-a", "--node", "b"]);
});

Deno.test("parseCommandLine() reads a value that starts with a dash and one with an equals sign", () => {
  const values = valuesOf(["nodes", "run", "--node", "-x=1", "--env", "A=b=c", "--env=D=", "x"]);
  assertEquals(values.node, "-x=1");
  assertEquals(values.env, ["A=b=c", "D="]);
});

Deno.test("parseCommandLine() gives durations in milliseconds and defaults", () => {
  assertEquals(valuesOf(["nodes", "run", "--timeout", "2m", "x"]).timeoutMs, 120_000);
  assertEquals(valuesOf(["nodes", "run", "x"]).timeoutMs, 30_000);
  assertEquals(valuesOf(["nodes", "run", "x"]).env, []);
});

Deno.test("parseDuration() knows the units and nothing else", () => {
  assertEquals(["500", "500ms", "10s", "5m", "24h", "7d"].map(parseDuration), [
    500,
    500,
    10_000,
    300_000,
    86_400_000,
    604_800_000,
  ]);
  assertEquals(["", "-1", "1.5s", "s", "1w", "1e3"].map(parseDuration), Array(6).fill(undefined));
});

Deno.test("a group with a fallback runs it, with flags and without", () => {
  assertEquals(valuesOf(["gateway"]).path, "gateway run");
  assertEquals(valuesOf(["gateway", "--port", "1"]).port, 1);
});

Deno.test("a group alone and --help anywhere show help", () => {
  for (const line of [[], ["nodes"], ["gateway", "--help"], ["nodes", "run", "-h"], ["-h"]]) {
    assertEquals(parseCommandLine(line, tree).kind, "help", line.join(" "));
  }
});

Deno.test("global flags are read before and after the command", () => {
  for (
    const line of [["--profile", "p", "nodes", "run", "x"], ["nodes", "--profile=p", "run", "x"]]
  ) {
    assertEquals(parseCommandLine(line, tree).globals.profile, "p");
  }
});

Deno.test("an alias of a group finds its commands", () => {
  assertEquals(valuesOf(["node-list", "run", "x"]).path, "nodes run");
});

const refusals: [name: string, line: string[], code: string, text: string, exit: number][] = [
  ["unknown command", ["nods"], "USAGE", 'did you mean "nodes"?', 2],
  ["unknown subcommand", ["nodes", "runn"], "USAGE", 'did you mean "run"?', 2],
  ["word after a group with fallback", ["gateway", "rum"], "USAGE", 'did you mean "run"?', 2],
  ["unknown flag", ["nodes", "run", "--nod", "a"], "USAGE", 'did you mean "--node"?', 2],
  ["short unknown flag", ["nodes", "run", "-x"], "USAGE", 'Unknown flag "-x"', 2],
  ["flag given twice", ["nodes", "run", "--node", "a", "--node", "b"], "USAGE", "given twice", 2],
  ["switch given twice", ["gateway", "--tls", "--no-tls"], "USAGE", "given twice", 2],
  ["value of a switch", ["gateway", "--tls=yes"], "USAGE", "takes no value", 2],
  ["missing value", ["nodes", "run", "--node"], "USAGE", "needs a value", 2],
  [
    "flag instead of a value",
    ["nodes", "run", "--node", "--raw", "x"],
    "USAGE",
    "needs a value",
    2,
  ],
  ["required flag", ["nodes", "rename", "x"], "USAGE", "--name <text> is required", 2],
  ["required argument", ["nodes", "rename", "--name", "x"], "USAGE", "<id> is missing", 2],
  ["too many arguments", ["nodes", "rename", "--name", "x", "a", "b"], "USAGE", '"b"', 2],
  ["excluding flags", ["nodes", "run", "--node", "a", "--raw", "b"], "USAGE", "not both", 2],
  ["bad port", ["gateway", "--port", "abc"], "INVALID_FLAG_VALUE", "Invalid port", 1],
  ["port 0", ["gateway", "--port", "0"], "INVALID_FLAG_VALUE", "Invalid port", 1],
  [
    "bad duration",
    ["nodes", "run", "--timeout", "x"],
    "INVALID_FLAG_VALUE",
    "Invalid --timeout:",
    1,
  ],
  ["number out of range", ["nodes", "run", "--count", "10"], "INVALID_FLAG_VALUE", "1 to 9", 1],
  ["bad choice", ["nodes", "run", "--ask", "no"], "INVALID_FLAG_VALUE", "off, always", 1],
];
for (const [name, line, code, part, exit] of refusals) {
  Deno.test(`parseCommandLine() refuses: ${name}`, () => {
    const error = refusal(line);
    assertEquals([error.code, error.exitCode], [code, exit]);
    assertEquals(error.message.includes(part), true, error.message);
  });
}
