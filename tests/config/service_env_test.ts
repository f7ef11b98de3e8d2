/** How an installed service finds its secrets where the system does not hand them over. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { quoteServiceValue, withServiceSecrets } from "../../src/config/service_env.ts";
import { Secret } from "../../src/lib/secret.ts";
import { secretsFileOf, writeSecrets } from "../../src/service/install.ts";

async function inState(body: (dir: string, env: Record<string, string>) => Promise<void>) {
  const dir = await Deno.makeTempDir();
  try {
    await body(dir, { HOME: dir, OPENCLAW_STATE_DIR: dir, OPENCLAW_SERVICE_KIND: "node" });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("what install writes is what the service reads", () =>
  inState(async (dir, env) => {
    const value = 'tok "quoted" \\ $HOME `id` é';
    await writeSecrets({
      kind: "node",
      profile: undefined,
      version: "1",
      executable: [],
      args: [],
      stateDir: dir,
      configFile: join(dir, "openclaw.json"),
      serviceEnvDir: join(dir, "service-env"),
      logsDir: dir,
      secrets: { OPENCLAW_GATEWAY_TOKEN: new Secret(value) },
    });
    assertEquals((await withServiceSecrets(env))["OPENCLAW_GATEWAY_TOKEN"], value);
    const given = { ...env, OPENCLAW_GATEWAY_TOKEN: "given" };
    assertEquals(await withServiceSecrets(given), given, "what is there already wins");
    const { OPENCLAW_SERVICE_KIND: _kind, ...outside } = env;
    assertEquals(await withServiceSecrets(outside), outside, "no service, no file");
  }));

Deno.test("E11: the file brings secrets and no other variable", () =>
  inState(async (dir, env) => {
    const file = secretsFileOf({ serviceEnvDir: join(dir, "service-env"), kind: "node" });
    await Deno.mkdir(join(dir, "service-env"), { mode: 0o700 });
    const text = `LD_PRELOAD=${quoteServiceValue("/tmp/x.so")}\nOPENCLAW_GATEWAY_PASSWORD="p"\n`;
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    assertEquals(await withServiceSecrets(env), { ...env, OPENCLAW_GATEWAY_PASSWORD: "p" });
  }));
