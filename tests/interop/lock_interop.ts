/** Decision 26 with the real gateways of both lines: ours does not start beside one, nor is it kept out by one that was killed. */
import { assertEquals, assertMatch } from "@std/assert";
import { freePort, Home } from "../support/reference.ts";

for (const kind of ["v3", "v4"] as const) {
  Deno.test({
    name: `decision 26: our gateway on the state directory of a running gateway ${kind}`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const port = freePort();
      const token = "tok-synthetic-lock-0123456789abcdef";
      const config = { gateway: { mode: "local", port, auth: { mode: "token", token } } };
      const theirs = await Home.make(kind, config);
      const place = { HOME: theirs.dir, OPENCLAW_STATE_DIR: theirs.stateDir, TMPDIR: theirs.dir };
      Object.assign(theirs.env, { TMPDIR: theirs.dir });
      const ours = await Home.make("ours", {}, place);
      const other = ["gateway", "run", "--port", String(freePort())];
      const running = await theirs.start(["gateway", "run", "--port", String(port)]);
      try {
        await running.until(/ready|listening/i, 90_000);
        const refused = await ours.run(other, 20_000);
        assertEquals(refused.code, 1, refused.stderr);
        assertMatch(refused.stderr, /process \d+ runs another OpenClaw gateway on it \(lock file /);
        await running.stop("SIGKILL");
        const gateway = await ours.start(other);
        await gateway.until(/listening on/, 30_000);
        await gateway.stop();
      } finally {
        await running.stop("SIGKILL");
        await ours.remove();
        await theirs.remove();
      }
    },
  });
}
