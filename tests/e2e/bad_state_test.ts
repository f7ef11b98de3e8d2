/**
 * Damaged files and full disks, as a person finds them: a typed refusal that names the file and the next step, the exit
 * code of its kind, and the bytes left as they are.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { command, eventually, freePort, run, start, TempHome } from "./program.ts";
import { canMount } from "../support/mounts.ts";

interface Damage {
  readonly name: string;
  /** Below the state directory. */
  readonly file: string;
  /** Makes the damaged content of the good one. */
  readonly damage: (good: Uint8Array) => Uint8Array;
  readonly command: readonly string[];
  readonly code: number;
  readonly said: RegExp;
}

const cut = (good: Uint8Array) => good.slice(0, Math.floor(good.length / 2));
const garbage = () => new TextEncoder().encode("no such thing\n");

const DAMAGES: readonly Damage[] = [
  {
    name: "F06: openclaw.json cut in half",
    file: "openclaw.json",
    damage: cut,
    command: ["gateway", "run"],
    code: 78,
    said: /Cannot use config .*openclaw\.json: .* at line \d+, column \d+\nhint: /,
  },
  {
    name: "F06: the same for a command that only asks",
    file: "openclaw.json",
    damage: cut,
    command: ["nodes", "status"],
    code: 1,
    said: /Cannot use config .* at line \d+, column \d+\nhint: /,
  },
  {
    name: "node.json cut in half",
    file: "node.json",
    damage: cut,
    command: ["node", "run"],
    code: 1,
    said: /Cannot read ".*node\.json": not JSON .*\nhint: repair the file, or start over with: mv /,
  },
  {
    name: "the gateway's database cut in half",
    file: "gateway/gateway.sqlite",
    damage: cut,
    command: ["gateway", "run"],
    code: 78,
    said: /gateway\.sqlite": it is cut off at \d+ of \d+ bytes\nhint: /,
  },
  {
    name: "the gateway's database is something else",
    file: "gateway/gateway.sqlite",
    damage: garbage,
    command: ["gateway", "run"],
    code: 78,
    said: /gateway\.sqlite": it is not an SQLite file\nhint: /,
  },
  {
    name: "the node's key is no key",
    file: "identity/device.json",
    damage: garbage,
    command: ["node", "run"],
    code: 1,
    said: /Cannot use the device key ".*device\.json": .*left as it is\nhint: .*mv /,
  },
  {
    name: "the operator's key is no key",
    file: "identity/operator.json",
    damage: garbage,
    command: ["health"],
    code: 1,
    said: /Cannot use the device key ".*operator\.json": .*left as it is\nhint: .*mv /,
  },
  {
    name: "the TLS key is no key",
    file: "gateway/tls/gateway-key.pem",
    damage: garbage,
    command: ["gateway", "run", "--tls"],
    code: 78,
    said: /gateway-key\.pem.*\nhint: /s,
  },
];

Deno.test("damaged files are refused by name, with the next step, and stay as they are", async (t) => {
  await using home = await TempHome.make();
  const env = home.env("s", { OPENCLAW_GATEWAY_PORT: String(freePort()) });
  await makeEverything(env);
  for (const { name, file, damage, command, code, said } of DAMAGES) {
    await t.step(name, async () => {
      const path = `${home.path}/s/${file}`;
      const good = await Deno.readFile(path);
      const bad = damage(good);
      await Deno.writeFile(path, bad as Uint8Array<ArrayBuffer>);
      const done = await run(command, { env });
      assertEquals(done.code, code, done.stderr);
      assertMatch(done.stderr, said);
      assertEquals(await Deno.readFile(path), bad as Uint8Array<ArrayBuffer>);
      await Deno.writeFile(path, good);
    });
  }
});

/** Runs gateway, node and a command once, so that all their files are there. */
async function makeEverything(env: Record<string, string>): Promise<void> {
  await using gateway = start(["gateway", "run", "--tls"], { env });
  await gateway.until(/ready \(Ctrl-C stops\)/);
  const health = await run(["health"], { env });
  assertEquals(health.code, 0, health.stderr);
  const pin = gateway.said.match(/[0-9a-f]{64}/)?.[0] as string;
  const port = env.OPENCLAW_GATEWAY_PORT as string;
  const flags = ["--host", "127.0.0.1", "--port", port, "--tls-fingerprint", pin];
  await using node = start(["node", "run", ...flags], { env });
  await node.until(/pairing required/);
  await node.end();
  await gateway.end();
}

