/** Gateways found by another machine (network namespace): live multicast, a wide-area domain, and what a node does with it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { namedMissing, startNamed } from "../../support/named.ts";
import { type OtherMachine, otherMachine } from "../../support/netns.ts";
import { startThere } from "./other_machine_scene.ts";
import { eventually, freePort, run, type Running, start, TempHome } from "../program.ts";

const DOMAIN = "wide.test";

/** A gateway here that announces itself, and a machine that has never heard of it. */
class DiscoveryScene implements AsyncDisposable {
  private constructor(
    readonly machine: OtherMachine,
    readonly home: TempHome,
    readonly gateway: Running,
    readonly port: number,
    readonly pin: string,
  ) {}

  static async make(): Promise<DiscoveryScene | undefined> {
    const machine = await otherMachine();
    if (!machine) return undefined;
    const home = await TempHome.make();
    const port = freePort();
    await Deno.mkdir(`${home.path}/gateway`, { recursive: true });
    const discovery = { mdns: { mode: "full" }, wideArea: { domain: DOMAIN } };
    await Deno.writeTextFile(`${home.path}/gateway/openclaw.json`, JSON.stringify({ discovery }), {
      mode: 0o600,
    });
    const env = home.env("gateway", {
      OPENCLAW_GATEWAY_PORT: String(port),
      OPENCLAW_SSH_PORT: "2222",
    });
    const gateway = start(["gateway", "run", "--tls", "--bind", "lan"], { env });
    await gateway.until(/announced on the local network/);
    if (gateway.said.includes("not announced")) {
      console.log(`skipped: no multicast here: ${gateway.said.match(/not announced.*/)?.[0]}`);
      await dispose({ machine, home, gateway });
      return undefined;
    }
    const pin = gateway.said.match(/[0-9a-f]{64}/)?.[0] as string;
    return new DiscoveryScene(machine, home, gateway, port, pin);
  }

  /** Runs a command on the other machine to its end. */
  async there(args: readonly string[], more: Record<string, string> = {}): Promise<string> {
    const running = startThere(this.machine, args, this.home.env("laptop", more));
    await running.status;
    await running.end();
    return running.said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await dispose(this);
  }
}

async function dispose(
  scene: { readonly gateway: Running; readonly machine: OtherMachine; readonly home: TempHome },
): Promise<void> {
  await scene.gateway.end();
  await scene.machine.close();
  await scene.home[Symbol.asyncDispose]();
}

