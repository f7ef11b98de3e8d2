/**
 * What a gateway running on this state directory says about itself (`gateway/runtime.json`), so that commands find it
 * whatever port and TLS flags it was started with. Written after it listens, removed when it stops; a record whose
 * process is gone counts for nothing.
 */
import { join } from "@std/path";
import type { LoadedConfig } from "../../config/file/load.ts";
import type { StatePaths } from "../../config/paths.ts";
import { bool, check, type Infer, int, nullable, obj, opt, str } from "../../lib/schema.ts";
import { readOwned, writeAtomic } from "../../platform/files.ts";
import { ownIdentity, stillRuns } from "../../platform/process/identity.ts";
import { jsonValue } from "../../lib/objects.ts";

const schema = obj({
  version: int({ min: 1, max: 1 }),
  pid: int({ min: 1 }),
  startTicks: opt(int({ min: 0 })),
  host: str(),
  port: int({ min: 1, max: 65535 }),
  tls: bool(),
  fingerprint: nullable(str()),
}, { unknown: "keep" });

/** A running gateway. */
export interface RunningGateway {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** SHA-256 of its certificate; `null` without TLS. */
  readonly fingerprint: string | null;
}

/** Where the record is. */
export const runningGatewayFile = (paths: Pick<StatePaths, "gatewayDir">) =>
  join(paths.gatewayDir, "runtime.json");

/** Publishes the record of this process. */
export async function publishRunningGateway(
  paths: Pick<StatePaths, "gatewayDir">,
  facts: Omit<RunningGateway, "pid">,
): Promise<void> {
  const file = runningGatewayFile(paths);
  const record = { version: 1, ...ownIdentity(), ...facts };
  await writeAtomic(file, JSON.stringify(record, null, 2) + "\n");
}

/** Takes back the record of this process. */
export async function withdrawRunningGateway(
  paths: Pick<StatePaths, "gatewayDir">,
): Promise<void> {
  await Deno.remove(runningGatewayFile(paths)).catch(() => {/* already gone, or never written */});
}

/** The gateway running on this state directory; `undefined` when there is none. */
export async function readRunningGateway(
  paths: Pick<StatePaths, "gatewayDir">,
): Promise<RunningGateway | undefined> {
  const file = await readOwned(runningGatewayFile(paths), { maxBytes: 64 * 1024 });
  if (!file) return undefined;
  const checked = check(schema, jsonValue(file.bytes));
  // Half a record is no record; the configuration decides then.
  return checked.ok && stillRuns(identityOf(checked.value)) ? checked.value : undefined;
}

function identityOf({ pid, startTicks }: Infer<typeof schema>) {
  return { pid, ...(startTicks === undefined ? {} : { startTicks }) };
}

/** The configuration with port and TLS as the running gateway has them. */
export async function withRunningGateway(
  loaded: LoadedConfig,
  paths: StatePaths,
): Promise<LoadedConfig> {
  if (loaded.config.gateway.mode === "remote") return loaded;
  const running = await readRunningGateway(paths);
  if (!running) return loaded;
  const { gateway } = loaded.config;
  const tls = { ...gateway.tls, enabled: running.tls };
  return {
    ...loaded,
    config: { ...loaded.config, gateway: { ...gateway, port: running.port, tls } },
  };
}

/** Addresses of this machine that others may reach it at, IPv4 first. */
export function reachableAddresses(): string[] {
  const all = Deno.networkInterfaces().filter(({ address }) =>
    !address.startsWith("127.") && !/^(::1$|fe80:)/i.test(address)
  );
  const of = (family: string) => all.filter((i) => i.family === family).map((i) => i.address);
  return [...of("IPv4"), ...of("IPv6")];
}
