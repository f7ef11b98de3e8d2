/**
 * The walk-throughs of the README's "Remote access", typed as they stand there: in a network namespace with its own
 * loopback, so that even the ports are the written ones, with a real sshd and a stand-in `tailscale`.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { type OtherMachine, otherMachine } from "../../support/netns.ts";
import { processesWith, sshdMissing, startSshd } from "../../support/sshd.ts";
import { command, eventually, TempHome } from "../program.ts";
import { TypedShell } from "./typed_shell.ts";

const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
const section = readme.split(/^## Remote access$/m)[1]?.split(/^## /m)[0] ?? "";

/** One way: its name and its lines, in order. */
interface Way {
  readonly name: string;
  readonly lines: readonly string[];
}

const ways: Way[] = section.split(/^(?=\*\*)/m).slice(1).map((text) => ({
  name: /^\*\*(.+?)\.?\*\*/.exec(text)?.[1] ?? "",
  lines: [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].flatMap((m) =>
    (m[1] ?? "").trimEnd().split("\n")
  ),
}));

const TAILSCALE = `#!/bin/sh
case "$*" in
  "status --json") echo '{"Self":{"DNSName":"gw.tail1234.ts.net."},"Peer":{}}' ;;
  "serve status --json") echo '{}' ;;
esac
`;

/** Everything one way is typed into. */
class Desk implements AsyncDisposable {
  readonly #terminals = new Map<string, TypedShell[]>();
  /** Ids as the README prints them, and as they are this time. */
  readonly #ids = new Map<string, string>();

  private constructor(
    readonly machine: OtherMachine,
    readonly home: TempHome,
    readonly sshConfig: string,
  ) {}

  static async make(machine: OtherMachine, sshConfig: string): Promise<Desk> {
    const home = await TempHome.make();
    const bin = join(home.path, "bin");
    await Deno.mkdir(bin);
    const { file, args } = command([]);
    const script = (name: string, text: string) =>
      Deno.writeTextFile(join(bin, name), text, { mode: 0o755 });
    await script("openclaw", `#!/bin/sh\nexec ${file} ${args.join(" ")} "$@"\n`);
    await script("ssh", `#!/bin/sh\nexec /usr/bin/ssh -F ${sshConfig} "$@"\n`);
    await script("tailscale", TAILSCALE);
    return new Desk(machine, home, sshConfig);
  }

  /** A free terminal of somebody; a program in the foreground keeps its own. */
  async terminal(who: string): Promise<TypedShell> {
    const mine = this.#terminals.get(who) ?? [];
    this.#terminals.set(who, mine);
    for (const terminal of mine) if (await terminal.isFree(5_000)) return terminal;
    const env = this.home.env(who, { OPENCLAW_SSH_CONFIG: this.sshConfig });
    const path = `${this.home.path}/bin:/usr/bin:/bin`;
    const terminal = new TypedShell(this.machine.name, { ...env, PATH: path });
    mine.unshift(terminal);
    return terminal;
  }

  /** What a command prints on the gateway's machine. */
  async ask(line: string): Promise<string> {
    const terminal = await this.terminal("gateway");
    terminal.type(line);
    assert(await terminal.isFree(20_000), terminal.said);
    return terminal.answer;
  }