Deno.test("a gateway is found from another machine", async (t) => {
  await using scene = await DiscoveryScene.make();
  if (!scene) return;
  const { machine, home, port, pin } = scene;

  await t.step("gateway discover hears it by multicast, between two processes", async () => {
    const said = await scene.there(["gateway", "discover", "--json", "--timeout", "1500"]);
    const { domains, beacons } = JSON.parse(said);
    assertEquals(domains, ["local."]);
    const mine = beacons.filter((b: { port: number }) => b.port === port);
    assertEquals(mine.length, 1, said);
    assertEquals(
      [mine[0].gatewayTls, mine[0].gatewayTlsFingerprintSha256, mine[0].sshPort],
      [true, pin, 2222],
    );
    // One of the addresses of the announcing machine; any of them leads to it.
    assertMatch(mine[0].wsUrl, new RegExp(`^wss://.+:${port}$`));
  });

  await t.step("N28: a node without settings shows it, and dials and pins nothing", async () => {
    const node = startThere(machine, ["node", "run"], home.env("fresh-node"));
    await node.until(/Gateways that announce themselves here/);
    await node.until(new RegExp(`node run --host \\S+ --port ${port} --tls-fingerprint <`));
    await node.end();
    assert(!node.said.includes(pin), "the claimed fingerprint is not offered as a pin");
    assertMatch(node.said, /127\.0\.0\.1:18789/);
    const file = JSON.parse(await Deno.readTextFile(`${home.path}/fresh-node/node.json`));
    assertEquals([file.gateway?.host, file.gateway?.tlsFingerprint], ["127.0.0.1", undefined]);
    assert(!/connected|pairing/.test(scene.gateway.said), "the gateway saw nobody");
  });

  await t.step(
    "N28: a node with a stored pin neither asks the network nor changes it",
    async () => {
      const stored = "0".repeat(64);
      const dead = freePort();
      const args = ["--host", machine.hereAddress, "--port", String(dead)]
        .concat(["--tls-fingerprint", stored]);
      const first = startThere(machine, ["node", "run", ...args], home.env("old-node"));
      await first.until(/refused|not reachable/i);
      await first.end();
      const file = `${home.path}/old-node/node.json`;
      const before = await Deno.readTextFile(file);
      assertStringIncludes(before, stored);
      const again = startThere(machine, ["node", "run"], home.env("old-node"));
      await again.until(new RegExp(`${machine.hereAddress.replaceAll(".", "\\.")}:${dead}`));
      await again.until(/refused|not reachable/i);
      await again.end();
      assert(!/announce themselves/.test(again.said), again.said);
      assertEquals(await Deno.readTextFile(file), before);
      // The impostor's case: what is announced at the stored address has another certificate.
      const swapped = before.replace(`${dead}`, `${port}`);
      await Deno.writeTextFile(file, swapped, { mode: 0o600 });
      const refused = startThere(machine, ["node", "run"], home.env("old-node"));
      await refused.until(/fingerprint mismatch/);
      await refused.end();
      assertEquals(await Deno.readTextFile(file), swapped, "the stored pin stays");
    },
  );

  await t.step("gateway discover finds it through a name server", async () => {
    const missing = await namedMissing();
    if (missing) return console.log(`skipped: ${missing}`);
    const zone = `${home.path}/gateway/dns/${DOMAIN}.db`;
    await scene.gateway.until(/zone file written/);
    const check = await new Deno.Command("/usr/bin/named-checkzone", { args: [DOMAIN, zone] })
      .output();
    assertEquals(check.success, true, new TextDecoder().decode(check.stdout));
    const etc = `/etc/netns/${machine.name}`;
    await Deno.mkdir(etc, { recursive: true });
    await Deno.writeTextFile(`${etc}/resolv.conf`, `nameserver ${machine.hereAddress}\n`);
    const named = await startNamed({
      dir: home.path,
      address: machine.hereAddress,
      port: 53,
      zones: { [DOMAIN]: zone },
    });
    try {
      const more = { OPENCLAW_WIDE_AREA_DOMAIN: DOMAIN };
      const args = ["gateway", "discover", "--timeout", "1000"];
      const found = JSON.parse(await scene.there([...args, "--json"], more));
      assertEquals(found.domains, ["local.", `${DOMAIN}.`]);
      const [beacon] = found.beacons.filter((b: { domain: string }) => b.domain === `${DOMAIN}.`);
      assertEquals([beacon.port, beacon.gatewayTlsFingerprintSha256], [port, pin]);
      const text = await scene.there(args, more);
      assertMatch(text, /Found \d gateway\(s\) · domains: local\., wide\.test\./);
    } finally {
      await named.stop();
      await Deno.remove(etc, { recursive: true });
    }
    const down = await scene.there(["gateway", "discover", "--timeout", "1000"], {
      OPENCLAW_WIDE_AREA_DOMAIN: DOMAIN,
    });
    assertStringIncludes(down, "no DNS server answered");
    assertMatch(down, /Found \d gateway/);
    const wrong = await run(["gateway", "discover"], {
      env: home.env("laptop", { OPENCLAW_WIDE_AREA_DOMAIN: "../../etc" }),
    });
    assertEquals(wrong.code, 1);
    assertStringIncludes(wrong.stderr, "not a unicast domain name");
  });

  await t.step(
    "mdns.mode minimal tells less, off tells nothing; a stopped gateway leaves the zone",
    async () => {
      const file = `${home.path}/gateway/openclaw.json`;
      const mode = async (name: string) => {
        const before = scene.gateway.said.match(/announced on|listening on/g)?.length ?? 0;
        const config = JSON.parse(await Deno.readTextFile(file));
        config.discovery.mdns.mode = name;
        await Deno.writeTextFile(file, JSON.stringify(config), { mode: 0o600 });
        const after = () => scene.gateway.said.match(/announced on|listening on/g)?.length ?? 0;
        await eventually("it follows", () => after() > before, 15_000);
      };
      const beacon = async () => {
        const said = await scene.there(["gateway", "discover", "--json", "--timeout", "1200"]);
        return JSON.parse(said).beacons.find((b: { port: number }) => b.port === port);
      };
      await mode("minimal");
      const { sshPort, cliPath, gatewayTlsFingerprintSha256 } = await beacon();
      assertEquals([sshPort, cliPath, gatewayTlsFingerprintSha256], [undefined, undefined, pin]);
      await mode("off");
      assertEquals(await beacon(), undefined);
      const zone = () => Deno.readTextFile(`${home.path}/gateway/dns/${DOMAIN}.db`);
      assertStringIncludes(await zone(), " SRV ");
      await scene.gateway.end("SIGTERM");
      assert(!/ (SRV|PTR) /.test(await zone()), await zone());
    },
  );
});
