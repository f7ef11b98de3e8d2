/**
 * Publishing the gateway through the `tailscale` program: serve inside the tailnet or funnel to the internet, and
 * taking back exactly what was added. A failure never stops the gateway. Source: remote-access.md 6.
 */
import { messageOf, OpenclawError } from "../lib/errors.ts";
import { inIpRange, parseIp, parseIpRange } from "../lib/ip.ts";
import { jsonValue } from "../lib/objects.ts";
import { bool, check, list, obj, opt, record, str } from "../lib/schema.ts";
import { showableWithin } from "../lib/text.ts";
import { readOwned, writeAtomic } from "../platform/files.ts";
import { findProgram } from "../platform/find_program.ts";
import { runProgram, type RunResult } from "../platform/process/start.ts";
import { platformName } from "../platform/os.ts";

/** How the gateway is published. */
export type TailscaleMode = "serve" | "funnel";

/** What the wrapper needs. */
export interface TailscaleHost {
  readonly env: Readonly<Record<string, string>>;
  /** Folders searched for the program, first one wins. */
  readonly binDirs: readonly string[];
}

const CALL_TIMEOUT_MS = 15_000;
const STATUS_TIMEOUT_MS = 5_000;

/** Folders that may hold the program: those of PATH, then where its packages put it. */
export function tailscaleFolders(env: Readonly<Record<string, string | undefined>>): string[] {
  const path = (env["PATH"] ?? "").split(platformName() === "windows" ? ";" : ":").filter((dir) =>
    dir !== ""
  );
  return [
    ...path,
    "/usr/bin",
    "/usr/local/bin",
    "/Applications/Tailscale.app/Contents/MacOS",
    "C:\\Program Files\\Tailscale",
  ];
}

/** Path of the program. Throws `TAILSCALE_MISSING`. */
export async function findTailscale(host: TailscaleHost): Promise<string> {
  const path = await findProgram(host.binDirs, "tailscale", "tailscale.exe", "Tailscale");
  if (path !== undefined) return path;
  throw new OpenclawError(
    "TAILSCALE_MISSING",
    "Cannot publish the gateway: the tailscale program was not found",
    {
      hint: "install Tailscale and run: tailscale up",
    },
  );
}

async function tailscale(
  host: TailscaleHost,
  args: readonly string[],
  timeoutMs: number,
): Promise<RunResult> {
  const env = Object.fromEntries(
    ["PATH", "HOME", "SYSTEMROOT"].flatMap((name) =>
      host.env[name] ? [[name, host.env[name]]] : []
    ),
  );
  const file = await findTailscale(host);
  const result = await runProgram({ file, args, env, timeoutMs });
  if (result.exitCode === 0 || !/permission|denied|operator/i.test(result.stderr)) return result;
  const sudo = "/usr/bin/sudo";
  if (!await Deno.stat(sudo).catch(() => undefined)) return result;
  return await runProgram({ file: sudo, args: ["-n", file, ...args], env, timeoutMs });
}

async function must(
  host: TailscaleHost,
  args: readonly string[],
  timeoutMs: number,
): Promise<string> {
  const result = await tailscale(host, args, timeoutMs);
  if (result.exitCode === 0) return result.stdout;
  const said = showableWithin((result.stderr || result.stdout).trim(), 300) || "it said nothing";
  throw new OpenclawError("TAILSCALE_FAILED", `Cannot run "tailscale ${args.join(" ")}": ${said}`, {
    hint: "tailscale status",
  });
}

const statusSchema = obj({ Self: opt(obj({ DNSName: opt(str()) }, { unknown: "drop" })) }, {
  unknown: "drop",
});
const peersSchema = obj({ Peer: record(obj({}, { unknown: "keep" })) }, { unknown: "drop" });
const peerSchema = obj({ Online: bool(), TailscaleIPs: list(str()) }, { unknown: "drop" });
const serveSchema = obj({
  Web: opt(
    record(
      obj({ Handlers: opt(record(obj({ Proxy: opt(str()) }, { unknown: "drop" }))) }, {
        unknown: "drop",
      }),
    ),
  ),
  AllowFunnel: opt(record(bool())),
}, { unknown: "drop" });
const ownSchema = obj({ proxy: str() });

/** Name of this machine in the tailnet, without the final dot; `undefined` when it has none. */
export async function tailnetName(host: TailscaleHost): Promise<string | undefined> {
  const checked = check(
    statusSchema,
    jsonValue(await must(host, ["status", "--json"], STATUS_TIMEOUT_MS)),
  );
  return checked.ok ? checked.value.Self?.DNSName?.replace(/\.$/, "") || undefined : undefined;
}

const TAILNET = ["100.64.0.0/10", "fd7a:115c:a1e0::/48"].flatMap((text) =>
  parseIpRange(text) ?? []
);

/** Whether an address belongs to a tailnet. Source: remote-access.md 6. */
export function isTailnetAddress(address: string): boolean {
  const bytes = parseIp(address);
  return bytes !== undefined && TAILNET.some((range) => inIpRange(bytes, range));
}

/**
 * One address of each machine of the tailnet that is online, in the order tailscale tells them. Throws
 * `TAILSCALE_MISSING`, `TAILSCALE_FAILED`.
 */
