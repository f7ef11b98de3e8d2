/** The device page in a real Chromium: getting in, staying in, being put out. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openWorld, TOKEN } from "../gateway/world.ts";
import { Chromium } from "../support/chromium.ts";
import { approveBrowser, giveToken, liveTab, pageOf, reviewer, state } from "./page_scene.ts";

Deno.test("a first visit: wrong token, right token, approval, live; a reload needs no token", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const operator = await reviewer(world);
  const tab = await browser.open(pageOf(world));
  await giveToken(tab, "not-the-token");
  await tab.until(`document.body.innerText.includes("Wrong token")`);
  await giveToken(tab, TOKEN);
  await approveBrowser(tab, operator);
  assertStringIncludes(await tab.text(), "Connected to gateway");
  assertEquals(await tab.value("sessionStorage.length + localStorage.length"), 0);

  await tab.call("Page.reload");
  await tab.until(`${state("live")} && performance.now() < 5000`);
  assert(!(await tab.text()).includes("Gateway token"));
  assertEquals(tab.trouble, []);
  const own = new URL(pageOf(world)).host;
  assertEquals([...new Set(tab.asked.map((url) => new URL(url).host))], [own]);
  assert(tab.asked.every((url) => !url.includes(TOKEN)));

  await tab.press(/Forget this browser/);
  await tab.until(state("secret"));
  assertEquals((await operator.call("device.pair.list")).paired, []);
});

Deno.test("I12: a browser whose device is removed loses the board at once and is asked again", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const operator = await reviewer(world);
  const tab = await liveTab(browser, world, operator);
  const { paired: [device] } = await operator.call("device.pair.list");
  await operator.call("device.pair.remove", { deviceId: device.deviceId });
  await tab.until(state("secret"));
  assertEquals(await tab.value(`document.getElementById("board").hidden`), true);
});

Deno.test("mode password: the password is taken where the token is; mode none: only the approval", async () => {
  await using browser = await Chromium.start();
  {
    const auth = { mode: "password", password: "a password of 30 characters ok" };
    await using world = await openWorld({ auth });
    const tab = await browser.open(pageOf(world));
    await giveToken(tab, "wrong");
    await tab.until(`document.body.innerText.includes("Wrong token")`);
    await giveToken(tab, auth.password);
    await tab.until(state("pairing"));
  }
  await using world = await openWorld({ auth: { mode: "none" } });
  await (await browser.open(pageOf(world))).until(state("pairing"));
});

Deno.test("the key cannot be read out, not even by the page", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const tab = await browser.open(pageOf(world));
  await tab.until(state("secret"));
  const found = await tab.value(`(async () => {
    const { loadKey } = await import("/page/key.js");
    const { privateKey } = await loadKey();
    const formats = ["pkcs8", "jwk", "raw"];
    const tries = formats.map((f) => crypto.subtle.exportKey(f, privateKey).then(() => f, () => ""));
    return [privateKey.extractable, (await Promise.all(tries)).join("")];
  })()`);
  assertEquals(found, [false, ""]);
});

Deno.test("N21: #token= is taken once, leaves the address at once and is never sent in one", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const operator = await reviewer(world);
  const tab = await browser.open(`${pageOf(world)}#token=${TOKEN}`);
  await approveBrowser(tab, operator);
  assertEquals(await tab.value("location.href"), pageOf(world));
  const { entries } = await tab.call("Page.getNavigationHistory");
  assert(!JSON.stringify(entries.map((entry: { url: string }) => entry.url)).includes(TOKEN));
  const later = tab.asked.slice(1);
  assert(later.length > 0 && later.every((url) => !url.includes("token")), later.join("\n"));
});

Deno.test("a rejected browser says so and asks again only when told to", async () => {
  await using world = await openWorld();
  await using browser = await Chromium.start();
  const operator = await reviewer(world);
  const tab = await browser.open(`${pageOf(world)}#token=${TOKEN}`);
  await tab.until(state("pairing"));
  const { pending: [request] } = await operator.call("device.pair.list");
  await operator.call("device.pair.reject", { requestId: request.requestId });
  await tab.until(`document.body.innerText.includes("was rejected or ran out")`);
  const asked = tab.asked.length;
  await tab.press(/Ask again/);
  await tab.until(`document.body.innerText.includes("goes on by itself")`);
  assertEquals(tab.asked.length, asked + 1);
  await approveBrowser(tab, operator);
});
