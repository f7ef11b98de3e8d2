/** What the device page shows of texts that others chose, and how it keeps a person from answering the wrong thing. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { commandText } from "../../src/approvals/words.ts";
import { admittedNode, nodeOptions, openWorld } from "../gateway/world.ts";
import { Chromium } from "../support/chromium.ts";
import { liveTab, pageOf, reviewer, shot, state } from "./page_scene.ts";

const HOSTILE =
  `<img src=x onerror=document.title='owned'>\u202egnp.exe\u0007\u001b[31m‮\u2066 <b>bold</b>`;

Deno.test("A16, A17: hostile names and commands are text, with everything hidden shown as escapes", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const operator = await reviewer(world);
  const tab = await liveTab(browser, world, operator);
  const node = await admittedNode(world, operator, nodeOptions(1));
  await world.connect(nodeOptions(2, { client: { displayName: HOSTILE } }));
  await tab.until(`document.querySelector("#requests h3")`);
  assertEquals(
    await tab.value(`document.querySelector("#requests h3").textContent`),
    `<img src=x onerror=document.title='owned'>\\u{202e}gnp.exe\\x07\\x1b[31m\\u{202e}\\u{2066} <b>bold</b>`,
  );
  const argv = ["/bin/echo", "a\u202eb", "<script>x</script>"];
  const plan = { argv, cwd: "/srv/\u2067x", commandText: commandText(argv) };
  const asker = await reviewer(world);
  asker.send("exec.approval.request", {
    host: "node",
    nodeId: node.id,
    systemRunPlan: { ...plan, commandPreview: null, agentId: null, sessionKey: null },
    warningText: "<i>w</i>\u200b",
    twoPhase: true,
  });
  await tab.until(`document.querySelector("#approvals pre")`);
  const text = await tab.text();
  assertStringIncludes(text, "\\u{202e}");
  assertStringIncludes(text, "/srv/\\u{2067}x");
  assertStringIncludes(text, "<i>w</i>\\u{200b}");
  assert(!/[\u200b\u202a-\u202e\u2066-\u2069]/.test(text));
  assertEquals(await tab.value(`document.querySelectorAll("img, b, i, main script").length`), 0);
  assert(!(await tab.value("document.title")).includes("owned"));
});

Deno.test("an injected script does not run, and markup cannot be written", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const tab = await browser.open(pageOf(world));
  await tab.until(state("secret"));
  const done = await tab.value(`(async () => {
    const refused = [];
    try { document.body.innerHTML = "<p>x</p>"; } catch { refused.push("markup"); }
    try { (0, eval)("1"); } catch { refused.push("eval"); }
    try {
      const script = document.createElement("script");
      script.append("document.title = 'owned'");
      document.body.append(script);
    } catch { /* refused even earlier */ }
    if (document.title !== "owned") refused.push("script");
    await fetch("https://evil.example/").catch(() => refused.push("fetch"));
    return refused.join();
  })()`);
  assertEquals(done, "markup,eval,script,fetch");
  assert(tab.trouble.some((text) => text.includes("Content Security Policy")));
});

Deno.test("a click that lands right after the list moved answers nothing", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const operator = await reviewer(world);
  const tab = await liveTab(browser, world, operator);
  await world.connect(nodeOptions(3, { client: { displayName: "first" } }));
  await tab.until(`document.querySelector("#requests li")`);
  // Clicks in the moment of the change, before a person could have seen it.
  await tab.value(`void new MutationObserver((_all, observer) => {
    observer.disconnect();
    const click = new MouseEvent("click", { detail: 1 });
    document.querySelector("#requests button").dispatchEvent(click);
  }).observe(document.querySelector("#requests"), { childList: true })`);
  await world.connect(nodeOptions(4, { client: { displayName: "second" } }));
  await tab.until(`document.body.innerText.includes("The list moved just now")`);
  const { pending } = await operator.call("device.pair.list");
  assertEquals(pending.length, 2);
  await tab.press(/^Approve: first/);
  await tab.until(`document.querySelectorAll("#requests li").length === 1`);
});

Deno.test("at 360 pixels nothing is wider than the screen, in both colour schemes; all controls have names", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const operator = await reviewer(world);
  const tab = await liveTab(browser, world, operator, { width: 360, height: 740 });
  await admittedNode(world, operator, nodeOptions(1));
  await world.connect(nodeOptions(2, { client: { displayName: "n".repeat(120) } }));
  await tab.until(`document.querySelector("#requests li") && document.querySelector("#nodes li")`);
  for (const value of ["light", "dark"]) {
    const features = [{ name: "prefers-color-scheme", value }];
    await tab.call("Emulation.setEmulatedMedia", { features });
    assertEquals(await tab.value("document.documentElement.scrollWidth"), 360);
    await shot(tab, `narrow-${value}`);
  }
  const { nodes } = await tab.call("Accessibility.getFullAXTree");
  const controls = nodes.filter((node: { role?: { value: string }; ignored: boolean }) =>
    !node.ignored && ["button", "textbox", "heading"].includes(node.role?.value ?? "")
  );
  assert(controls.length >= 6);
  for (const { name } of controls) assert(name.value.trim() !== "");
});
