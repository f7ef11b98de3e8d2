/** F01 with whole gateways: killed in the middle of their work, restarted, asked. Rounds: OPENCLAW_TEST_GATEWAY_KILLS, default 8. */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../../e2e/program.ts";
import { ALL, type ConnectOptions, keyOf, nodeOptions, type ScriptedPeer } from "../world.ts";
import { type KillableGateway, startKillable, withStateDir } from "./killable.ts";

const ROUNDS = Number(Deno.env.get("OPENCLAW_TEST_GATEWAY_KILLS") ?? "8");

/** What was acknowledged; written down the moment the answer arrived. */
interface Acknowledged {
  readonly paired: Set<string>;
  readonly removed: Set<string>;
  readonly waiting: Set<string>;
  /** A removal was sent whose answer never came: either state is right. */
  readonly open: Set<string>;
  /** Acts that were acknowledged. */
  acts: number;
}

/** Pairs, approves, rotates and removes until the gateway is gone. */
async function work(
  gateway: KillableGateway,
  firstKey: number,
  done: Acknowledged,
): Promise<void> {
  const open = (options: ConnectOptions) => gateway.connect(options);
  try {
    const operator = await open({ scopes: ALL });
    for (let key = firstKey; key < firstKey + 20; key++) {
      const knock = await open(nodeOptions(key));
      const { deviceId } = await keyOf(key);
      // Paired by an earlier round, when the keys come round again.
      const requestId = knock.hello.error?.details.requestId;
      if (requestId !== undefined) {
        done.waiting.add(deviceId);
        done.removed.delete(deviceId);
        await operator.call("device.pair.approve", { requestId });
        done.paired.add(deviceId);
        done.waiting.delete(deviceId);
      }
      done.acts++;
      await operator.call("device.token.rotate", { deviceId, role: "node" });
      if (key % 3 !== 0) continue;
      done.open.add(deviceId);
      await operator.call("device.pair.remove", { deviceId });
      done.removed.add(deviceId);
      done.paired.delete(deviceId);
      done.open.delete(deviceId);
    }
  } catch {
    // The gateway was killed under us; what was acknowledged is in `done`.
  }
}

/** One round: what the gateway is busy with, how much was acknowledged so far, and who looks afterwards. */
interface Round {
  readonly work: (gateway: KillableGateway) => Promise<void>;
  readonly acknowledged: () => number;
  readonly check: (operator: ScriptedPeer) => Promise<void>;
}

/** Kills a gateway at a random moment of its work, then lets `check` look at its successor. */
async function killedAt(
  stateDir: string,
  { work, acknowledged, check }: Round,
): Promise<void> {
  const child = await startKillable(stateDir);
  const before = acknowledged();
  let over = false;
  const working = work(child).then(() => {
    over = true;
  });
  await eventually("work has begun", () => over || acknowledged() > before);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
  await child.kill();
  await working;
  const again = await startKillable(stateDir);
  assert(again.startMs < 10_000, `start took ${again.startMs} ms`);
  const operator = await again.connect({ scopes: ALL, caps: ["exec-approvals"] });
  await check(operator.expectHello());
  await operator.close();
  await again.kill();
}

Deno.test("F01: a gateway killed at any moment of pairing work comes back with everything it acknowledged", async () => {
  const done: Acknowledged = {
    paired: new Set(),
    removed: new Set(),
    waiting: new Set(),
    open: new Set(),
    acts: 0,
  };
  await withStateDir(async (stateDir) => {
    for (let round = 0; round < ROUNDS; round++) {
      const firstKey = 1 + (round * 20) % 230;
      const check = async (operator: ScriptedPeer) => {
        const { paired, pending } = await operator.call("device.pair.list");
        const ids = new Set(paired.map((d: { deviceId: string }) => d.deviceId));
        for (const id of done.paired) assert(ids.has(id) || done.open.has(id), `lost ${id}`);
        for (const id of done.removed) assert(!ids.has(id) || done.paired.has(id), `back: ${id}`);
        const waits = new Set(pending.map((r: { deviceId: string }) => r.deviceId));
        for (const id of done.waiting) assert(waits.has(id) || ids.has(id), `request lost ${id}`);
        for (const id of done.open) if (!ids.has(id)) done.paired.delete(id);
      };
      await killedAt(stateDir, {
        work: (gateway) => work(gateway, firstKey, done),
        acknowledged: () => done.acts,
        check,
      });
      done.waiting.clear();
      done.open.clear();
    }
  });
  assertEquals(done.paired.size > 0, true);
});

