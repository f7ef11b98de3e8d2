/** A real gateway, a real Chromium, and a tab whose key an owner has approved. */
import { assertEquals } from "@std/assert";
import { owner, type ScriptedPeer, TOKEN, type World } from "../gateway/world.ts";
import type { Chromium, Tab } from "../support/chromium.ts";

/** Address of the page of a gateway under test. */
export function pageOf(world: World): string {
  return `${world.gateway.url.replace(/^ws/, "http")}/`;
}

/** Expression: the page is in this state. */
export function state(name: string): string {
  return `document.body.dataset.state === ${JSON.stringify(name)}`;
}

/** Types the token into the page's form and sends it with Enter. */
export async function giveToken(tab: Tab, token: string): Promise<void> {
  await tab.until(`${state("secret")} && document.activeElement.id === "secret-input"`);
  await tab.type(token);
  await tab.key("Enter");
}

/** An owner who reviews, as the command line on the gateway's machine is one. */
export function reviewer(world: World): Promise<ScriptedPeer> {
  return owner(world, { caps: ["exec-approvals"] });
}

/** Approves the browser that waits; its key must be the one it shows. */
export async function approveBrowser(tab: Tab, operator: ScriptedPeer): Promise<void> {
  await tab.until(state("pairing"));
  const { pending } = await operator.call("device.pair.list");
  const shown = await tab.value(`document.getElementById("pairing-command").textContent`);
  const request = pending.find((r: { requestId: string }) => shown.endsWith(` ${r.requestId}`));
  assertEquals(
    (await tab.value(`document.getElementById("pairing-key").textContent`)).replaceAll(" ", ""),
    request.deviceId,
  );
  await operator.call("device.pair.approve", { requestId: request.requestId });
  await tab.until(state("live"));
}

/** A tab that is live. */
export async function liveTab(
  browser: Chromium,
  world: World,
  operator: ScriptedPeer,
  size?: { width: number; height: number },
): Promise<Tab> {
  const tab = await browser.open(pageOf(world), size);
  await giveToken(tab, TOKEN);
  await approveBrowser(tab, operator);
  return tab;
}

/** Keeps a picture when `OPENCLAW_TEST_SHOTS` names a folder: somebody should look at the page now and then. */
export async function shot(tab: Tab, name: string): Promise<void> {
  const folder = Deno.env.get("OPENCLAW_TEST_SHOTS");
  if (folder) await tab.screenshot(`${folder}/${name}.png`);
}
