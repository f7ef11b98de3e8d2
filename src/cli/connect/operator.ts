/**
 * This command line as a client of gateways: what it says in hello, and where its device tokens are kept.
 */
import { join } from "@std/path";
import type { ClientHello } from "../../client/connect_plan.ts";
import type { StatePaths } from "../../config/paths.ts";
import type { DeviceKey } from "../../identity/device_key.ts";
import { TokenStore } from "../../identity/token_store.ts";
import { deviceFamily, hostName, platformName } from "../../platform/os.ts";
import { WIRE_VERSION } from "../../protocol/versions.ts";

/** What differs between connections of this command line. */
export interface OperatorNeeds {
  readonly scopes: readonly string[];
  readonly caps?: readonly string[];
  readonly client?: {
    readonly id: "cli" | "gateway-client";
    readonly mode: "cli" | "backend" | "probe";
  };
}

/** The hello of this command line. */
export function operatorHello(needs: OperatorNeeds): ClientHello {
  return {
    client: {
      id: needs.client?.id ?? "cli",
      mode: needs.client?.mode ?? "cli",
      version: WIRE_VERSION,
      displayName: `cli on ${hostName()}`,
      platform: platformName(),
      deviceFamily: deviceFamily(),
      instanceId: crypto.randomUUID(),
    },
    role: "operator",
    scopes: needs.scopes,
    caps: needs.caps ?? [],
  };
}

/** The device tokens gateways gave this command line; the node's are in a file of their own. */
export function operatorTokens(paths: Pick<StatePaths, "identityDir">, key: DeviceKey): TokenStore {
  return new TokenStore({
    path: join(paths.identityDir, "operator-tokens.json"),
    deviceId: key.deviceId,
  });
}
