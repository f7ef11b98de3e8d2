/** What pages of other sites can do to a gateway on this machine: nothing. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { openWorld, TOKEN } from "../gateway/world.ts";
import { eventually } from "../e2e/program.ts";
import { Chromium, type Tab } from "../support/chromium.ts";
import { pageOf, state } from "./page_scene.ts";

/** A page of another site, in a tab. */
async function onOtherSite(html: string, test: (tab: Tab) => Promise<void>): Promise<void> {
  const headers = { "content-type": "text/html" };
  await using site = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(html, { headers }),
  );
  await using browser = await Chromium.start();
  await test(await browser.open(`http://evil.example:${site.addr.port}/`));
}

/** Opens a socket to the gateway and says `connect` with the right token, as a client of this kind. */
function dial(url: string, id: string, mode: string): string {
  return `new Promise((resolve) => {
    const socket = new WebSocket(${JSON.stringify(url)});
    const heard = [];
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.event === "connect.challenge") socket.send(JSON.stringify({
        type: "req", id: "1", method: "connect", params: {
          minProtocol: 3, maxProtocol: 4, role: "operator", scopes: ["operator.admin"],
          client: { id: ${JSON.stringify(id)}, mode: ${
    JSON.stringify(mode)
  }, version: "1", platform: "web" },
          auth: { token: ${JSON.stringify(TOKEN)} },
        },
      }));
      else heard.push(frame.error?.details?.code ?? "let in");
    };
    socket.onclose = ({ code }) => resolve([...heard, code].join(" "));
  })`;
}

Deno.test("N01: a page of another site is refused by its origin, even with the right token", async () => {
  await using world = await openWorld();
  await onOtherSite("<h1>hello</h1>", async (tab) => {
    for (const [id, mode] of [["openclaw-control-ui", "webchat"], ["cli", "cli"]] as const) {
      const ended = await tab.value(dial(world.gateway.url, id, mode));
      assertEquals(ended, "CONTROL_UI_ORIGIN_NOT_ALLOWED 1008", id);
    }
  });
});

Deno.test("a page of another site cannot put the page into a frame", async () => {
  await using world = await openWorld();
  await onOtherSite(`<iframe src="${pageOf(world)}"></iframe>`, async (tab) => {
    await eventually("the browser refuses the frame", () => tab.trouble.length > 0);
    assertStringIncludes(tab.trouble.join(), "frame-ancestors 'none'");
    assertEquals(tab.asked.filter((url) => url.includes("/page/")), []);
  });
});

Deno.test("N20, N44: nothing that another site can send without asking changes or tells anything", async () => {
  await using world = await openWorld();
  const base = pageOf(world);
  await onOtherSite("<h1>hello</h1>", async (tab) => {
    const seen = await tab.value(`(async () => {
      const seen = [];
      for (const path of ["", "tools/invoke", "metrics", "readyz", "page/key.js"]) {
        for (const method of ["GET", "POST"]) {
          const body = method === "POST" ? '{"tool":"node.list"}' : undefined;
          const answer = await fetch(${JSON.stringify(base)} + path, { method, body })
            .then((r) => r.text(), () => "unreadable");
          seen.push(answer);
        }
      }
      return [...new Set(seen)].join();
    })()`);
    assertEquals(seen, "unreadable");
  });
  const { pending } = await (await world.connect({ scopes: ["operator.pairing"] })).expectHello()
    .call("device.pair.list");
  assertEquals(pending, []);
});

Deno.test("without https the page says why it cannot work, and what can be done", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const tab = await browser.open(`http://gw.example:${world.gateway.port}/`);
  await tab.until(state("stopped"));
  const text = await tab.text();
  assertStringIncludes(text, "This page needs https");
  assertStringIncludes(text, `ssh -N -L 18789:127.0.0.1:${world.gateway.port} gw.example`);
});

Deno.test("a host name that a shell could take for a command gets no line to paste", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  for (const host of ["gw;touch$IFS.example", "gw'x.example", "-oproxycommand=x.example"]) {
    const tab = await browser.open(`http://${host}:${world.gateway.port}/`);
    await tab.until(state("stopped"));
    assertEquals(await tab.value(`document.getElementById("stopped-command").hidden`), true, host);
  }
});
