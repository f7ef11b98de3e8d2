/** `doctor --fix`: each safe repair, that it is listed, and that nothing else is touched. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { cli } from "../../cli/support.ts";
import { type TempState, tempState } from "../../config/temp_state.ts";
import { freePort } from "../program.ts";
import { read } from "./report.ts";

const ignore = Deno.build.os === "windows";
const HOUR_MS = 3_600_000;

async function withState(config: string, use: (state: TempState) => Promise<void>) {
  await using state = await tempState({ OPENCLAW_GATEWAY_PORT: String(freePort()) }, config);
  await use(state);
}

/** Runs the repair; the way to a gateway is broken all the same, for none runs. */
async function fix({ env }: TempState): Promise<readonly string[]> {
  const done = await cli(["doctor", "--fix", "--json"], { env: env as Record<string, string> });
  return read(done).fixed;
}

async function write(path: string, text: string | Uint8Array, mode = 0o600): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
  await Deno.chmod(path, mode);
}

const modeOf = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;
const isThere = (path: string) => Deno.lstat(path).then(() => true, () => false);

Deno.test(
  "--fix: N40: modes of our files and folders are tightened, and only bits are taken away",
  { ignore },
  () =>
    withState("{}", async (state) => {
      const { paths } = state;
      await write(paths.operatorKeyFile, "{}", 0o644);
      await write(paths.approvalsFile, "{}", 0o400);
      await Deno.chmod(paths.identityDir, 0o755);
      await Deno.chmod(paths.configFile, 0o666);
      const fixed = await fix(state);
      assertEquals(modeOf(paths.operatorKeyFile), 0o600);
      assertEquals(modeOf(paths.approvalsFile), 0o400);
      assertEquals(modeOf(paths.identityDir), 0o700);
      assertEquals(modeOf(paths.configFile), 0o600);
      const config = fixed.find((line) => line.startsWith(paths.configFile)) ?? "";
      assertStringIncludes(config, "mode 666 is now 600; others could write it: read it over");
      assertEquals(fixed.length, 3, fixed.join("\n"));
      assertEquals(await fix(state), [], "a second run finds nothing");
    }),
);

Deno.test(
  "--fix: N40: what a link points to keeps its mode",
  { ignore },
  () =>
    withState("{}", async (state) => {
      const elsewhere = join(state.home, "elsewhere");
      await write(elsewhere, "x", 0o644);
      await Deno.mkdir(state.paths.identityDir, { mode: 0o700 });
      await Deno.symlink(elsewhere, state.paths.operatorKeyFile);
      assertEquals(await fix(state), []);
      assertEquals(modeOf(elsewhere), 0o644);
    }),
);

Deno.test("--fix: temporary files of writes that did not end go, young ones and other names stay", {
  ignore,
}, () =>
  withState("{}", async (state) => {
    const folder = state.paths.stateDir;
    const old = new Date(Date.now() - HOUR_MS);
    const names = {
      left: join(folder, ".openclaw.json.0a1b2c3d.tmp"),
      probe: join(folder, `.doctor-${crypto.randomUUID()}`),
      young: join(folder, ".node.json.00000000.tmp"),
      mine: join(folder, ".notes.tmp"),
    };
    for (const path of Object.values(names)) await write(path, "x");
    for (const path of [names.left, names.probe, names.mine]) await Deno.utime(path, old, old);
    assertEquals((await fix(state)).length, 2);
    const left = await Promise.all(Object.values(names).map(isThere));
    assertEquals(left, [false, false, true, true]);
  }));

Deno.test(
  "--fix: what a write through a linked configuration left in the folder of its target goes",
  {
    ignore,
  },
  () =>
    withState("{}", async (state) => {
      const { configFile } = state.paths;
      const target = join(state.home, "dotfiles", "openclaw.json");
      const left = join(dirname(target), ".openclaw.json.0a1b2c3d.tmp");
      for (const path of [target, left]) await write(path, "{}");
      const old = new Date(Date.now() - HOUR_MS);
      await Deno.utime(left, old, old);
      await Deno.remove(configFile);
      await Deno.symlink(target, configFile);
      assertEquals(await fix(state), [`${left}: removed, left over by a write that did not end`]);
      assert(!await isThere(left) && await isThere(target));
    }),
);

