/** `approvals explain`, `test` and `grants` on this machine: the live policy, without running anything. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { cli } from "./support.ts";

interface Home {
  readonly env: Record<string, string>;
  readonly dir: string;
  run(...argv: string[]): ReturnType<typeof cli>;
}

const linux = { ignore: Deno.build.os !== "linux" };

async function withHome(policy: unknown, test: (home: Home) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "explain-" }));
  const env = { HOME: dir, PATH: "/usr/bin:/bin" };
  try {
    await Deno.mkdir(join(dir, ".openclaw"), { mode: 0o700 });
    const file = join(dir, ".openclaw", "exec-approvals.json");
    await Deno.writeTextFile(file, JSON.stringify(policy), { mode: 0o600 });
    await test({ env, dir, run: (...argv) => cli(argv, { env }) });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const POLICY = {
  version: 1,
  defaults: { security: "allowlist", ask: "off" },
  agents: { "*": { allowlist: ["uname"] } },
  tests: [{ command: "uname -a", expect: "run" }, { command: "id", expect: "run" }],
};

Deno.test(
  "approvals explain says what would happen, and its fix works as pasted",
  linux,
  () =>
    withHome(POLICY, async ({ run }) => {
      assertMatch((await run("approvals", "explain", "--", "uname", "-a")).stdout, /^would run\n/);
      const miss = await run("approvals", "explain", "--raw", "uname && id");
      assertMatch(miss.stdout, /^would be refused: allowlist-miss\n/);
      const fix = /^fix: openclaw (.*)$/m.exec(miss.stdout)?.[1];
      assertEquals(fix, "approvals allowlist add --agent main /usr/bin/id");
      assertEquals((await run(...fix!.split(" "))).code, 0);
      assertMatch(
        (await run("approvals", "explain", "--raw", "uname && id")).stdout,
        /^would run\n/,
      );
      const json = JSON.parse((await run("approvals", "explain", "--json", "--", "uname")).stdout);
      assertEquals([json.decision, json.explanation.segments[0].allowed], ["run", true]);
      assertEquals((await run("approvals", "explain")).code, 2);
    }),
);

Deno.test(
  "approvals test runs the cases of the policy file and fails with the explanation",
  linux,
  () =>
    withHome(POLICY, async ({ run, dir }) => {
      const { code, stdout } = await run("approvals", "test");
      assertEquals(code, 1);
      assertMatch(stdout, /^ok {4} uname -a\nFAILED id: expected run, found deny\n/);
      assertMatch(stdout, /fix: openclaw approvals allowlist add --agent main \/usr\/bin\/id/);
      assertMatch(stdout, /1 passed, 1 failed\n$/);
      const draft = join(dir, "draft.json5");
      await Deno.writeTextFile(
        draft,
        `{version: 1, defaults: {security: "deny"}, tests: [{command: ["uname"], expect: "deny"}]}`,
      );
      assertEquals((await run("approvals", "test", "--file", draft)).code, 0);
      await Deno.writeTextFile(draft, "{");
      assertEquals((await run("approvals", "test", "--file", draft)).code, 1);
    }),
);

Deno.test(
  "approvals grants are added, counted in explain, listed and revoked",
  linux,
  () =>
    withHome(POLICY, async ({ run }) => {
      assertEquals((await run("approvals", "grants", "list")).stdout, "No grants.\n");
      assertEquals((await run("approvals", "grants", "add", "/usr/bin/id")).code, 2);
      const added = await run(
        "approvals",
        "grants",
        "add",
        "--runs",
        "2",
        "--for",
        "10m",
        "--",
        "/usr/bin/id",
        "-u",
      );
      assertMatch(
        added.stdout,
        /^Granted \w{8}: \/usr\/bin\/id, arguments -u, 2 runs left, 10 min left\n$/,
      );
      assertMatch(
        (await run("approvals", "explain", "--", "id", "-u")).stdout,
        /would run\n[^]*allowed by grant /,
      );
      assertMatch((await run("approvals", "explain", "--", "id", "-g")).stdout, /would be refused/);
      const [grant] = JSON.parse((await run("approvals", "grants", "list", "--json")).stdout);
      assertEquals(grant.runsLeft, 2);
      const policy = await run("approvals", "get");
      assert(
        policy.stdout.includes(grant.id) &&
          /\/usr\/bin\/id, arguments -u, 2 runs left/.test(policy.stdout),
      );
      const shown = JSON.parse((await run("approvals", "get", "--json")).stdout);
      assertEquals(shown.grants, [grant]);
      assert(!JSON.stringify(shown.file).includes(grant.id));
      for (const words of [["list"], ["add", "--runs", "1", "/usr/bin/id"], ["revoke", grant.id]]) {
        const [verb = "", ...rest] = words;
        const gateway = await run("approvals", "grants", verb, "--gateway", ...rest);
        assertMatch(gateway.stderr, /A gateway runs no commands, so it has no grants[^]*--node/);
        assertEquals(gateway.code, 2);
      }
      assertEquals((await run("approvals", "grants", "revoke", grant.id)).code, 0);
      const again = await run("approvals", "grants", "revoke", grant.id);
      assert(again.code === 1 && again.stderr.includes("approvals grants list"));
      assertMatch((await run("approvals", "explain", "--", "id", "-u")).stdout, /would be refused/);
    }),
);
