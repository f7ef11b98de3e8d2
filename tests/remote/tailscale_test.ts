/** Against a stand-in `tailscale` program that keeps its rules in a file; a real tailnet cannot be had here. */
import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import {
  publishThroughTailscale,
  tailnetName,
  type TailscaleHost,
} from "../../src/remote/tailscale.ts";

const STAND_IN = `#!/bin/sh
dir=$(dirname "$0")
echo "$*" >> "$dir/calls"
[ -f "$dir/fail" ] && { cat "$dir/fail" >&2; exit 1; }
case "$*" in
  "status --json") echo '{"Self":{"DNSName":"gw.tail1234.ts.net."},"Peer":{}}' ;;
  "serve status --json") [ -f "$dir/rules" ] && cat "$dir/rules" || echo '{}' ;;
  *" off") rm -f "$dir/rules" ;;
  serve*|funnel*)
    case $1 in funnel) open=true ;; *) open=false ;; esac
    site='"gw.tail1234.ts.net:443"'
    rule='{"Handlers":{"/":{"Proxy":"http://127.0.0.1:18789"}}}'
    printf '{"Web":{%s:%s},"AllowFunnel":{%s:%s}}' $site $rule $site $open > "$dir/rules" ;;
esac
`;

async function withStandIn(
  body: (host: TailscaleHost, dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, "tailscale"), STAND_IN);
    await Deno.chmod(join(dir, "tailscale"), 0o755);
    await body({ env: { PATH: "/usr/bin:/bin", HOME: dir }, binDirs: [dir] }, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("serve publishes the port, tells the tailnet URL and takes back only its own rule", () =>
  withStandIn(async (host, dir) => {
    const publication = await publishThroughTailscale(host, {
      mode: "serve",
      port: 18789,
      tls: false,
    });
    assertEquals(publication.url, "wss://gw.tail1234.ts.net");
    assertEquals(await exists(join(dir, "rules")), true);
    assertEquals(await publication.withdraw(), undefined);
    assertEquals(await exists(join(dir, "rules")), false);
    const calls = (await Deno.readTextFile(join(dir, "calls"))).trim().split("\n");
    assertEquals(calls, [
      "serve status --json",
      "serve --bg --yes 18789",
      "status --json",
      "serve --https=443 --set-path=/ off",
    ]);
  }));

Deno.test("a rule that was there before is left alone", () =>
  withStandIn(async (host, dir) => {
    const first = await publishThroughTailscale(host, { mode: "serve", port: 18789, tls: false });
    const second = await publishThroughTailscale(host, { mode: "serve", port: 18789, tls: false });
    await second.withdraw();
    assertEquals(await exists(join(dir, "rules")), true);
    await first.withdraw();
  }));

Deno.test("a gateway that was open to the internet and is now meant for the tailnet does not stay open", () =>
  withStandIn(async (host, dir) => {
    const open = async () =>
      JSON.parse(await Deno.readTextFile(join(dir, "rules"))).AllowFunnel["gw.tail1234.ts.net:443"];
    // It ended, and its rule outlived it.
    await publishThroughTailscale(host, { mode: "funnel", port: 18789, tls: false });
    assertEquals(await open(), true);
    await publishThroughTailscale(host, { mode: "serve", port: 18789, tls: false });
    assertEquals(await open(), false);
    await publishThroughTailscale(host, { mode: "funnel", port: 18789, tls: false });
    assertEquals(await open(), true);
  }));

Deno.test("somebody else's rule is not replaced", () =>
  withStandIn(async (host) => {
    await publishThroughTailscale(host, { mode: "serve", port: 18789, tls: false });
    const error = await assertRejects(
      () => publishThroughTailscale(host, { mode: "serve", port: 9999, tls: false }),
      OpenclawError,
    );
    assertEquals(error.code, "TAILSCALE_RULE_TAKEN");
  }));

Deno.test("a failing tailscale is quoted", () =>
  withStandIn(async (host, dir) => {
    await Deno.writeTextFile(join(dir, "fail"), "Tailscale is stopped.\n");
    const error = await assertRejects(
      () => tailnetName(host),
      OpenclawError,
      "Tailscale is stopped.",
    );
    assertEquals(error.code, "TAILSCALE_FAILED");
  }));

Deno.test("a machine without tailscale is told so", async () => {
  const error = await assertRejects(
    () =>
      publishThroughTailscale({ env: {}, binDirs: ["/nonexistent"] }, {
        mode: "serve",
        port: 1,
        tls: false,
      }),
    OpenclawError,
  );
  assertEquals(error.code, "TAILSCALE_MISSING");
});
