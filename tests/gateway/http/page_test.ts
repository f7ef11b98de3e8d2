/** The device page and the metrics as HTTP answers. What the page does is `tests/browser/`. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { PAGE_FILES } from "../../../src/gateway/page/files.ts";
import { showable } from "../../../src/lib/text.ts";
import { type TestGateway, TOKEN, withGateway } from "../../support/gateway.ts";

async function get({ http }: TestGateway, path: string, init?: RequestInit) {
  const response = await fetch(http + path, { redirect: "manual", ...init });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

Deno.test("the page and all its files are served with a policy that lets nothing else in", () =>
  withGateway(async (gateway) => {
    for (const [path, file] of PAGE_FILES) {
      const { status, text, headers } = await get(gateway, `/${path}`);
      assertEquals([status, headers.get("content-type")], [200, file.type], path);
      assertEquals(text, (await file.load()).default);
      assertEquals(headers.get("cache-control"), "no-store");
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(headers.get("referrer-policy"), "no-referrer");
      assertEquals(headers.get("x-frame-options"), "DENY");
      const policy = headers.get("content-security-policy") ?? "";
      for (
        const rule of [
          "default-src 'none'",
          "script-src 'self'",
          "frame-ancestors 'none'",
          "form-action 'none'",
          "base-uri 'none'",
          "require-trusted-types-for 'script'",
        ]
      ) assertStringIncludes(policy, rule);
      assert(!policy.includes("unsafe"), policy);
    }
  }));

Deno.test("every script that the page's scripts import is served", async () => {
  for (const [path, { load }] of PAGE_FILES) {
    const { default: text } = await load();
    for (const [, name] of text.matchAll(/(?:from|import\() ?"\.\/([a-z_]+\.js)"/g)) {
      assert(PAGE_FILES.has(`page/${name}`), `${path} imports ${name}`);
    }
    for (const [, name] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      assert(PAGE_FILES.has(name ?? ""), `${path} names ${name}`);
    }
  }
});

Deno.test("a Host header cannot write into the policy", () =>
  withGateway(async ({ gateway }) => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: gateway.port });
    const host = "x;script-src *";
    const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    await conn.write(new TextEncoder().encode(request));
    const text = await new Response(conn.readable).text();
    assertStringIncludes(text.toLowerCase(), "content-security-policy: default-src 'none'");
    assert(!text.slice(0, text.indexOf("\r\n\r\n")).includes("script-src *"), text);
  }));

Deno.test("N44: the page only reads; other paths stay unknown", () =>
  withGateway(async (gateway) => {
    const post = await get(gateway, "/", { method: "POST", body: "x" });
    assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
    assertEquals((await get(gateway, "/", { method: "HEAD" })).text, "");
    for (const path of ["/page", "/page/", "/page/no.js", "/page/../main.ts", "/index.html"]) {
      assertEquals((await get(gateway, path)).status, 404, path);
    }
  }));

Deno.test("gateway.controlUi.enabled false: no page at all", () =>
  withGateway(async (gateway) => {
    for (const path of PAGE_FILES.keys()) {
      assertEquals((await get(gateway, `/${path}`)).status, 404, path);
    }
  }, { config: { gateway: { controlUi: { enabled: false } } } }));

Deno.test("gateway.controlUi.basePath: a second address, with its files", () =>
  withGateway(async (gateway) => {
    const bare = await get(gateway, "/claw");
    assertEquals([bare.status, bare.headers.get("location")], [308, "/claw/"]);
    for (const path of PAGE_FILES.keys()) {
      assertEquals((await get(gateway, `/claw/${path}`)).status, 200, path);
    }
    assertEquals((await get(gateway, "/claw/no")).status, 404);
    assertEquals((await get(gateway, "/")).status, 200);
  }, { config: { gateway: { controlUi: { basePath: "/claw/" } } } }));

Deno.test("a base path that is another host's address is none", () =>
  withGateway(async (gateway) => {
    assertEquals((await get(gateway, "//evil.example")).status, 404);
  }, { config: { gateway: { controlUi: { basePath: "//evil.example/x y" } } } }));

Deno.test("A16, A17: the page hides exactly what the rest of the program hides", async () => {
  const page = await import("../../../src/gateway/page/app/text.js");
  const wrong: string[] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    const char = `a${String.fromCodePoint(code)}b`;
    if (page.showable(char) !== showable(char)) wrong.push(code.toString(16));
  }
  assertEquals(wrong, []);
  assertEquals(page.showable("\ud800x\udc00"), showable("\ud800x\udc00"));
  assertEquals(page.showable(null), "");
});

Deno.test("the page's scripts are typed for a browser", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const compilerOptions = {
      checkJs: true,
      strict: true,
      noUncheckedIndexedAccess: true,
      lib: ["dom", "dom.iterable", "esnext"],
    };
    await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ compilerOptions }));
    for (const [path, { load }] of PAGE_FILES) {
      if (!path.endsWith(".js")) continue;
      const name = path.replace("page/", "");
      await Deno.writeTextFile(`${folder}/${name}`, (await load()).default);
    }
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "main.js"],
      cwd: folder,
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("/metrics: this machine and bearers only, in the format of Prometheus", () =>
  withGateway(async (gateway) => {
    await gateway.owner();
    const { status, text, headers } = await get(gateway, "/metrics");
    assertEquals([status, headers.get("content-type")], [
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    assertStringIncludes(text, '\nopenclaw_connections{role="operator"} 1\n');
    assertStringIncludes(text, "\nopenclaw_ready 1\n");
    assertMatch(text, /\nprocess_resident_memory_bytes [0-9]{6,}\n/);
    for (const line of text.trimEnd().split("\n")) {
      assertMatch(
        line,
        /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? -?[0-9.]+)$/,
      );
    }
    const outside = { "x-forwarded-for": "192.0.2.1" };
    assertEquals((await get(gateway, "/metrics", { headers: outside })).status, 401);
    const bearer = { ...outside, authorization: `Bearer ${TOKEN}` };
    assertEquals((await get(gateway, "/metrics", { headers: bearer })).status, 200);
    const page = { origin: "https://evil.example" };
    assertEquals((await get(gateway, "/metrics", { headers: page })).status, 401);
    assertEquals((await get(gateway, "/metrics", { method: "POST" })).status, 405);
  }, { config: { gateway: { trustedProxies: ["127.0.0.1"] } } }));
