/** A neighbour on the network that announces lies, escape sequences and broken packets to another machine. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createSocket } from "node:dgram";
import { encodeDns } from "../../../src/net/discovery/dns_message.ts";
import { announceRecords } from "../../../src/net/discovery/records.ts";
import { otherMachine } from "../../support/netns.ts";
import { type Running, TempHome } from "../program.ts";
import { startThere } from "./other_machine_scene.ts";

const ESCAPES =
  "\u001b[2K\u001b[1Agw\u001b]52;c;aGk=\u0007\u001b]8;;http://evil\u0007\u009b1A\u202egw";

function announcement(more: { displayName?: string; hostLabel?: string; address?: string }) {
  const { displayName = "gw", hostLabel = "gw", address } = more;
  return encodeDns({
    id: 0,
    response: true,
    questions: [],
    records: announceRecords({
      displayName,
      hostLabel,
      port: 18789,
      addresses: address ? [address] : [],
      tlsFingerprint: ESCAPES,
      directReachable: true,
      full: { cliPath: ESCAPES, tailnetDns: ESCAPES },
    }),
  });
}

const header = (count: number) => [0, 0, 0x84, 0, 0, 0, 0, count, 0, 0, 0, 0];

const PACKETS: readonly Uint8Array<ArrayBuffer>[] = [
  announcement({ displayName: ESCAPES, address: "192.0.2.66" }),
  announcement({ displayName: "option", hostLabel: "-oProxyCommand=touch pwned" }),
  announcement({ displayName: "shell", hostLabel: "$(touch pwned);x" }),
  announcement({ displayName: "escaped host", hostLabel: ESCAPES }),
  new Uint8Array([...header(1), 0xc0, 14, 0xc0, 12, 0, 12, 0, 1]),
  new Uint8Array([...header(255), ...new Array(1400).fill(0xc0)]),
  new Uint8Array(1400),
  new Uint8Array(9000).fill(0x3f),
  new Uint8Array(1),
];

/** Sends all of it again and again until stopped. */
async function neighbour(address: string): Promise<() => Promise<void>> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  await new Promise<void>((resolve) => socket.bind(0, () => resolve()));
  socket.setMulticastInterface(address);
  const send = () => PACKETS.forEach((bytes) => socket.send(bytes, 5353, "224.0.0.251"));
  const timer = setInterval(send, 100);
  return async () => {
    clearInterval(timer);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  };
}

/** What reaches the terminal may hold line breaks, and no other control or direction character. */
function assertHarmless(running: Running): void {
  const found = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.exec(
    running.said,
  );
  assertEquals(found && JSON.stringify(found[0]), null, JSON.stringify(running.said));
}

Deno.test("A17, N28: lies, escape sequences and broken packets of a neighbour are shown, not obeyed", async (t) => {
  const machine = await otherMachine();
  if (!machine) return;
  await using home = await TempHome.make();
  const silence = await neighbour(machine.hereAddress);
  try {
    await t.step("gateway discover", async () => {
      const running = startThere(
        machine,
        ["gateway", "discover", "--timeout", "1000"],
        home.env("a"),
      );
      assertEquals((await running.status).code, 0);
      await running.end();
      assertStringIncludes(running.said, "192.0.2.66:18789");
      assertStringIncludes(running.said, "\\x1b[2K");
      // Tests beside this one announce gateways too; this neighbour's line is followed by no claim.
      assert(!/pwned|192\.0\.2\.66.*\n {2}claims fingerprint/.test(running.said), running.said);
      assertHarmless(running);
    });

    await t.step("gateway probe --ssh-auto dials no option", async () => {
      const args = ["gateway", "probe", "--ssh-auto", "--timeout", "1500"];
      const running = startThere(machine, args, home.env("b"));
      await running.status;
      await running.end();
      assertHarmless(running);
    });

    await t.step("node run", async () => {
      const running = startThere(machine, ["node", "run"], home.env("c"));
      await running.until(/not reachable|refused/i);
      await running.end();
      assert(!running.said.includes("oProxyCommand"), running.said);
      assertHarmless(running);
    });
    assertEquals(await Deno.stat(`${home.path}/pwned`).catch(() => undefined), undefined);
  } finally {
    await silence();
    await machine.close();
  }
});