  /** Types a line of the README, with this run's values in it. */
  async type(who: string, line: string): Promise<TypedShell> {
    let text = line;
    if (text.includes("<fingerprint>")) {
      const said = await this.ask("openclaw gateway fingerprint");
      text = text.replaceAll("<fingerprint>", said.match(/[0-9a-f]{64}/)?.[0] ?? "");
    }
    if (text.includes("<token>")) {
      const said = await this.ask("openclaw config get gateway.auth.token --reveal");
      text = text.replaceAll("<token>", said.trim());
    }
    for (const [written, now] of this.#ids) text = text.replaceAll(written, now);
    assert(!/<\w+>/.test(text), text);
    const terminal = await this.terminal(who);
    terminal.type(text);
    return terminal;
  }

  /** Waits for a printed line: numbers, paths, times and ids differ. */
  async expect(terminal: TypedShell, line: string): Promise<void> {
    const id = /[0-9a-f]{8}-(?:…|[0-9a-f]{4}-[0-9a-f-]{22})/;
    const written = id.exec(line)?.[0];
    const pattern = line.split(new RegExp(`(${id.source}|…|~\\/\\.openclaw|\\d+)`)).map(
      (part, i) => {
        if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
        if (part === "…" || part.startsWith("~/")) return ".*";
        return part.includes("-") ? "([0-9a-f-]{36})" : "\\d+";
      },
    ).join("");
    // A log line belongs to whoever runs in the foreground somewhere.
    const shown = line.startsWith("…") ? [...this.#terminals.values()].flat() : [terminal];
    const found = new AbortController();
    const match = await Promise.any(
      shown.map((t) => t.until(new RegExp(pattern), 30_000, found.signal)),
    ).finally(() => found.abort());
    if (written !== undefined && match[1] !== undefined && !this.#ids.has(written)) {
      this.#ids.set(written, match[1]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const terminal of [...this.#terminals.values()].flat()) await terminal.end();
    // A shared tunnel outlives its commands by 30 s; the test does not.
    for (const { pid } of await processesWith(this.sshConfig)) Deno.kill(pid, "SIGKILL");
    await eventually(
      "ssh is gone",
      async () => (await processesWith(this.sshConfig)).length === 0,
      5_000,
    );
    await this.home[Symbol.asyncDispose]();
  }
}

/** Types every line of a way and waits for what is printed below it. */
async function walk(way: Way, desk: Desk): Promise<number> {
  if (!way.lines.some((line) => /^gateway\$ +openclaw gateway run/.test(line))) {
    // The gateway these ways lead to is the quick start's.
    await (await desk.type("gateway", "openclaw gateway run --tls")).until(/ready/, 20_000);
  }
  let current: TypedShell | undefined;
  let typed = 0;
  for (const line of way.lines) {
    const prompt = /^(\w*)\$ +(.+)$/.exec(line);
    if (prompt?.[2] !== undefined) {
      // What stays has to stand, and what ends has to have ended, before anybody types again.
      if (current && /gateway run/.test(current.typed)) await current.until(/ready/, 20_000);
      else await current?.isFree(5_000);
      current = await desk.type(prompt[1] || "laptop", prompt[2]);
      typed++;
    } else if (current) await desk.expect(current, line);
  }
  return typed;
}

Deno.test("the README's ways to a gateway, typed as written", async (t) => {
  assertEquals(ways.map((way) => way.name), [
    "ssh by hand",
    "Managed tunnel",
    "Direct TLS with a pin",
    "Tailnet",
  ]);
  assertMatch(section, /\*\*Tailnet\*\* \(run against a stand-in `tailscale`/);
  const missing = await sshdMissing();
  if (missing) return console.log(`skipped: ${missing}`);
  const machine = await otherMachine();
  if (!machine) return;
  const sshd = await startSshd({
    elsewhere: { netns: machine.name, address: machine.thereAddress },
  });
  const sshConfig = join(sshd.dir, "readme_config");
  const config = await Deno.readTextFile(sshd.configFile);
  await Deno.writeTextFile(sshConfig, config.replace(/^Host .*/, "Host gw.example"));
  try {
    // The address the README uses for the gateway on the LAN.
    const lan = ["-n", machine.name, "addr", "add", "192.0.2.10/32", "dev", "lo"];
    assertEquals((await new Deno.Command("ip", { args: lan }).output()).success, true);
    for (const way of ways) {
      await t.step(way.name, async () => {
        await using desk = await Desk.make(machine, sshConfig);
        const typed = await walk(way, desk);
        console.log(`${way.name}: ${typed} lines typed`);
      });
    }
  } finally {
    await sshd.close();
    await machine.close();
  }
});
