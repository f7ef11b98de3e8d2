/** Packets that vanish between two machines, and how long it takes both sides to notice with their real intervals. */
import { assert, assertEquals } from "@std/assert";
import { eventually, processesWith } from "../program.ts";
import { OtherMachineScene } from "./other_machine_scene.ts";

/** The goal of F10; the gateway takes at most 43 s, the node 38 s. */
const NOTICED_MS = 45_000;
const BACK_MS = 5_000;

/** One way for packets to vanish. */
export interface Fault {
  /** Row of the security cases. */
  readonly id: string;
  readonly name: string;
  /** Drops what goes from the gateway to the node. */
  readonly there: boolean;
  /** Drops what goes from the node to the gateway. */
  readonly here: boolean;
}

/** F10 and F11. */
export const FAULTS: readonly [Fault, ...Fault[]] = [
  { id: "F10", name: "both ways", there: true, here: true },
  { id: "F11", name: "only gateway to node", there: true, here: false },
  { id: "F11", name: "only node to gateway", there: false, here: true },
];

/** Both sides notice, the call in flight fails with a reason, and the node is back soon after the route. */
export async function silenceIsNoticed(fault: Fault): Promise<void> {
  await using scene = await OtherMachineScene.make();
  if (!scene) return;
  const { machine, node, gateway } = scene;
  const mark = `120.${Deno.pid}`;
  const call = scene.cli("nodes", "run", "--node", "other-1", "--", "sleep", mark);
  // The operator's own command line holds the words, too.
  await eventually("it runs", () => processesWith(`sleep ${mark}`).length > 1);
  const sessions = scene.sessions;
  if (fault.there) await machine.dropToThere(true);
  if (fault.here) await machine.dropToHere(true);
  const startMs = performance.now();
  const noticed = { node: 0, gateway: 0 };
  const nodeSide = node.until(/gateway closed|connect failed/, 60_000)
    .then(() => noticed.node = performance.now() - startMs);
  const gatewaySide = gateway.until(/node disconnected/, 60_000)
    .then(() => noticed.gateway = performance.now() - startMs);
  await Promise.all([nodeSide, gatewaySide]);
  console.log(
    `${fault.name}: node ${Math.round(noticed.node)} ms, gateway ${Math.round(noticed.gateway)} ms`,
  );
  assert(noticed.node <= NOTICED_MS && noticed.gateway <= NOTICED_MS, JSON.stringify(noticed));
  const ended = await call;
  assertEquals(ended.code, 255, `the call in flight failed with a reason: ${ended.stderr}`);
  if (fault.there) await machine.dropToThere(false);
  if (fault.here) await machine.dropToHere(false);
  const healedMs = performance.now();
  await eventually("back", () => scene.sessions > sessions, 40_000);
  const backMs = Math.round(performance.now() - healedMs);
  console.log(`back ${backMs} ms after the route`);
  assert(backMs <= BACK_MS, `back only ${backMs} ms after the route`);
}
