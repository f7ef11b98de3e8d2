/** What a running `gateway run` does with an edit of its file, as real processes: publishing, restarting, staying. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { connectParams, Wire } from "../../support/wire.ts";
import { eventually, freePort, run, type Running, start, TempHome } from "../program.ts";

const TOKEN = "tok-synthetic-e2e-reload-0123456789abcdef";
const linux = Deno.build.os === "linux";

/** Keeps its rules in a file beside it, as the real program keeps them in its daemon. */
const TAILSCALE = `#!/bin/sh
dir=$(dirname "$0")
echo "$*" >> "$dir/calls"
case "$*" in
  "status --json") echo '{"Self":{"DNSName":"gw.tail1234.ts.net."},"Peer":{}}' ;;
  "serve status --json") [ -f "$dir/rules" ] && cat "$dir/rules" || echo '{}' ;;
  *" off") rm -f "$dir/rules" ;;
  serve*|funnel*) for port; do :; done
    echo '{"Web":{"gw.tail1234.ts.net:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:'$port'"}}}}}' > "$dir/rules" ;;
esac
`;

interface Scene {
  readonly home: TempHome;
  readonly gateway: Running;
  readonly env: Record<string, string>;
  readonly port: number;
  /** Writes the file as an editor does, and waits for what the gateway says about it. */
  edit(config: Record<string, unknown>, said: RegExp): Promise<void>;
  /** Calls of the stand-in so far. */
  calls(): string[];
}

async function withGateway(
  config: (port: number) => Record<string, unknown>,
  use: (scene: Scene) => Promise<void>,
  words: readonly string[] = [],
): Promise<void> {
  await using home = await TempHome.make();
  const bin = join(home.path, "bin");
  await Deno.mkdir(bin);
  await Deno.writeTextFile(join(bin, "tailscale"), TAILSCALE, { mode: 0o755 });
  const env = home.env("gateway");
  env.PATH = `${bin}:${env.PATH}`;
  const port = freePort();
  const file = `${env.OPENCLAW_STATE_DIR}/openclaw.json`;
  await Deno.mkdir(`${env.OPENCLAW_STATE_DIR}`, { mode: 0o700 });
  const write = (value: Record<string, unknown>) =>
    Deno.writeTextFile(file, `// by hand\n${JSON.stringify(value)}\n`, { mode: 0o600 });
  await write(config(port));
  await using gateway = start(["gateway", "run", ...words], { env });
  await gateway.until(/ready/);
  await use({
    home,
    gateway,
    env,
    port,
    async edit(value, said) {
      const from = gateway.said.length;
      await write(value);
      await eventually(
        `${said} after ${gateway.said.slice(from)}`,
        () => said.test(gateway.said.slice(from)),
      );
    },
    calls: () => Deno.readTextFileSync(join(bin, "calls")).trim().split("\n"),
  });
}

const section = (port: number, more: Record<string, unknown> = {}) => ({
  gateway: { port, auth: { mode: "token", token: TOKEN }, ...more },
});

async function owner(port: number): Promise<Wire> {
  const wire = await Wire.open(`ws://127.0.0.1:${port}`);
  await wire.challenge();
  const hello = await wire.request("connect", connectParams({ auth: { token: TOKEN } }));
  assert(hello.ok, JSON.stringify(hello.error));
  return wire;
}

Deno.test(
  "reload: Tailscale is published, published again on another port, and taken back, without a restart",
  {
    ignore: !linux,
  },
  () =>
    withGateway((port) => section(port), async ({ gateway, env, port, edit, calls }) => {
      const wire = await owner(port);
      const serve = { tailscale: { mode: "serve" } };
      await edit(
        section(port, serve),
        /published through tailscale.*wss:\/\/gw\.tail1234\.ts\.net/s,
      );
      assertStringIncludes(calls().join("\n"), `serve --bg --yes ${port}`);
      const other = freePort();
      await edit(section(other, serve), /published through tailscale/);
      assertStringIncludes(calls().join("\n"), `serve --bg --yes ${other}`);
      // A rule for the old port would answer with whatever listens there next.
      assertStringIncludes(calls().join("\n"), "serve --https=443 --set-path=/ off");
      const before = calls().length;
      await edit(section(other), /listening on/);
      await eventually(
        "it is taken back",
        () => calls().slice(before).some((line) => / off$/.test(line)),
      );
      assert((await wire.request("health", {})).ok, "nobody was dropped");
      wire.terminate();
      await edit(section(other, serve), /published through tailscale/);
      const last = calls().length;
      await gateway.end();
      assertEquals(
        calls().slice(last),
        [],
        "a gateway that ends leaves its rule, unless resetOnExit",
      );
      const file = `${env.OPENCLAW_STATE_DIR}/openclaw.json`;
      await Deno.writeTextFile(file, JSON.stringify(section(other)), { mode: 0o600 });
      await using again = start(["gateway", "run"], { env });
      await again.until(/tailscale rule of an earlier run taken back/);
      assertEquals(calls().slice(last).filter((line) => / off$/.test(line)).length, 1);
    }),
);

