/** Secret references: every provider, limit and refusal of config-and-credentials.md 4. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readConfig } from "../../../src/config/schema/schema.ts";
import { parseSecretInput, type SecretRef } from "../../../src/config/schema/secret_input.ts";
import { fetchSecrets } from "../../../src/config/secrets/secret_ref.ts";
import { inside, type TempState, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";

async function fetchOne(
  state: TempState,
  secrets: Record<string, unknown>,
  ref: Partial<SecretRef> & Pick<SecretRef, "source" | "id">,
): Promise<string> {
  const { config, report } = readConfig({ secrets });
  assertEquals(report, { issues: [], unknown: [] });
  const [found] = await fetchSecrets({ config, env: state.env }, [{ provider: undefined, ...ref }]);
  return "secret" in found! ? `value ${found.secret.reveal()}` : found!.problem;
}

Deno.test("env: default alias without entry, allowlist, unset and empty", async () => {
  await using state = await tempState({ TOK: "abc", EMPTY: "", BLANK: "  " });
  const env = (id: string, secrets = {}) => fetchOne(state, secrets, { source: "env", id });
  assertEquals(await env("TOK"), "value abc");
  assertEquals(await env("NOPE"), "environment variable NOPE is not set");
  assertEquals(await env("EMPTY"), "environment variable EMPTY is not set");
  assertEquals(await env("BLANK"), "the value is empty");
  const listed = { providers: { default: { source: "env", allowlist: ["OTHER"] } } };
  assertEquals(await env("TOK", listed), "TOK is not in the provider's allowlist");
});

Deno.test("aliases: unknown, of another source, and from secrets.defaults", async () => {
  await using state = await tempState({ TOK: "abc" });
  const ref = { source: "env", id: "TOK" } as const;
  assertEquals(
    await fetchOne(state, {}, { ...ref, provider: "vault" }),
    "secrets.providers.vault is not configured",
  );
  assertStringIncludes(
    await fetchOne(state, { providers: { vault: { source: "file", path: "/x" } } }, {
      ...ref,
      provider: "vault",
    }),
    "is a provider of file, not of env",
  );
  const secrets = {
    providers: { mine: { source: "env", allowlist: ["TOK"] } },
    defaults: { env: "mine" },
  };
  assertEquals(await fetchOne(state, secrets, ref), "value abc");
});

async function secretFile(state: TempState, content: string, mode = 0o600): Promise<string> {
  const path = inside(state, `secret-${crypto.randomUUID()}`);
  await Deno.writeTextFile(path, content, { mode });
  if (posix) await Deno.chmod(path, mode);
  return path;
}

Deno.test("file: JSON pointers with escapes, and what they refuse", async () => {
  await using state = await tempState();
  const path = await secretFile(
    state,
    '{"a": {"b/c": "deep", "d~e": "tilde", "n": 5, "list": ["x"], "": "blank"}}',
  );
  const file = (id: string, options = {}) =>
    fetchOne(state, { providers: { default: { source: "file", path, ...options } } }, {
      source: "file",
      id,
    });
  assertEquals(await file("/a/b~1c"), "value deep");
  assertEquals(await file("/a/d~0e"), "value tilde");
  assertEquals(await file("/a/list/0"), "value x");
  assertEquals(await file("/a/"), "value blank");
  assertEquals(await file("/a/nope"), "the file has nothing at /a/nope");
  assertEquals(await file("/a/toString"), "the file has nothing at /a/toString");
  assertEquals(await file("/a/n"), "the value at /a/n is no text");
  assertEquals(await file("value"), 'the id must be a JSON pointer ("/a/b")');
  assertStringIncludes(await file("/a", { maxBytes: 10 }), "longer than 10 bytes");
});

Deno.test("file: single value mode", async () => {
  await using state = await tempState();
  const path = await secretFile(state, "s3cret\r\n");
  const providers = { default: { source: "file", path, mode: "singleValue" } };
  assertEquals(
    await fetchOne(state, { providers }, { source: "file", id: "value" }),
    "value s3cret",
  );
  assertEquals(
    await fetchOne(state, { providers }, { source: "file", id: "/x" }),
    'the id must be "value"',
  );
});

Deno.test("file: not absolute, missing, not JSON, no object", async () => {
  await using state = await tempState();
  const problem = (path: string) =>
    fetchOne(state, { providers: { default: { source: "file", path } } }, {
      source: "file",
      id: "/x",
    });
  assertEquals(await problem("relative.json"), 'path "relative.json" is not absolute');
  assertStringIncludes(await problem("/nonexistent/x"), "does not exist");
  assertStringIncludes(await problem(Deno.build.os === "windows" ? "C:\\" : "/tmp"), "is no file");
  const secret = await problem(await secretFile(state, "topsecret{"));
  assertEquals(secret, "the file is not JSON", "the content is not quoted");
  assertEquals(await problem(await secretFile(state, '["x"]')), "the file is no JSON object");
});

Deno.test(
  "N40: file: readable or writable by others, a link, a FIFO",
  { ignore: !posix },
  async () => {
    await using state = await tempState();
    const get = (path: string, options = {}) =>
      fetchOne(state, { providers: { default: { source: "file", path, ...options } } }, {
        source: "file",
        id: "/x",
      });
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o666]) {
      const path = await secretFile(state, '{"x": "1"}', mode);
      assertStringIncludes(await get(path), "others may read or write it", mode.toString(8));
      assertEquals((await Deno.stat(path)).mode! & 0o777, mode, "a foreign file is not touched");
      assertEquals(await get(path, { allowInsecurePath: true }), "value 1");
    }
    const path = await secretFile(state, '{"x": "1"}');
    await Deno.symlink(path, `${path}-link`);
    assertStringIncludes(await get(`${path}-link`), "symbolic link");
    await new Deno.Command("mkfifo", { args: ["-m", "600", `${path}-fifo`] }).output();
    assertStringIncludes(await get(`${path}-fifo`), "is no file");
  },
);

async function program(state: TempState, body: string, mode = 0o700): Promise<string> {
  const path = inside(state, `helper-${crypto.randomUUID()}`);
  await Deno.writeTextFile(path, `#!/bin/sh\n${body}\n`);
  await Deno.chmod(path, mode);
  return path;
}

const execRef = { source: "exec", id: "db/main" } as const;
const exec = (state: TempState, command: string, options = {}) =>
  fetchOne(state, { providers: { default: { source: "exec", command, ...options } } }, execRef);

Deno.test("exec: request on stdin, answer on stdout, arguments and environment exact", {
  ignore: !posix,
}, async () => {
  await using state = await tempState({
    PASS_ME: "in",
    KEEP_OUT: "x",
    OPENCLAW_GATEWAY_TOKEN: "secret",
  });
  const seen = inside(state, "seen");
  const command = await program(
    state,
    `cat > ${seen}; env | sort > ${seen}.env; echo "$1|$2" > ${seen}.args
     echo '{"protocolVersion":1,"values":{"db/main":"from-exec"}}'`,
  );
  const options = {
    args: ["a b", "$(touch x)"],
    passEnv: ["PASS_ME", "NOT_SET"],
    env: { EXTRA: "1" },
  };
  assertEquals(await exec(state, command, options), "value from-exec");
  assertEquals(JSON.parse(await Deno.readTextFile(seen)), {
    protocolVersion: 1,
    provider: "default",
    ids: ["db/main"],
  });
  assertEquals(await Deno.readTextFile(`${seen}.args`), "a b|$(touch x)\n");
  const env = (await Deno.readTextFile(`${seen}.env`)).split("\n");
  assert(env.includes("PASS_ME=in") && env.includes("EXTRA=1"));
  assert(!env.some((line) => /^(KEEP_OUT|OPENCLAW|HOME)/.test(line)), env.join(" "));
});

Deno.test(
  "exec: every failure has its reason and none quotes the output",
  { ignore: !posix },
  async () => {
    await using state = await tempState();
    const answers: [string, string][] = [
      ["echo topsecret; exit 3", "the program ended with exit code 3"],
      ["true", "the program wrote nothing"],
      ["echo topsecret", "the answer is not JSON"],
      ["echo '[1]'", "the answer is no JSON object"],
      [
        `echo '{"protocolVersion":2,"values":{"db/main":"topsecret"}}'`,
        "another protocolVersion than 1",
      ],
      [
        `echo '{"protocolVersion":1,"values":{"other":"topsecret"}}'`,
        "the answer does not have it",
      ],
      [`echo '{"protocolVersion":1,"values":{"db/main":5}}'`, "empty or not text"],
      [`echo '{"protocolVersion":1,"values":{"db/main":" "}}'`, "empty or not text"],
      [
        `echo '{"protocolVersion":1,"values":{},"errors":{"db/main":{"message":"topsecret"}}}'`,
        "reports an error",
      ],
      ["kill -9 $$", "SIGKILL"],
    ];
    for (const [body, reason] of answers) {
      const problem = await exec(state, await program(state, body));
      assertStringIncludes(problem, reason, body);
      assert(!problem.includes("topsecret"), problem);
    }
  },
);

Deno.test("exec: time, silence, output and request limits", { ignore: !posix }, async () => {
  await using state = await tempState();
  const slow = await program(state, "exec sleep 30");
  assertEquals(await exec(state, slow, { timeoutMs: 100 }), "no answer within 100 ms");
  assertEquals(
    await exec(state, slow, { timeoutMs: 20_000, noOutputTimeoutMs: 100 }),
    "no output for 100 ms",
  );
  const loud = await program(state, "while :; do echo xxxxxxxxxxxxxxxx; done");
  assertEquals(await exec(state, loud, { maxOutputBytes: 1000 }), "more than 1000 bytes of output");
  const secrets = {
    providers: { default: { source: "exec", command: slow } },
    resolution: { maxBatchBytes: 40 },
  };
  assertEquals(await fetchOne(state, secrets, execRef), "the request is longer than 40 bytes");
});

Deno.test("exec: which programs may be asked", { ignore: !posix }, async () => {
  await using state = await tempState();
  const good = `echo '{"protocolVersion":1,"values":{"db/main":"ok"}}'`;
  const command = await program(state, good);
  assertEquals(await exec(state, "helper"), 'command "helper" is not an absolute path');
  assertStringIncludes(await exec(state, "/nonexistent/helper"), "does not exist");
  assertStringIncludes(await exec(state, state.home), "is no file");
  assertStringIncludes(
    await exec(state, await program(state, good, 0o722)),
    "others can write it",
  );
  await Deno.symlink(command, `${command}-link`);
  assertStringIncludes(await exec(state, `${command}-link`), "is a symbolic link");
  assertEquals(await exec(state, `${command}-link`, { allowSymlinkCommand: true }), "value ok");
  assertStringIncludes(
    await exec(state, command, { trustedDirs: ["/usr/lib"] }),
    "in none of trustedDirs",
  );
  assertEquals(await exec(state, command, { trustedDirs: ["/usr/lib", state.home] }), "value ok");
});

Deno.test(
  "exec: jsonOnly:false takes the trimmed output for one id",
  { ignore: !posix },
  async () => {
    await using state = await tempState();
    assertEquals(
      await exec(state, await program(state, "echo '  plain  '"), { jsonOnly: false }),
      "value plain",
    );
  },
);

Deno.test("one question per provider, however many references", { ignore: !posix }, async () => {
  await using state = await tempState();
  const count = inside(state, "count");
  const command = await program(
    state,
    `echo x >> ${count}; echo '{"protocolVersion":1,"values":{"a":"1","b":"2"}}'`,
  );
  const { config } = readConfig({
    secrets: { providers: { default: { source: "exec", command } } },
  });
  const ref = (id: string): SecretRef => ({ source: "exec", provider: undefined, id });
  const found = await fetchSecrets({ config, env: state.env }, [
    ref("a"),
    ref("b"),
    ref("a"),
    ref("c"),
  ]);
  assertEquals(found.map((f) => "secret" in f ? f.secret.reveal() : f.problem), [
    "1",
    "2",
    "1",
    "the answer does not have it",
  ]);
  assertEquals(await Deno.readTextFile(count), "x\n");
});

Deno.test("more references than a provider may get fail closed", async () => {
  await using state = await tempState({ TOK: "abc" });
  const { config } = readConfig({ secrets: { resolution: { maxRefsPerProvider: 2 } } });
  const refs = ["TOK", "TOK", "TOK"].map((id): SecretRef => ({
    source: "env",
    provider: undefined,
    id,
  }));
  const found = await fetchSecrets({ config, env: state.env }, refs);
  assertEquals(
    found.map((f) => "problem" in f ? f.problem : "value"),
    new Array(3).fill("more than 2 references to one provider"),
  );
});

Deno.test("parseSecretInput() accepts text, placeholders and references, and nothing half", () => {
  const kind = (value: unknown) => {
    const input = parseSecretInput(value);
    return typeof input === "string" ? "refused" : input?.kind ?? "unset";
  };
  const rows: [unknown, string][] = [
    ["tok", "value"],
    ["  ", "unset"],
    ["${NAME}", "ref"],
    [{ source: "env", id: "NAME" }, "ref"],
    [{ source: "env", provider: "default", id: "NAME" }, "ref"],
    [{ source: "file", provider: "vault-1", id: "/a/b~1c" }, "ref"],
    [{ source: "file", id: "value" }, "ref"],
    [{ source: "exec", id: "a/b.c:d-e_f" }, "ref"],
    [{ source: "env", id: "lower" }, "refused"],
    [{ source: "env", id: "A".repeat(129) }, "refused"],
    [{ source: "env", provider: "Bad", id: "NAME" }, "refused"],
    [{ source: "file", id: "a/b" }, "refused"],
    [{ source: "file", id: "/a~2" }, "refused"],
    [{ source: "exec", id: "a/../b" }, "refused"],
    [{ source: "exec", id: "./a" }, "refused"],
    [{ source: "exec", id: "-a" }, "refused"],
    [{ source: "exec", id: "a b" }, "refused"],
    [{ source: "store", id: "x" }, "refused"],
    [{ source: "env" }, "refused"],
    [{ source: "env", id: "NAME", extra: 1 }, "refused"],
    [5, "refused"],
    [null, "refused"],
    ["__OPENCLAW_REDACTED__", "refused"],
  ];
  for (const [value, expected] of rows) assertEquals(kind(value), expected, JSON.stringify(value));
});
