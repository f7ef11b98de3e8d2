/**
 * Gateways found through the name server of a tailnet peer: another machine (network namespace), a real BIND on an
 * address of the tailnet's range, and a stand-in `tailscale`, since no real tailnet can be had here.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import type { Beacon } from "../../../src/net/discovery/records.ts";
import { renderZone } from "../../../src/net/discovery/zone.ts";
import { namedMissing, startNamed } from "../../support/named.ts";
import { otherMachine } from "../../support/netns.ts";
import { command, TempHome } from "../program.ts";

const DOMAIN = "tail.test";
const PEER = "100.64.13.7";
const STATUS = {
  Self: { DNSName: "laptop.tail1234.ts.net.", TailscaleIPs: ["100.64.13.1"] },
  Peer: {
    "nodekey:1": { Online: true, TailscaleIPs: [PEER, "fd7a:115c:a1e0::7"] },
    "nodekey:2": { Online: false, TailscaleIPs: ["100.64.13.8"] },
    "nodekey:3": { Online: true, TailscaleIPs: null },
    // Whatever says so, a server outside of the tailnet is not asked as a peer.
    "nodekey:4": { Online: true, TailscaleIPs: ["192.0.2.53"] },
  },
};

async function ip(...args: string[]): Promise<void> {
  const { success } = await new Deno.Command("ip", { args, stderr: "null" }).output();
  assertEquals(success, true, args.join(" "));
}

Deno.test("gateway discover asks the name servers of tailnet peers (stand-in tailscale, real BIND)", async () => {
  const missing = await namedMissing();
  if (missing) return console.log(`skipped: ${missing}`);
  const machine = await otherMachine();
  if (!machine) return;
  await using home = await TempHome.make();
  const etc = `/etc/netns/${machine.name}`;
  try {
    const bin = join(home.path, "bin");
    await Deno.mkdir(bin);
    await Deno.writeTextFile(join(home.path, "status.json"), JSON.stringify(STATUS));
    await Deno.writeTextFile(
      join(bin, "tailscale"),
      `#!/bin/sh\n[ "$*" = "status --json" ] && cat ${home.path}/status.json\n`,
      { mode: 0o755 },
    );
    // The system's own name server answers nothing: only the peer knows.
    await Deno.mkdir(etc, { recursive: true });
    await Deno.writeTextFile(`${etc}/resolv.conf`, `nameserver ${machine.hereAddress}\n`);
    await ip("addr", "add", `${PEER}/32`, "dev", "lo");
    await ip("-n", machine.name, "route", "add", PEER, "via", machine.hereAddress);
    const zone = join(home.path, `${DOMAIN}.db`);
    const facts = {
      displayName: "peer's gateway",
      hostLabel: "gw",
      port: 18789,
      addresses: [PEER],
      tlsFingerprint: "ab".repeat(32),
      directReachable: true,
    };
    await Deno.writeTextFile(zone, renderZone(DOMAIN.split("."), facts, 7));
    const zones = { [DOMAIN]: zone };
    const named = await startNamed({ dir: home.path, address: PEER, port: 53, zones });
    try {
      const env = home.env("laptop", { OPENCLAW_WIDE_AREA_DOMAIN: DOMAIN });
      const discover = async (path: string) => {
        const { file, args } = command(["gateway", "discover", "--timeout", "1500", "--json"]);
        const { stdout, stderr } = await new Deno.Command("ip", {
          args: ["netns", "exec", machine.name, file, ...args],
          env: { ...env, PATH: path },
          clearEnv: true,
        }).output();
        assertMatch(new TextDecoder().decode(stderr), /no DNS server answered/);
        const { beacons } = JSON.parse(new TextDecoder().decode(stdout)) as { beacons: Beacon[] };
        // Gateways of other tests may announce themselves on the same link at this moment.
        return beacons.filter(({ domain }) => domain === `${DOMAIN}.`).map((
          b,
        ) => [b.instanceName, b.wsUrl]);
      };
      const found = await discover(`${bin}:${env["PATH"]}`);
      assertEquals(found, [["peer's gateway", `wss://${PEER}:18789`]]);
      assertEquals(await discover(env["PATH"] ?? ""), [], "without tailscale nobody is asked");
    } finally {
      await named.stop();
    }
  } finally {
    await ip("addr", "del", `${PEER}/32`, "dev", "lo").catch(() => {/* never added */});
    await Deno.remove(etc, { recursive: true }).catch(() => {/* never made */});
    await machine.close();
  }
});
