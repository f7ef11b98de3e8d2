/** A service to install and a machine to install it on. Shared by the tests of systemd. */
import { join } from "@std/path";
import { Secret } from "../../src/lib/secret.ts";
import type { ServiceHost } from "../../src/service/host.ts";
import type { InstallFacts } from "../../src/service/install.ts";
import { serviceNames } from "../../src/service/plan.ts";

export const names = serviceNames("node", undefined);

/** A node that only sleeps, with a token that needs quoting. */
export function factsOf(dir: string): InstallFacts {
  return {
    kind: "node",
    profile: undefined,
    version: "1.0.0",
    executable: ["/bin/sleep"],
    args: ["1000"],
    stateDir: join(dir, "state"),
    configFile: join(dir, "state", "openclaw.json"),
    serviceEnvDir: join(dir, "state", "service-env"),
    logsDir: join(dir, "state", "logs"),
    secrets: { OPENCLAW_GATEWAY_TOKEN: new Secret('tok"$x') },
  };
}

/** A machine whose tools lie in `binDirs`. */
export function hostOf(
  dir: string,
  binDirs: string[],
  env: Record<string, string> = {},
): ServiceHost {
  return {
    env: { HOME: dir, PATH: "/usr/bin:/bin", ...env },
    home: dir,
    uid: Deno.uid() ?? 0,
    userName: "tester",
    binDirs,
  };
}
