/**
 * What every command promises to programs, held against the whole tree: one JSON document on success and on failure, an
 * exit code of the documented set, an error that ends with the next command, a help page with an example.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { TREE } from "../../../src/cli/commands/mod.ts";
import { freePort, Pair, run, type Running, start } from "../../e2e/program.ts";
import { cli, type Ran } from "../support.ts";
import { REFUSALS, type Row, ROWS } from "./rows.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const visible = TREE.commands.filter(({ run, hidden }) => run && !hidden);
const pathOf = ({ path }: { path: readonly string[] }) => path.join(" ");

Deno.test("every command has a row in the table, and every row a command", () => {
  assertEquals(ROWS.map(({ path }) => path).sort(), visible.map(pathOf).sort());
});

Deno.test("every command: --help has an example and exit code 0, and names --json where it is taken", async () => {
  for (const command of visible) {
    for (const argv of [[...command.path, "--help"], ["--help", ...command.path]]) {
      const { code, stdout, stderr } = await cli(argv);
      assertEquals([code, stderr], [0, ""], pathOf(command));
      assertMatch(stdout, /\nExamples:\n +\S*openclaw /, pathOf(command));
      if (command.json !== false) assertMatch(stdout, /\n +--json /, pathOf(command));
    }
  }
});

Deno.test("every command: an unknown flag is exit code 2, with one JSON error and a hint", async () => {
  for (const { path } of visible) {
    const ran = await cli([...path, "--no-such-flag", "--json"]);
    assertEquals(ran.code, 2, path.join(" "));
    assertEquals(errorOf(ran, path.join(" ")).code, "USAGE");
  }
});

/** The one error document of a failed command; checks its form and what stderr says. */
function errorOf({ stdout, stderr }: Ran, what: string): { code: string; message: string } {
  const { ok, error, ...rest } = JSON.parse(stdout);
  assertEquals([ok, error.type, rest], [false, "cli_error", {}], what);
  assertMatch(error.code, /^[A-Z][A-Z0-9_]+$/, what);
  assert(error.message.length > 0, what);
  assert(stderr.includes(`error: ${error.message.split("\n")[0]}`), `${what}: ${stderr}`);
  assertMatch(
    stderr,
    /\nhint: (.*: )?(openclaw|kill|chmod|export|add --token|sudo|copy the whole line|write it as)/,
    what,
  );
  assert(!/\n +at .*\.ts:\d/.test(stderr), `${what}: a stack trace`);
  return error;
}