export async function tailnetPeers(host: TailscaleHost, timeoutMs: number): Promise<string[]> {
  const limitMs = Math.min(timeoutMs, STATUS_TIMEOUT_MS);
  const status = check(peersSchema, jsonValue(await must(host, ["status", "--json"], limitMs)));
  return Object.values(status.ok ? status.value.Peer : {}).flatMap((text) => {
    // A peer that is described in another way does not hide the rest.
    const peer = check(peerSchema, text);
    const addresses = peer.ok && peer.value.Online ? peer.value.TailscaleIPs : [];
    return addresses.filter(isTailnetAddress).slice(0, 1);
  });
}

/** A rule for `/` on port 443. */
interface RootRule {
  readonly proxy: string | undefined;
  /** `funnel` when everybody on the internet reaches it. */
  readonly mode: TailscaleMode;
}

/** What already answers at `/` on port 443. */
async function rootRule(host: TailscaleHost): Promise<RootRule | undefined> {
  const text = await must(host, ["serve", "status", "--json"], STATUS_TIMEOUT_MS);
  const checked = check(serveSchema, jsonValue(text)); // some versions print nothing when there is no rule
  if (!checked.ok) return undefined;
  const { Web = {}, AllowFunnel = {} } = checked.value;
  const [name, site] = Object.entries(Web).find(([name]) => name.endsWith(":443")) ?? [];
  const root = site?.Handlers?.["/"];
  if (name === undefined || root === undefined) return undefined;
  return { proxy: root.Proxy, mode: AllowFunnel[name] ? "funnel" : "serve" };
}

/** Where the rule of this gateway leads, as it was written down when it was added; it may outlive the gateway. */
async function ownProxy(recordFile: string): Promise<string | undefined> {
  const file = await readOwned(recordFile, { maxBytes: 4096 });
  const checked = check(ownSchema, file && jsonValue(file.bytes));
  return checked.ok ? checked.value.proxy : undefined;
}

async function takeBack(
  host: TailscaleHost,
  mode: TailscaleMode,
  recordFile: string,
): Promise<void> {
  await must(host, [mode, "--https=443", "--set-path=/", "off"], CALL_TIMEOUT_MS);
  await Deno.remove(recordFile).catch(() => {/* nothing was written down */});
}

/**
 * Takes back what an earlier run of this gateway added, when it still stands. Without a record nothing is asked. Throws
 * `TAILSCALE_MISSING`, `TAILSCALE_FAILED`; the record stays then.
 * @returns whether there was such a rule.
 */
export async function withdrawEarlier(host: TailscaleHost, recordFile: string): Promise<boolean> {
  const own = await ownProxy(recordFile);
  if (own === undefined) return false;
  const rule = await rootRule(host);
  const stands = rule?.proxy === own;
  if (stands) await takeBack(host, rule.mode, recordFile);
  else await Deno.remove(recordFile);
  return stands;
}

/** A published gateway. */
export interface Publication {
  readonly mode: TailscaleMode;
  /** `wss://<name in the tailnet>`; `undefined` when the name could not be told. */
  readonly url: string | undefined;
  /** Removes the rule this gateway added, now or in an earlier run, and no other. Never throws. */
  withdraw(): Promise<string | undefined>;
}

/** Facts of a publication. */
export interface PublishFacts {
  readonly mode: TailscaleMode;
  readonly port: number;
  /** Whether the gateway itself speaks TLS on its loopback port. */
  readonly tls: boolean;
  /** Where it is written down that the rule is ours. */
  readonly recordFile: string;
}

/**
 * Publishes the gateway's loopback port. Throws `TAILSCALE_MISSING`, `TAILSCALE_FAILED`, and `TAILSCALE_RULE_TAKEN` when
 * somebody else's rule answers there: it is not replaced.
 */
export async function publishThroughTailscale(
  host: TailscaleHost,
  { mode, port, tls, recordFile }: PublishFacts,
): Promise<Publication> {
  const target = tls ? `https+insecure://127.0.0.1:${port}` : `http://127.0.0.1:${port}`;
  const before = await rootRule(host);
  const isOurs = before === undefined || before.proxy === await ownProxy(recordFile);
  if (!isOurs && before.proxy !== target) {
    throw new OpenclawError(
      "TAILSCALE_RULE_TAKEN",
      `Cannot publish the gateway: tailscale ${mode} already sends "/" to "${
        showableWithin(before.proxy ?? "another service", 200)
      }"`,
      { hint: "tailscale serve status" },
    );
  }
  if (isOurs) await writeAtomic(recordFile, JSON.stringify({ proxy: target }) + "\n");
  // A rule of the other mode would go on: a gateway meant for the tailnet must not stay open to the internet.
  if (before?.proxy !== target || before.mode !== mode) {
    await must(host, [mode, "--bg", "--yes", tls ? target : String(port)], CALL_TIMEOUT_MS);
  }
  const name = await tailnetName(host).catch(() => undefined);
  return {
    mode,
    url: name === undefined ? undefined : `wss://${name}`,
    async withdraw() {
      if (!isOurs) return undefined;
      return await takeBack(host, mode, recordFile).then(() => undefined, messageOf);
    },
  };
}
