/** Against a stand-in `tailscale` program that keeps its rules in a file; a real tailnet cannot be had here. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import {
  publishThroughTailscale,
  tailnetName,
  type TailscaleHost,
  withdrawEarlier,
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
    for port; do :; done
    case $1 in funnel) open=true ;; *) open=false ;; esac
    site='"gw.tail1234.ts.net:443"'
    rule='{"Handlers":{"/":{"Proxy":"http://127.0.0.1:'$port'"}}}'
    printf '{"Web":{%s:%s},"AllowFunnel":{%s:%s}}' $site $rule $site $open > "$dir/rules" ;;
esac
`;

async function withStandIn(
  body: (host: TailscaleHost, dir: string, recordFile: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, "tailscale"), STAND_IN);
    await Deno.chmod(join(dir, "tailscale"), 0o755);
    await body(
      { env: { PATH: "/usr/bin:/bin", HOME: dir }, binDirs: [dir] },
      dir,
      join(dir, "record.json"),
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

const serve = { mode: "serve", port: 18789, tls: false } as const;
const offCalls = async (dir: string) =>
  (await Deno.readTextFile(join(dir, "calls"))).split("\n").filter((line) => / off$/.test(line));

Deno.test("serve publishes the port, tells the tailnet URL and takes back its own rule", () =>
  withStandIn(async (host, dir, recordFile) => {
    const publication = await publishThroughTailscale(host, { ...serve, recordFile });
    assertEquals(publication.url, "wss://gw.tail1234.ts.net");
    assertEquals(await exists(join(dir, "rules")), true);
    assertEquals(await publication.withdraw(), undefined);
    assertEquals([await exists(join(dir, "rules")), await exists(recordFile)], [false, false]);
    const calls = (await Deno.readTextFile(join(dir, "calls"))).trim().split("\n");
    assertEquals(calls, [
      "serve status --json",
      "serve --bg --yes 18789",
      "status --json",
      "serve --https=443 --set-path=/ off",
    ]);
  }));

Deno.test("a rule that somebody else made for this port is used and left alone", () =>
  withStandIn(async (host, dir, recordFile) => {
    await publishThroughTailscale(host, { ...serve, recordFile: join(dir, "theirs.json") });
    const publication = await publishThroughTailscale(host, { ...serve, recordFile });
    await publication.withdraw();
    assertEquals(await exists(join(dir, "rules")), true);
    assertEquals(await withdrawEarlier(host, recordFile), false);
    assertEquals([await offCalls(dir), await exists(recordFile)], [[], false]);
  }));

Deno.test("somebody else's rule is not replaced", () =>
  withStandIn(async (host, dir, recordFile) => {
    await publishThroughTailscale(host, { ...serve, recordFile: join(dir, "theirs.json") });
    const error = await assertRejects(
      () => publishThroughTailscale(host, { ...serve, port: 9999, recordFile }),
      OpenclawError,
    );
    assertEquals([error.code, await exists(recordFile)], ["TAILSCALE_RULE_TAKEN", false]);
  }));

Deno.test("a gateway that was open to the internet and is now meant for the tailnet does not stay open", () =>
  withStandIn(async (host, dir, recordFile) => {
    const open = async () =>
      JSON.parse(await Deno.readTextFile(join(dir, "rules"))).AllowFunnel["gw.tail1234.ts.net:443"];
    for (const mode of ["funnel", "serve", "funnel"] as const) {
      // Each of them ends, and its rule outlives it.
      await publishThroughTailscale(host, { ...serve, mode, recordFile });
      assertEquals(await open(), mode === "funnel");
    }
  }));

Deno.test("a rule left by a killed gateway is replaced on another port, and taken back once it is not wanted", () =>
  withStandIn(async (host, dir, recordFile) => {
    await publishThroughTailscale(host, { ...serve, mode: "funnel", recordFile });
    const moved = await publishThroughTailscale(host, { ...serve, port: 28789, recordFile });
    assertStringIncludes(await Deno.readTextFile(join(dir, "rules")), "127.0.0.1:28789");
    assertEquals(await moved.withdraw(), undefined);
    await publishThroughTailscale(host, { ...serve, mode: "funnel", recordFile });
    assertEquals(await withdrawEarlier(host, recordFile), true);
    assertEquals(await offCalls(dir), [
      "serve --https=443 --set-path=/ off",
      "funnel --https=443 --set-path=/ off",
    ]);
    assertEquals(await withdrawEarlier(host, recordFile), false);
  }));

Deno.test("an earlier rule is not forgotten while tailscale cannot be asked", () =>
  withStandIn(async (host, dir, recordFile) => {
    await publishThroughTailscale(host, { ...serve, recordFile });
    await Deno.writeTextFile(join(dir, "fail"), "Tailscale is stopped.\n");
    await assertRejects(() => withdrawEarlier(host, recordFile), OpenclawError, "is stopped");
    await Deno.remove(join(dir, "fail"));
    assertEquals(await withdrawEarlier(host, recordFile), true);
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
        recordFile: "/nonexistent/record.json",
      }),
    OpenclawError,
  );
  assertEquals(error.code, "TAILSCALE_MISSING");
});