Deno.test("every command: without a gateway it fails with its code, one JSON error and the next command", async (t) => {
  const home = await Deno.makeTempDir();
  const env = { HOME: home, OPENCLAW_GATEWAY_PORT: String(freePort()), PATH: "/usr/bin:/bin" };
  try {
    for (const row of ROWS) {
      await t.step(row.path, async () => {
        const words = row.fails.map((word) => word.replace("{none}", `${home}/none`));
        const ran = await cli([...row.path.split(" "), ...withJson(words)], { env });
        const error = errorOf(ran, row.path);
        assertEquals(ran.code, row.code ?? 1, `${row.path}: ${ran.stderr}`);
        assert(error.code !== "INTERNAL", error.message);
      });
    }
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

/** `--json` stands in front of what follows `--`. */
function withJson(words: readonly string[]): string[] {
  return ["--json", ...words];
}

Deno.test(
  "every command: with a gateway and a node it prints one JSON document and ends with 0",
  linux,
  async (t) => {
    await using scene = await Scene.open();
    for (const { line, code, said, hint } of REFUSALS) {
      await t.step(`refused: ${line.join(" ")}`, async () => {
        const at = line.includes("--") ? line.indexOf("--") : line.length;
        const ran = await scene.run({ path: "" }, [
          ...line.slice(0, at),
          "--json",
          ...line.slice(at),
        ]);
        assertEquals(ran.code, code ?? 1, ran.stderr);
        const error = errorOf(ran, line.join(" "));
        assert(error.message.includes(said), error.message);
        assert(ran.stderr.includes(`\nhint: ${hint}`), ran.stderr);
      });
    }
    for (const row of ROWS) {
      const { works } = row;
      if (typeof works === "string") continue;
      await t.step(`${row.path} ${works.join(" ")}`, async () => {
        const argv = [...row.path.split(" "), ...withJson(await scene.fill(works))];
        const ran = await scene.run(row, argv);
        assertEquals(ran.code, 0, `${ran.stderr}\n${ran.stdout}`);
        const documents = row.lines ? ran.stdout.trim().split("\n") : [ran.stdout];
        for (const text of documents) assert(JSON.parse(text) !== undefined);
        assert(!ran.stderr.includes("error: "), ran.stderr);
      });
    }
  },
);

/** A gateway, a node that allows everything, and four machines that ask to be let in. */
class Scene implements AsyncDisposable {
  readonly #facts = new Map<string, string>();

  private constructor(readonly pair: Pair, readonly guests: readonly Running[]) {}

  static async open(): Promise<Scene> {
    const pair = await Pair.make();
    const { port, pin, token } = pair.facts;
    const guests = [1, 2, 3, 4].map((n) =>
      start(
        ["node", "run", "--host", "127.0.0.1", "--port", String(port)]
          .concat(["--tls-fingerprint", pin, "--display-name", `guest-${n}`]),
        { env: pair.home.env(`guest-${n}`, { OPENCLAW_GATEWAY_TOKEN: token }) },
      )
    );
    const scene = new Scene(pair, guests);
    for (const [i, guest] of guests.entries()) {
      const [, request] = await guest.until(/requestId: ([0-9a-f-]{36})/);
      scene.#facts.set(`{request-${i + 1}}`, request as string);
    }
    const pending = (await scene.json(["devices", "list"])).pending;
    for (const { displayName, deviceId } of pending) {
      scene.#facts.set(displayName.replace(/guest-(\d)/, "{device-$1}"), deviceId);
    }
    await scene.#leaveSurfaces();
    await scene.#leaveApproval();
    const policy = `${pair.home.path}/policy.json`;
    const defaults = { security: "full", ask: "off" };
    await Deno.writeTextFile(
      policy,
      JSON.stringify({
        version: 1,
        defaults,
        agents: {},
        tests: [{ command: "uname", expect: "run" }],
      }),
    );
    scene.#facts.set("{policy}", policy);
    await pair.policy("full", "off");
    return scene;
  }

  /** Admitted the older way: the device is in, its commands wait. */
  async #leaveSurfaces(): Promise<void> {
    for (const n of [3, 4]) {
      const params = JSON.stringify({ requestId: this.#facts.get(`{request-${n}}`) });
      await this.json(["gateway", "call", "device.pair.approve", "--params", params]);
      await this.guests[n - 1]?.until(/Connected to gateway/);
    }
    for (const { nodeId, requestId } of await this.json(["nodes", "pending"])) {
      const n = [3, 4].find((m) => this.#facts.get(`{device-${m}}`) === nodeId);
      this.#facts.set(`{surface-${n}}`, requestId);
    }
  }

  /** A command nobody allowed waits for a decision. */
  async #leaveApproval(): Promise<void> {
    const argv = ["nodes", "run", "--json", "--node", "build-1", "--", "uname"];
    const ran = await this.run({ path: "nodes run" }, argv);
    assertEquals(ran.code, 126, ran.stderr);
    this.#facts.set("{approval}", JSON.parse(ran.stdout).error.details.approvalId);
  }

  /** Words with their placeholders filled in. */
  async fill(words: readonly string[]): Promise<string[]> {
    if (words.includes("{grant}")) {
      const grants = await this.json(["approvals", "grants", "list", "--node", "build-1"]);
      this.#facts.set("{grant}", grants[0].id);
    }
    return words.map((word) => this.#facts.get(word) ?? word);
  }

  // deno-lint-ignore no-explicit-any
  async json(argv: readonly string[]): Promise<any> {
    const ran = await this.run({ path: "" }, [...argv, "--json"]);
    assertEquals(ran.code, 0, ran.stderr);
    return JSON.parse(ran.stdout);
  }

  async run(row: Pick<Row, "path" | "own" | "state">, argv: readonly string[]): Promise<Ran> {
    const env = this.pair.home.env(row.state ?? "gateway");
    return row.own ? await run(argv, { env }) : await cli(argv, { env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.guests.map((guest) => guest.end()));
    await this.pair[Symbol.asyncDispose]();
  }
}