Deno.test("F30: a port in use is named with its holder, and nothing is lost", async () => {
  await using home = await TempHome.make();
  using holder = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = holder.addr as Deno.NetAddr;
  const env = home.env("s", { OPENCLAW_GATEWAY_PORT: String(port) });
  const done = await run(["gateway", "run"], { env });
  assertEquals(done.code, 1);
  const who = Deno.build.os === "linux" ? `process ${Deno.pid} (` : "already listens there";
  assertStringIncludes(done.stderr, who);
  assertStringIncludes(done.stderr, `hint: openclaw gateway run --port ${port + 1}`);
});

const possible = await canMount();
if (!possible) {
  console.log("not run: F04 of a whole gateway (no unprivileged mount namespaces here)");
}

Deno.test(
  "F04: a gateway whose disk is full keeps its nodes, refuses what it cannot keep, and recovers by itself",
  { ignore: !possible },
  async () => {
    await using scene = await SmallDisk.open();
    const node = await scene.pairedNode();
    const { deviceId } = await scene.record();
    const runs = () => scene.cli(["nodes", "run", "--node", deviceId, "--", "echo", "alive"]);
    assertEquals((await runs()).stdout, "alive\n");
    await scene.fill();
    // What the database's files have room for is still kept.
    let refused = await scene.rename("x0");
    for (let n = 1; refused.code === 0 && n < 60; n++) refused = await scene.rename(`x${n}`);
    assertEquals(refused.code, 1, refused.stdout);
    assertMatch(refused.stderr, /disk is full|No space left/i);
    const label = await scene.label();
    const alive = await runs();
    assertEquals([alive.code, alive.stdout], [0, "alive\n"], alive.stderr);
    assert(!/closed|disconnected/.test(node.said), "the node stayed");
    await scene.free();
    assertEquals(await scene.label(), label, "undone in memory");
    await eventually("changes are kept again", async () => (await scene.rename("y")).code === 0);
    assertStringIncludes((await scene.cli(["devices", "list"])).stdout, "│ y");
  },
);

