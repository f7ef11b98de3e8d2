/** config-and-credentials.md 3 with decision 28, each way a person can ask for a secret. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { cli } from "../../cli/support.ts";
import { tempState } from "../temp_state.ts";

const SECRET = "hunter2-synthetic-0123456789";
const SENTINEL = "__OPENCLAW_REDACTED__";
const CONFIG = JSON.stringify({
  gateway: {
    auth: { token: SECRET, password: "${NOT_SET}" },
    remote: { url: `wss://u:${SECRET}@g:1` },
  },
  channels: { x: { botToken: SECRET, tokens: [SECRET], headers: { any: [SECRET] } } },
  secrets: { providers: { p: { source: "exec", command: "/x", env: { K: SECRET } } } },
});

interface Row {
  readonly words: readonly string[];
  readonly terminal?: true;
  readonly code: number;
  /** What stdout is, or contains. */
  readonly stdout: string;
  readonly stderr?: string;
}

const ROWS: Readonly<Record<string, Row>> = {
  "an exact path on a terminal: the value": {
    words: ["gateway.auth.token"],
    terminal: true,
    code: 0,
    stdout: `${SECRET}\n`,
  },
  "an exact path with --reveal: the value": {
    words: ["gateway.auth.token", "--reveal"],
    code: 0,
    stdout: `${SECRET}\n`,
  },
  "an exact path elsewhere: a hint and exit 1": {
    words: ["gateway.auth.token"],
    code: 1,
    stdout: "",
    stderr: "hint: openclaw config get gateway.auth.token --reveal",
  },
  "an exact path elsewhere as JSON: the sentinel": {
    words: ["gateway.auth.token", "--json"],
    code: 1,
    stdout: `"${SENTINEL}"\n`,
  },
  "a secret of the wider product: the same rule": {
    words: ["channels.x.botToken"],
    code: 1,
    stdout: "",
    stderr: "--reveal",
  },
  "a placeholder: shown, it is no secret": {
    words: ["gateway.auth.password", "--reveal"],
    code: 0,
    stdout: "${NOT_SET}\n",
  },
  "a parent, even on a terminal with --reveal: redacted": {
    words: ["gateway.auth", "--reveal"],
    terminal: true,
    code: 0,
    stdout: SENTINEL,
  },
  "a list of secrets: redacted": {
    words: ["channels.x.tokens"],
    terminal: true,
    code: 0,
    stdout: SENTINEL,
  },
  "a list under headers: redacted": { words: ["channels.x"], code: 0, stdout: SENTINEL },
  "the environment of a provider: redacted": {
    words: ["secrets.providers.p"],
    code: 0,
    stdout: SENTINEL,
  },
  "a password inside a URL: redacted": {
    words: ["gateway.remote.url"],
    terminal: true,
    code: 0,
    stdout: SENTINEL,
  },
};

for (const [name, { words, terminal, code, stdout, stderr }] of Object.entries(ROWS)) {
  Deno.test(`section 3: ${name}`, async () => {
    await using state = await tempState({}, CONFIG);
    const env = { ...state.env } as Record<string, string>;
    const ran = await cli(["config", "get", ...words], { env, terminal: terminal ?? false });
    assertEquals(ran.code, code, ran.stderr);
    if (stdout === SENTINEL) assertStringIncludes(ran.stdout, SENTINEL);
    else assertEquals(ran.stdout, stdout);
    assertStringIncludes(ran.stderr, stderr ?? "");
    assertEquals((ran.stdout + ran.stderr).includes(SECRET), stdout.includes(SECRET));
  });
}

/** The sentinel as input: every way a value gets into the file. */
const INPUTS: Readonly<Record<string, readonly string[]>> = {
  "config set of the key": ["gateway.auth.token", SENTINEL],
  "config set of its parent": ["gateway.auth", `{token: '${SENTINEL}'}`],
  "config set of a key of the wider product": ["channels.y", `{a: [{b: '${SENTINEL}'}]}`],
  "a list": ["channels.y", `['${SENTINEL}']`],
  "a batch": ["--batch-json", JSON.stringify([{ path: "gateway.remote.token", value: SENTINEL }])],
};

for (const [name, words] of Object.entries(INPUTS)) {
  Deno.test(`section 3: the sentinel is rejected as input: ${name}`, async () => {
    await using state = await tempState({}, CONFIG);
    const env = { ...state.env } as Record<string, string>;
    const ran = await cli(["config", "set", ...words], { env });
    assertEquals(ran.code, 1, ran.stderr);
    assertStringIncludes(ran.stderr, "what is shown instead of a secret");
    assertEquals(await state.read(), CONFIG);
  });
}

Deno.test("section 3: the sentinel in a file is a problem of the file", async () => {
  await using state = await tempState({}, `{gateway: {auth: {token: "${SENTINEL}"}}}`);
  const { issues, config } = await state.load();
  assertEquals(config.gateway.auth.token, undefined);
  assert(issues.some(({ path }) => path === "gateway.auth.token"));
});