Deno.test(
  "reload: the mDNS announcement follows its mode and the address",
  { ignore: !linux },
  () =>
    withGateway(
      (port) => ({ ...section(port, { bind: "lan" }), discovery: { mdns: { mode: "off" } } }),
      async ({ port, edit, gateway }) => {
        assert(!gateway.said.includes("announced on the local network"), gateway.said);
        const lan = section(port, { bind: "lan" });
        // Where no multicast is, it says "not announced" for the same reason: it tried.
        await edit(
          { ...lan, discovery: { mdns: { mode: "full" } } },
          /announced on the local network/,
        );
        const other = section(freePort(), { bind: "lan" });
        await edit(
          { ...other, discovery: { mdns: { mode: "full" } } },
          /announced on the local network/,
        );
        const from = gateway.said.length;
        await edit({ ...other, discovery: { mdns: { mode: "off" } } }, /listening on/);
        assert(!gateway.said.slice(from).includes("announced"), gateway.said.slice(from));
      },
    ),
);

Deno.test(
  "reload mode restart: the process restarts its gateway for a good change, tells peers 1012, and stays for a bad one",
  {
    ignore: !linux,
  },
  () =>
    withGateway(
      (port) => section(port, { reload: { mode: "restart" } }),
      async ({ gateway, env, port, edit }) => {
        const reload = { reload: { mode: "restart" } };
        const wire = await owner(port);
        await edit(
          section(port, { ...reload, bind: "lan", auth: { mode: "none" } }),
          /not restarted: the gateway would not start/,
        );
        await Deno.writeTextFile(`${env.OPENCLAW_STATE_DIR}/openclaw.json`, "{gateway: {port: ");
        await gateway.until(/configuration not reloaded/);
        assert((await wire.request("health", {})).ok, "a bad edit changes nothing");
        const other = freePort();
        await edit(
          section(other, { ...reload, controlUi: { basePath: "/x" } }),
          /gateway restarts.*ready/s,
        );
        assertEquals((await wire.ended()).code, 1012);
        const again = await owner(other);
        const got = await again.request("config.get", {});
        assertEquals(got.payload.runtimeConfig.gateway.controlUi.basePath, "/x");
        again.terminate();
        const status = await run(["gateway", "status", "--json"], { env });
        assertEquals(JSON.parse(status.stdout).gateway.port, other);
        assertEquals((await gateway.end()).code, 0, "one process all along, and it ends cleanly");
      },
    ),
);

Deno.test(
  "reload hybrid: a key that needs a restart is named by config set and by the gateway, which goes on as it was",
  {
    ignore: !linux,
  },
  () =>
    withGateway((port) => section(port), async ({ gateway, env, port }) => {
      const set = (path: string, value: string) => run(["config", "set", path, value], { env });
      const hot = await set("gateway.trustedProxies", '["10.0.0.1"]');
      assertEquals(hot.stdout, "Updated gateway.trustedProxies. The running gateway applies it.\n");
      await gateway.until(/configuration reloaded.*gateway\.trustedProxies/);
      const rest = await set("gateway.controlUi.basePath", "/x");
      assertEquals(
        rest.stdout,
        "Updated gateway.controlUi.basePath. Restart the gateway to apply.\n",
      );
      await gateway.until(/restart the gateway to apply the rest.*gateway\.controlUi\.basePath/);
      const wire = await owner(port);
      assert((await wire.request("health", {})).ok);
      wire.terminate();
      assertMatch(
        await Deno.readTextFile(`${env.OPENCLAW_STATE_DIR}/openclaw.json`),
        /^\/\/ by hand\n/,
      );
      await gateway.end();
      const offline = await set("gateway.port", String(freePort()));
      assertMatch(offline.stdout, /^Updated gateway\.port\.\n$/);
    }),
);