Deno.test(
  "F05: a gateway on a read-only disk serves from memory, says so, and keeps nothing it cannot keep",
  { ignore: !possible },
  async () => {
    await using home = await TempHome.make();
    const token = "tok-read-only-disk";
    const port = freePort();
    const env = home.env("s", {
      OPENCLAW_GATEWAY_PORT: String(port),
      OPENCLAW_GATEWAY_TOKEN: token,
    });
    const owner = { ...env, OPENCLAW_STATE_DIR: `${home.path}/owner` };
    // While it can write, it learns to know an operator.
    await using first = start(["gateway", "run"], { env });
    await first.until(/ready \(Ctrl-C stops\)/);
    assertEquals((await run(["health"], { env: owner })).code, 0);
    await first.end();
    const { file, args } = command(["gateway", "run"]);
    const mount =
      'mount --bind "$STATE" "$STATE" && mount -o remount,ro,bind "$STATE" && exec "$@"';
    const child = new Deno.Command("unshare", {
      args: ["-rm", "sh", "-c", mount, "sh", file, ...args],
      env: { ...env, STATE: `${home.path}/s` },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const said = new Response(child.stderr).text();
    try {
      await eventually(
        "it answers",
        async () => (await run(["health"], { env: owner })).code === 0,
      );
      const list = await run(["devices", "list", "--json"], { env: owner });
      const { paired } = JSON.parse(list.stdout);
      assertEquals(paired.length, 1, "what it knew before");
      const rename = ["devices", "rename", "--device", paired[0].deviceId, "--name", "other"];
      const refused = await run(rename, { env: owner });
      assertEquals(refused.code, 1, refused.stdout);
      assertMatch(refused.stderr, /cannot be|not saved|read-only|unable to open/i);
      const again = JSON.parse((await run(["devices", "list", "--json"], { env: owner })).stdout);
      assertEquals(again.paired[0].operatorLabel, paired[0].operatorLabel, "nothing is invented");
      const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
      const body = await ready.json();
      assertEquals([ready.status, body.ready], [503, false]);
      assertMatch(JSON.stringify(body.failing), /store/);
    } finally {
      child.kill("SIGTERM");
      await child.status;
    }
    assertMatch(await said, /warning: What others are told of this gateway is not up to date/);
  },
);

/** A gateway whose state directory is a file system of 3 MiB that can be filled and freed. */
class SmallDisk implements AsyncDisposable {
  readonly #nodes: { end(): Promise<unknown> }[] = [];

  private constructor(
    readonly home: TempHome,
    private readonly child: Deno.ChildProcess,
    private readonly port: number,
  ) {}

  static async open(): Promise<SmallDisk> {
    const home = await TempHome.make();
    const port = freePort();
    await Deno.mkdir(`${home.path}/s`);
    const { file, args } = command(["gateway", "run", "--port", String(port)]);
    // Only inside its mount namespace can the disk be filled: files outside say when.
    const script = `mount -t tmpfs -o size=3m,mode=700 none "$STATE" || exit 1
      "$@" & gateway=$!
      trap 'kill $gateway' TERM
      until [ -e "$STATE.fill" ]; do sleep 0.05; done
      dd if=/dev/zero of="$STATE/filler" bs=4k count=2000 2>/dev/null; touch "$STATE.filled"
      until [ -e "$STATE.free" ]; do sleep 0.05; done
      rm "$STATE/filler"; touch "$STATE.freed"
      wait $gateway`;
    const child = new Deno.Command("unshare", {
      args: ["-rm", "sh", "-c", script, "sh", file, ...args],
      env: home.env("s", { STATE: `${home.path}/s`, OPENCLAW_GATEWAY_TOKEN: "tok-small-disk" }),
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const scene = new SmallDisk(home, child, port);
    await eventually("the gateway answers", async () => (await scene.cli(["health"])).code === 0);
    return scene;
  }

  /** A command of the owner: same machine, same token, a state directory of its own. */
  cli(args: readonly string[]) {
    const env = this.home.env("owner", {
      OPENCLAW_GATEWAY_PORT: String(this.port),
      OPENCLAW_GATEWAY_TOKEN: "tok-small-disk",
    });
    return run(args, { env });
  }

  async record(): Promise<{ deviceId: string; operatorLabel: string }> {
    const { paired } = JSON.parse((await this.cli(["devices", "list", "--json"])).stdout);
    return paired.find((one: { role: string }) => one.role === "node");
  }

  /** What the operator calls the node. */
  async label(): Promise<string> {
    return (await this.record()).operatorLabel;
  }

  async rename(name: string) {
    const { deviceId } = await this.record();
    return await this.cli(["devices", "rename", "--device", deviceId, "--name", name]);
  }

  async pairedNode() {
    const env = this.home.env("node", { OPENCLAW_GATEWAY_TOKEN: "tok-small-disk" });
    const policy = { version: 1, defaults: { security: "full", ask: "off" }, agents: {} };
    await Deno.mkdir(`${this.home.path}/node`, { mode: 0o700 });
    const file = `${this.home.path}/node/exec-approvals.json`;
    await Deno.writeTextFile(file, JSON.stringify(policy), { mode: 0o600 });
    const flags = ["--host", "127.0.0.1", "--port", String(this.port), "--display-name", "small"];
    const node = start(["node", "run", ...flags], { env });
    this.#nodes.push(node);
    const [, id] = await node.until(/requestId: ([0-9a-f-]{36})/);
    const approved = await this.cli(["devices", "approve", id as string]);
    assertEquals(approved.code, 0, approved.stderr);
    await node.until(/Connected to gateway/);
    return node;
  }

  async fill(): Promise<void> {
    await this.#say("fill", "filled");
  }

  async free(): Promise<void> {
    await this.#say("free", "freed");
  }

  async #say(word: string, answer: string): Promise<void> {
    await Deno.writeTextFile(`${this.home.path}/s.${word}`, "");
    await eventually(
      answer,
      () => Deno.stat(`${this.home.path}/s.${answer}`).then(() => true, () => false),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node.end();
    // The script waits for these two before it waits for the gateway.
    for (const word of ["fill", "free"]) {
      await Deno.writeTextFile(`${this.home.path}/s.${word}`, "");
    }
    await eventually(
      "freed",
      () => Deno.stat(`${this.home.path}/s.freed`).then(() => true, () => false),
    );
    this.child.kill("SIGTERM");
    await this.child.status;
    await this.home[Symbol.asyncDispose]();
  }
}
