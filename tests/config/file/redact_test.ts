/** No secret leaves: values, texts, and the way back for an edited text. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseJson5 } from "../../../src/config/text/json5.ts";
import { redactText, redactValue, restoreText } from "../../../src/config/file/redact.ts";
import { randomSource } from "../text/random_json5.ts";

const R = "__OPENCLAW_REDACTED__";

Deno.test("redactValue() hides every credential of ours and of the wider product", () => {
  const secret = "hunter2-hunter2";
  const value = {
    gateway: {
      auth: { mode: "token", token: secret, password: secret },
      remote: { url: "wss://g:1", token: secret, password: secret, edgeAuth: { "x-id": secret } },
    },
    channels: { telegram: { botToken: secret, list: [{ appSecret: secret }] } },
    models: {
      providers: { x: { apiKey: secret, api_key: secret, headers: { Authorization: secret } } },
    },
    mcp: { servers: { s: { env: { ANY: secret }, command: "/bin/x" } } },
    secrets: { providers: { p: { source: "exec", command: "/x", env: { K: secret } } } },
    proxy: { url: `http://user:${secret}@proxy:3128/` },
    env: { vars: { ANYTHING: secret }, DIRECT: secret },
  };
  const shown = JSON.stringify(redactValue(value));
  assert(!shown.includes(secret), shown);
  assertEquals((redactValue(value) as typeof value).gateway.auth.mode, "token");
  assertEquals((redactValue(value) as typeof value).mcp.servers.s.command, "/bin/x");
});

Deno.test("redactValue() shows references, placeholders, numbers and empty texts", () => {
  const value = {
    gateway: {
      auth: { token: { source: "env", provider: "default", id: "TOK" }, password: "${PW}" },
      remote: { token: "" },
    },
    models: { maxTokens: 5, tokenBudget: "low" },
  };
  assertEquals(redactValue(value), value);
});

Deno.test("redactText() changes only the secrets and restoreText() brings them back", () => {
  const raw =
    "{ // mine\n gateway: {auth: {token: 'abc-123', mode: 'token'},},\n x: {apiKey: \"k'ey\\n\"} }\n";
  const shown = redactText(raw)!;
  assertEquals(shown, raw.replace("'abc-123'", `"${R}"`).replace(`"k'ey\\n"`, `"${R}"`));
  assertEquals(parseJson5(restoreText(shown, parseJson5(raw))), parseJson5(raw));
});

Deno.test("redactText() gives nothing when a secret also stands elsewhere in the text", () => {
  assertEquals(redactText("{gateway: {auth: {token: 'abc-123'}}} // was abc-123"), null);
  assertEquals(
    redactText("{gateway: {auth: {token: 'abc-123'}, customBindHost: 'abc-123'}}"),
    null,
  );
});

Deno.test("restoreText() refuses a placeholder that stands for nothing", () => {
  const text = `{gateway: {remote: {token: "${R}"}}}`;
  assertThrows(() => restoreText(text, {}), RangeError, "gateway.remote.token");
  assertThrows(() => restoreText(text, { gateway: { remote: { token: R } } }), RangeError);
});

Deno.test("random secrets under secret names never show in value or text", () => {
  const names = [
    "token",
    "password",
    "botToken",
    "apiKey",
    "client_secret",
    "private-key",
    "PASSWORD",
  ];
  for (let seed = 1; seed <= 100; seed++) {
    const random = randomSource(seed);
    const secret = Array.from({ length: 12 }, () =>
      "\"'\\/{}:,ab \n"[Math.floor(random() * 12)]).join("") + "!";
    const name = names[seed % names.length]!;
    const value = { a: { b: [{ [name]: secret }] }, gateway: { auth: { token: secret } } };
    const raw = JSON.stringify(value);
    assert(!JSON.stringify(redactValue(value)).includes(JSON.stringify(secret)), raw);
    const shown = redactText(raw);
    assert(shown === null || !shown.includes(JSON.stringify(secret)), raw);
  }
});
