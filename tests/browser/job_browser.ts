/**
 * The device page on a real gateway with a real node and real command lines, as the README tells it: everything a person
 * does in the browser, from the first visit to an approved command, and a gateway that goes away and comes back.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePort, run, type Running, start, TempHome } from "../e2e/program.ts";
import { Chromium, type Tab } from "../support/chromium.ts";
import { giveToken, shot, state } from "./page_scene.ts";

/** Moves the focus with the Tab key until a control with this label has it. */
async function tabTo(tab: Tab, label: RegExp): Promise<void> {
  for (let n = 0; n < 60; n++) {
    await tab.key("Tab");
    const focused = await tab.value(
      `document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent`,
    );
    if (label.test(focused)) return;
  }
  throw new Error(`No control ${label} is reached with the Tab key`);
}

/** The command line the page shows, as arguments. */
async function shownCommand(tab: Tab, id: string): Promise<string[]> {
  const text: string = await tab.value(
    `document.getElementById(${JSON.stringify(id)}).textContent`,
  );
  const words = [...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) =>
    quoted ?? bare ?? ""
  );
  assertEquals(words.shift(), "openclaw");
  return words;
}

Deno.test("the page does the main job: browser approved, node approved by keyboard, commands decided", async (t) => {
  await using home = await TempHome.make();
  const env = home.env("gateway");
  const port = freePort();
  const startGateway = () => start(["gateway", "run", "--tls", "--port", String(port)], { env });
  let gateway: Running = startGateway();
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => void await gateway.end("SIGKILL"));
  await gateway.until(/ready/);
  const cli = (...args: string[]) => run(args, { env });
  const token = (await cli("config", "get", "gateway.auth.token", "--reveal")).stdout.trim();
  const pin = (await cli("gateway", "fingerprint")).stdout.match(/[0-9a-f]{64}/)?.[0] ?? "";
  await using browser = await Chromium.start();
  const tab = await browser.open(`https://127.0.0.1:${port}/`);

  await t.step("the browser is approved with the line it shows", async () => {
    await giveToken(tab, token);
    await tab.until(state("pairing"));
    const approved = await run(await shownCommand(tab, "pairing-command"), { env });
    assertEquals(approved.code, 0, approved.stderr);
    await tab.until(state("live"));
  });
  const args = ["node", "run", "--host", "127.0.0.1", "--port", String(port)]
    .concat(["--tls-fingerprint", pin, "--display-name", "build-1"]);
  await using node = start(args, { env: home.env("node", { OPENCLAW_GATEWAY_TOKEN: token }) });
  await t.step(
    "a waiting node is approved with the keyboard alone and is live within 2 s",
    async () => {
      await tab.until(`document.querySelector("#requests li")`);
      assertStringIncludes(await tab.value("document.title"), "(1)");
      await shot(tab, "node-waits");
      await tabTo(tab, /^Approve: build-1$/);
      await tab.key("Enter");
      await node.until(/Connected to gateway/, 2_000);
      await tab.until(
        `document.querySelector("#nodes .on") && !document.querySelector("#requests li")`,
      );
      assertEquals(await tab.value("document.activeElement.id"), "requests-title");
      const { stdout } = await cli("nodes", "status");
      assertMatch(stdout, /build-1/);
    },
  );
  const argv = ["uname", "-s"];
  await t.step(
    "a command of nodes run is shown whole, with the node's reason, and allowed once",
    async () => {
      await using running = start(["nodes", "run", "--wait", "--node", "build-1", "--", ...argv], {
        env,
      });
      await tab.until(`/not allowed, no rule covers/.test(document.body.innerText)`);
      const text = await tab.text();
      for (const part of ["Run on build-1", "/uname -s", "Asked by", "min", "Time left"]) {
        assertStringIncludes(text, part);
      }
      await shot(tab, "command-waits");
      await tab.press(/^Allow once: Run on build-1/);
      await running.until(/Linux/);
      assertEquals((await running.status).code, 0);
      await tab.until(`!document.querySelector("#approvals li")`);
    },
  );
  await t.step("the same command is denied the next time", async () => {
    await using running = start(["nodes", "run", "--wait", "--node", "build-1", "--", ...argv], {
      env,
    });
    await tab.press(/^Deny: Run on build-1/);
    assertEquals((await running.status).code, 126);
  });
  await t.step("an answer given elsewhere takes the card away", async () => {
    await using running = start(["nodes", "run", "--wait", "--node", "build-1", "--", ...argv], {
      env,
    });
    const id = (await running.until(/approvals resolve (\S+) allow-once/))[1] ?? "";
    await tab.until(`document.querySelector("#approvals li")`);
    await cli("approvals", "resolve", id, "deny");
    await tab.until(`!document.querySelector("#approvals li")`);
    assertEquals((await running.status).code, 126);
  });
  await t.step(
    "the gateway goes: said so, the board cannot be answered; it comes back: live",
    async () => {
      await gateway.end("SIGKILL");
      await tab.until(`${state("away")} && document.body.innerText.includes("reconnecting")`);
      assertEquals(await tab.value(`document.getElementById("board").inert`), true);
      await shot(tab, "gateway-gone");
      gateway = startGateway();
      await tab.until(state("live"), 20_000);
      await tab.until(`document.querySelector("#nodes .on")`, 20_000);
    },
  );
  await t.step(
    "N03: under a name that is not its own it is refused, with the line that allows it",
    async () => {
      const other = await browser.open(`https://gw.example:${port}/#token=${token}`);
      await other.until(state("stopped"));
      assertStringIncludes(await other.text(), "This address is not allowed");
      const allowed = await run(await shownCommand(other, "stopped-command"), { env });
      assertEquals(allowed.code, 0, allowed.stderr);
      await gateway.until(/config/i);
      await other.press(/Try again/);
      await other.until(state("pairing"));
    },
  );
});