/** Facts about approvals, join codes and tokens that were acknowledged, by id. */
class Ledger {
  readonly approvals = new Map<string, "pending" | "allowed" | "denied">();
  readonly codes = new Map<string, "open" | "revoked">();
  readonly revoked = new Set<string>();
  /** Acts that were sent and not answered: either state is right. */
  readonly unsure = new Set<string>();
  /** Acts that were acknowledged. */
  acknowledged = 0;

  async act(id: string, run: () => Promise<unknown>, note: () => void): Promise<void> {
    this.unsure.add(id);
    await run();
    note();
    this.unsure.delete(id);
    this.acknowledged++;
  }
}

/** Asks, answers, makes and ends codes, revokes tokens until the gateway is gone. */
async function govern(
  gateway: KillableGateway,
  firstKey: number,
  ledger: Ledger,
): Promise<void> {
  try {
    const operator = await gateway.connect({ scopes: ALL, caps: ["exec-approvals"] });
    const asker = await gateway.connect({ scopes: ALL, key: 1 });
    for (let n = 0;; n++) {
      const asked = await asker.response(
        asker.send("exec.approval.request", { command: `echo ${n}`, twoPhase: true }),
      );
      const { id } = asked.payload;
      ledger.approvals.set(id, "pending");
      if (n % 4 !== 0) {
        const decision = n % 2 === 0 ? "deny" : "allow-once";
        const after = decision === "deny" ? "denied" : "allowed";
        const resolve = () => operator.call("exec.approval.resolve", { id, decision });
        await ledger.act(id, resolve, () => ledger.approvals.set(id, after));
      }
      const publicUrl = "wss://gw.example";
      const { setupId } = await operator.call("device.pair.setupCode", { publicUrl });
      ledger.codes.set(setupId, "open");
      if (n % 2 === 0) {
        const revoke = () => operator.call("device.pair.setupRevoke", { setupId });
        await ledger.act(setupId, revoke, () => ledger.codes.set(setupId, "revoked"));
      }
      const node = await gateway.connect(nodeOptions(firstKey + n % 40));
      const details = node.hello.error?.details;
      if (details === undefined) continue;
      const { requestId, deviceId } = details;
      const approve = () => operator.call("device.pair.approve", { requestId });
      await ledger.act(deviceId, approve, () => ledger.revoked.delete(deviceId));
      const end = () => operator.call("device.token.revoke", { deviceId, role: "node" });
      await ledger.act(deviceId, end, () => ledger.revoked.add(deviceId));
    }
  } catch {
    // The gateway was killed under us; what was acknowledged is in the ledger.
  }
}

async function compare(operator: ScriptedPeer, ledger: Ledger): Promise<void> {
  const ids = (rows: readonly { id?: string; setupId?: string }[]) =>
    new Set(rows.map((row) => row.id ?? row.setupId ?? ""));
  const waiting = ids(await operator.call("exec.approval.list"));
  for (const [id, status] of ledger.approvals) {
    if (ledger.unsure.has(id)) {
      ledger.approvals.delete(id);
      continue;
    }
    assertEquals(waiting.has(id), status === "pending", `approval ${id} was ${status}`);
    if (status === "pending") continue;
    const { approval } = await operator.call("approval.get", { id });
    assertEquals(approval.status, status, id);
    ledger.approvals.delete(id); // the history keeps the newest 500
  }
  const open = ids((await operator.call("device.pair.setupList")).codes);
  for (const [setupId, status] of ledger.codes) {
    if (ledger.unsure.has(setupId)) {
      ledger.codes.set(setupId, open.has(setupId) ? status : "revoked");
    } else assertEquals(open.has(setupId), status === "open", `join code ${setupId} was ${status}`);
  }
  const { paired } = await operator.call("device.pair.list");
  for (const { deviceId, tokens } of paired) {
    if (ledger.unsure.has(deviceId)) ledger.revoked.delete(deviceId);
    if (!ledger.revoked.has(deviceId)) continue;
    assert(tokens[0].revokedAtMs > 0, `the token of ${deviceId} came back to life`);
  }
  for (const id of waiting) {
    await operator.call("exec.approval.resolve", { id, decision: "deny" });
    ledger.approvals.set(id, "denied");
  }
  ledger.unsure.clear();
}

Deno.test("F01: a gateway killed at any moment keeps acknowledged exec approvals, join codes and revocations", async () => {
  const ledger = new Ledger();
  await withStateDir(async (stateDir) => {
    for (let round = 0; round < ROUNDS; round++) {
      const firstKey = 2 + (round * 40) % 200;
      await killedAt(stateDir, {
        work: (gateway) => govern(gateway, firstKey, ledger),
        acknowledged: () => ledger.acknowledged,
        check: (operator) => compare(operator, ledger),
      });
    }
  });
  assert(ledger.acknowledged > ROUNDS && ledger.codes.size > 0 && ledger.revoked.size > 0);
});
