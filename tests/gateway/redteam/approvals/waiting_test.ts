/** A15, N12, F16: what asking and waiting in a loop costs the gateway, and those who have to answer. */
import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../../../src/lib/clock.ts";
import { ExecApprovals } from "../../../../src/gateway/approvals/desk.ts";
import { EventHub } from "../../../../src/gateway/peers/events.ts";
import { GatewayStore } from "../../../../src/store/gateway_store.ts";
import { type FakePeer, fakePeer } from "../../fake_peer.ts";
import { requestOf } from "./asking.ts";

const MEAN = { deviceId: "m".repeat(64), scopes: ["operator.approvals", "operator.write"] };

/** A desk with one reviewer, and what he was sent. */
async function withDesk(
  test: (desk: ExecApprovals, reviewer: FakePeer) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "openclaw-test-" });
  const store = await GatewayStore.open({ path: `${dir}/gateway.sqlite` });
  const reviewer = fakePeer({ owner: true, scopes: ["operator.admin"], caps: ["exec-approvals"] });
  const peers = () => [reviewer];
  const desk = await ExecApprovals.open({
    clock: systemClock,
    store,
    events: new EventHub(peers),
    peers,
  });
  try {
    await test(desk, reviewer);
  } finally {
    desk.stop();
    await store.close();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Asks and has it denied at once: nothing stays open. */
async function askAndDeny(desk: ExecApprovals, asker: FakePeer, reviewer: FakePeer, more = {}) {
  const { approval } = await desk.ask(asker, requestOf(more));
  await desk.resolve(reviewer, { id: approval.id, decision: "deny" });
}

async function refusalOf(asked: Promise<unknown>) {
  return await asked.then(() => undefined, (error) => ({ code: error.code, ...error }));
}

Deno.test("A15 variant: requests that end at once are counted: one device drowns nobody, whatever it connects as", () =>
  withDesk(async (desk, reviewer) => {
    for (let n = 0; n < 240; n++) await askAndDeny(desk, fakePeer(MEAN), reviewer);
    const refused = await refusalOf(desk.ask(fakePeer(MEAN), requestOf()));
    assertEquals([refused?.code, refused?.retryable], ["UNAVAILABLE", true]);
    assert(
      refused?.retryAfterMs > 0 && refused?.retryAfterMs <= 60_000,
      `${refused?.retryAfterMs}`,
    );
    const events = reviewer.sent.filter((frame) => frame.event === "exec.approval.requested");
    assertEquals(events.length, 240);
    await askAndDeny(desk, fakePeer({ ...MEAN, deviceId: "o".repeat(64) }), reviewer);
    await askAndDeny(desk, reviewer, reviewer);
  }));

Deno.test("A15, N16 variant: a few large requests in a loop are counted by their size", () =>
  withDesk(async (desk, reviewer) => {
    const more = { host: "gateway", command: "id", commandArgv: ["x".repeat(400_000)] };
    let shown = 0;
    let refused;
    while (refused === undefined && shown < 100) {
      refused = await refusalOf(askAndDeny(desk, fakePeer(MEAN), reviewer, more));
      if (refused === undefined) shown++;
    }
    assertEquals([refused?.code, shown], ["UNAVAILABLE", 20]);
  }));

Deno.test("N12, F16 variant: who waits for a decision and leaves is forgotten, who stays hears it once", () =>
  withDesk(async (desk, reviewer) => {
    const asker = fakePeer(MEAN);
    const { approval } = await desk.ask(asker, requestOf({ timeoutMs: 24 * 3_600_000 }));
    const ended: string[] = [];
    const leaving = new AbortController();
    const listeners = { added: 0, removed: 0 };
    const watched = new AbortController();
    const { addEventListener, removeEventListener } = watched.signal;
    watched.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners.added++;
      addEventListener.apply(watched.signal, args);
    };
    watched.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners.removed++;
      removeEventListener.apply(watched.signal, args);
    };
    for (let n = 0; n < 50; n++) {
      const gone = { ...fakePeer(MEAN), signal: leaving.signal };
      desk.waitFor(gone, approval.id).decided.then(() => ended.push("gone"));
      const stays = { ...fakePeer(MEAN), signal: watched.signal };
      desk.waitFor(stays, approval.id).decided.then(() => ended.push("stays"));
    }
    leaving.abort();
    await desk.resolve(reviewer, { id: approval.id, decision: "deny" });
    assertEquals(ended, Array.from({ length: 50 }, () => "stays"));
    assertEquals(listeners, { added: 50, removed: 50 });
  }));
