/** Asking who owns a tailnet address, against a stand-in `tailscale` on PATH. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { createWhois } from "../../../src/config/server/tailscale_whois.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { inside, type TempState, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";

/** A `tailscale` that writes down its arguments and then runs `body`. */
async function standIn(state: TempState, body: string) {
  const calls = inside(state, "calls");
  const program = inside(state, "tailscale");
  await Deno.writeTextFile(program, `#!/bin/sh\necho "$@" >> ${calls}\n${body}\n`);
  await Deno.chmod(program, 0o700);
  const count = async () =>
    (await Deno.readTextFile(calls).catch(() => "")).split("\n").filter(Boolean);
  return { program, calls: count };
}

const answer = (login: string) => `echo '{"Node":{},"UserProfile":{"LoginName":"${login}"}}'`;

Deno.test(
  "createWhois() asks with plain arguments and keeps an answer 60 s",
  { ignore: !posix },
  async () => {
    await using state = await tempState();
    const { program, calls } = await standIn(state, answer("ada@example.com"));
    const clock = new FakeClock();
    const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, clock, program });
    assertEquals(await whois("100.64.0.7"), "ada@example.com");
    assertEquals(await whois("::ffff:100.64.0.7"), "ada@example.com");
    assertEquals(await calls(), ["whois --json 100.64.0.7"]);
    clock.advance(60_001);
    assertEquals(await whois("100.64.0.7"), "ada@example.com");
    assertEquals((await calls()).length, 2);
  },
);

Deno.test(
  "createWhois() asks once for questions at the same time",
  { ignore: !posix },
  async () => {
    await using state = await tempState();
    const { program, calls } = await standIn(state, answer("ada@example.com"));
    const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, program });
    const logins = await Promise.all(["100.64.0.7", "100.64.0.7", "100.64.0.7"].map(whois));
    assertEquals(logins, new Array(3).fill("ada@example.com"));
    assertEquals((await calls()).length, 1);
  },
);

Deno.test("N09: nobody vouches when the daemon fails, answers oddly or the owner is a tag", {
  ignore: !posix,
}, async () => {
  for (
    const body of [
      "exit 1",
      "echo nonsense",
      "echo '{}'",
      'echo \'{"UserProfile":{"LoginName":5}}\'',
      answer("tagged-devices"),
      answer(""),
      answer("x").replace("{}", `{"Addresses":["100.64.0.8/32"]}`),
      answer("x").replace("{}", `{"Addresses":["100.64.0.8/32","garbage",7,null]}`),
      "printf '[]'",
      "printf 'null'",
      "printf '\\000\\001\\377'",
      "head -c 400000 /dev/zero",
      `${answer("ada@example.com")}; exit 3`,
      `${answer("ada@example.com")}; ${answer("boss@example.com")}`,
      "kill -9 $$",
    ]
  ) {
    await using state = await tempState();
    const { program } = await standIn(state, body);
    const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, program });
    assertEquals(await whois("100.64.0.7"), undefined, body);
  }
  assertEquals(
    await createWhois({ env: {}, program: "/nonexistent/tailscale" })("100.64.0.7"),
    undefined,
  );
});

Deno.test("N09: a failure is asked again after 5 s, not before", { ignore: !posix }, async () => {
  await using state = await tempState();
  const { program, calls } = await standIn(state, "exit 1");
  const clock = new FakeClock();
  const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, clock, program });
  await whois("100.64.0.7");
  await whois("100.64.0.7");
  assertEquals((await calls()).length, 1);
  clock.advance(5_001);
  await whois("100.64.0.7");
  assertEquals((await calls()).length, 2);
});

Deno.test("only addresses reach the command line", { ignore: !posix }, async () => {
  await using state = await tempState();
  const { program, calls } = await standIn(state, answer("ada@example.com"));
  const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, program });
  for (const text of ["--help", "name.ts.net", "100.64.0.7; x", ""]) {
    assertEquals(await whois(text), undefined);
  }
  assertEquals(await calls(), []);
});

Deno.test("N09: an answer about the node that was asked for counts, in every form of its address", {
  ignore: !posix,
}, async () => {
  for (const addresses of ['["100.64.0.7/32","fd7a::7/128"]', '["100.64.0.7"]', "[]", "null"]) {
    await using state = await tempState();
    const body = `echo '{"Node":{"Addresses":${addresses}},"UserProfile":{"LoginName":"ada"}}'`;
    const { program } = await standIn(state, body);
    const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, program });
    assertEquals(await whois("100.64.0.7"), "ada", addresses);
  }
});

Deno.test(
  "N09: a daemon that never answers is given up after 5 s; nobody vouches, its child is gone",
  {
    ignore: !posix,
  },
  async () => {
    await using state = await tempState();
    const { program } = await standIn(state, `echo $$ > ${inside(state, "pid")}; exec sleep 600`);
    const startMs = performance.now();
    const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, program });
    const logins = await Promise.all(["100.64.0.7", "100.64.0.7"].map(whois));
    assertEquals(logins, [undefined, undefined]);
    // The program itself would take 600 s.
    assert(performance.now() - startMs < 120_000);
    const pid = Number(await Deno.readTextFile(inside(state, "pid")));
    assertThrows(() => Deno.kill(pid, "SIGTERM"));
  },
);

Deno.test("createWhois() looks for the program at each question; without one nobody vouches", {
  ignore: !posix,
}, async () => {
  await using state = await tempState();
  const clock = new FakeClock();
  const missing = () => Promise.reject(new Error("not installed"));
  const found: (() => Promise<string>)[] = [missing];
  const program = () => (found.at(-1) ?? missing)();
  const whois = createWhois({ env: { PATH: "/usr/bin:/bin" }, clock, program });
  assertEquals(await whois("100.64.0.7"), undefined);
  const { program: installed } = await standIn(state, answer("ada@example.com"));
  found.push(() => Promise.resolve(installed));
  clock.advance(5_001);
  assertEquals(await whois("100.64.0.7"), "ada@example.com");
});
