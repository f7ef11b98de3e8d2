/**
 * The secrets of an installed service: `NAME="value"` lines in a 0600 file of the state directory. systemd hands them to
 * the service itself; launchd and the Task Scheduler cannot, so the service reads them. Source: remote-access.md 4.1.
 */
import { join } from "@std/path";
import { readOwned } from "../platform/files.ts";
import { readEnv } from "./env.ts";
import { statePaths } from "./paths.ts";

/** Names that may come from the file; anything else in it is left alone. */
const NAMES = [
  "OPENCLAW_GATEWAY_TOKEN",
  "OPENCLAW_GATEWAY_PASSWORD",
  // Of proxies whose address holds a password.
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
];

/** A value as it stands in the file, for systemd's quoting rules. */
export function quoteServiceValue(value: string): string {
  return `"${value.replace(/[\\"$`]/g, "\\$&")}"`;
}

/** The environment with the secrets of the file that it lacks. Unchanged outside an installed service. */
export async function withServiceSecrets(
  env: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const { serviceKind } = readEnv(env);
  if (serviceKind === undefined) return env;
  const path = join(statePaths(env).serviceEnvDir, `${serviceKind}.env`);
  const file = await readOwned(path, { maxBytes: 64 * 1024 });
  if (!file) return env;
  const lines = new TextDecoder().decode(file.bytes).split("\n");
  const found = lines.flatMap((line): [string, string][] => {
    const [, name = "", value = ""] = /^([A-Za-z_]+)="(.*)"$/.exec(line) ?? [];
    return NAMES.includes(name) && !env[name] ? [[name, value.replace(/\\(.)/g, "$1")]] : [];
  });
  return found.length === 0 ? env : { ...env, ...Object.fromEntries(found) };
}