Deno.test("--fix: F31: records of processes that are gone go, that of a living one stays", {
  ignore,
}, () =>
  withState("{}", async (state) => {
    const gone = { version: 1, pid: 2_000_000_000, host: "127.0.0.1", port: 1, tls: false };
    const gateway = join(state.paths.gatewayDir, "runtime.json");
    await write(gateway, JSON.stringify({ ...gone, fingerprint: null }));
    await write(state.paths.runtimeFile, "{ half");
    const fixed = await fix(state);
    assertEquals(await isThere(gateway), false);
    assertEquals(await isThere(state.paths.runtimeFile), false);
    assertEquals(fixed.length, 2, fixed.join("\n"));
    await write(gateway, JSON.stringify({ ...gone, pid: Deno.pid, fingerprint: null }));
    assertEquals(await fix(state), []);
    assert(await isThere(gateway));
  }));

Deno.test(
  "--fix: a tunnel socket nobody listens on goes, a served one stays",
  { ignore },
  () =>
    withState("{}", async (state) => {
      const folder = state.paths.tunnelsDir;
      await Deno.mkdir(folder, { mode: 0o700 });
      const dead = join(folder, "dead.sock");
      const live = join(folder, "live.sock");
      Deno.listen({ transport: "unix", path: dead }).close();
      if (!await isThere(dead)) {
        // The runtime takes the file with it; a killed process does not.
        const kept = join(folder, "kept");
        const listener = Deno.listen({ transport: "unix", path: dead });
        await Deno.link(dead, kept);
        listener.close();
        await Deno.rename(kept, dead);
      }
      using _listener = Deno.listen({ transport: "unix", path: live });
      assertEquals(await fix(state), [`${dead}: removed, nobody listens on it`]);
      assert(await isThere(live));
    }),
);

Deno.test(
  "--fix: F06: a byte order mark goes when all behind it is good, the file as it was is kept",
  { ignore },
  () =>
    withState("{}", async (state) => {
      const text = "// mine\n{ gateway: { port: 18790 } }\n";
      const marked = new Uint8Array([0xef, 0xbb, 0xbf, ...new TextEncoder().encode(text)]);
      await state.write(marked);
      const fixed = await fix(state);
      assertMatch(fixed.join(), /byte order mark removed/);
      assertEquals(await state.read(), text);
      assertEquals(await Deno.readFile(`${state.paths.configFile}.bad`), marked);
      assertEquals(modeOf(`${state.paths.configFile}.bad`), 0o600);
    }),
);

Deno.test(
  "--fix: F06: every other damage is left for a person",
  { ignore },
  () =>
    withState("{}", async (state) => {
      const bytes = (...parts: (string | number[])[]) =>
        new Uint8Array(
          parts.flatMap((part) =>
            typeof part === "string" ? [...new TextEncoder().encode(part)] : part
          ),
        );
      const mark = [0xef, 0xbb, 0xbf];
      const damaged = [
        bytes(mark, "{ half"),
        bytes(mark, '{"gateway":{"port":99999}}'),
        bytes(mark, '{"a":"', [0xc3, 0x28], '"}'),
        bytes([0xff, 0xfe], "{\0}\0"),
        bytes("{", [0, 0, 0]),
        bytes(""),
      ];
      for (const content of damaged) {
        await state.write(content);
        assertEquals(await fix(state), []);
        assertEquals(await Deno.readFile(state.paths.configFile), content);
      }
    }),
);

Deno.test(
  "--fix: a gateway without any secret gets a token; a client, another mode or a secret elsewhere does not",
  { ignore },
  async () => {
    const rows: [config: string, made: boolean][] = [
      ['{ "gateway": { "mode": "local" } }', true],
      ["{}", false],
      ['{ "gateway": { "mode": "remote", "remote": { "url": "wss://g.invalid:1" } } }', false],
      ['{ "gateway": { "mode": "local", "auth": { "mode": "password" } } }', false],
      ['{ "gateway": { "mode": "local", "auth": { "mode": "none" } } }', false],
      ['{ "gateway": { "mode": "local", "auth": { "token": "mine" } } }', false],
      ['{ "gateway": { "mode": "local", "auth": { "token": "${NOT_SET}" } } }', false],
    ];
    for (const [config, made] of rows) {
      await withState(config, async (state) => {
        const fixed = await fix(state);
        assertEquals(fixed.length, made ? 1 : 0, config);
        const { auth } = (await state.load()).config.gateway;
        if (!made) return assertEquals(await state.read(), config);
        assert(auth.token?.kind === "value");
        assertMatch(auth.token.secret.reveal(), /^[0-9a-f]{48}$/);
        assert(!fixed.join().includes(auth.token.secret.reveal()), "never shown");
      });
    }
  },
);
