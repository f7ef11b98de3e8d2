/**
 * Tries every target side by side, each within its own budget, and reports what each one answered. Nothing is changed
 * anywhere: probes read. Source: remote-access.md 3, cli.md 6.
 */
import { openSession, type Session } from "../../../client/session.ts";
import { statePaths } from "../../../config/paths.ts";
import { loadHostFacts } from "../../../config/server/host_facts.ts";
import type { Fingerprint } from "../../../identity/fingerprint.ts";
import { isOpenclawError, messageOf } from "../../../lib/errors.ts";
import { withDeadline } from "../../../lib/deadline.ts";
import type { Beacon } from "../../../net/discovery/records.ts";
import { operatorHello } from "../../connect/operator.ts";
import { acceptedPins } from "../../connect/operator_pins.ts";
import { capabilityOf, reachOf } from "../../connect/reach.ts";
import { findGateways } from "../../connect/find_gateways.ts";
import { type ProbeTarget, probeTargets, type ProbeValues } from "../../connect/probe_targets.ts";
import { type Outcome, renderProbe, type Warning } from "./probe_text.ts";
import type { Io } from "../../terminal/io.ts";
import { type UsedTunnel, useTunnel } from "../../connect/tunnel_for.ts";

const DISCOVERY_MS = 1200;
/** Lets a dial or a greeting report its own timeout, which says how far it came. */
const STAGE_HEADSTART_MS = 50;

/** `gateway probe`: exit code 0 when any target is reachable. */
export async function probeGateways(values: ProbeValues, io: Io): Promise<number> {
  const startMs = performance.now();
  const browsing = findGateways(io, Math.min(DISCOVERY_MS, values.timeoutMs))
    .then(({ beacons }) => beacons, () => []);
  const beacons = values.sshAuto ? await browsing : [];
  const targets = await probeTargets(values, io, beacons[0]);
  const outcomes = await Promise.all(targets.map((target) => probe(target, values, io)));
  const found = await browsing;
  const reachable = outcomes.filter((outcome) => outcome.connect.ok);
  const order = ["explicit", "sshTunnel", "configRemote", "localLoopback"];
  const [primary] = reachable.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  const warnings = warningsOf(targets, outcomes, reachable);
  const document = {
    ok: reachable.length > 0,
    degraded: warnings.length > 0,
    capability: primary?.auth?.capability ?? "unknown",
    ts: Date.now(),
    durationMs: Math.round(performance.now() - startMs),
    timeoutMs: values.timeoutMs,
    primaryTargetId: primary?.id ?? null,
    warnings,
    network: networkOf(targets.find((target) => target.kind === "localLoopback")?.url),
    discovery: { timeoutMs: DISCOVERY_MS, count: found.length, beacons: found.map(beaconRow) },
    targets: outcomes,
  };
  io.out.show(document, () => renderProbe(document, io));
  return document.ok ? 0 : 1;
}

/** This machine's own addresses for its gateway. */
function networkOf(localLoopbackUrl: string | undefined) {
  const tailnetIPv4 = loadHostFacts().tailnetIpv4 ?? null;
  const url = localLoopbackUrl && tailnetIPv4 ? new URL(localLoopbackUrl) : undefined;
  return {
    localLoopbackUrl: localLoopbackUrl ?? null,
    localTailnetUrl: url ? `${url.protocol}//${tailnetIPv4}:${url.port}` : null,
    tailnetIPv4,
  };
}

async function probe(target: ProbeTarget, values: ProbeValues, io: Io): Promise<Outcome> {
  const base = {
    id: target.id,
    kind: target.kind,
    url: target.url,
    active: target.active,
    tunnel: target.tunnel ? { kind: "ssh" as const, target: target.tunnel.sshTarget } : null,
  };
  let tunnel: UsedTunnel | undefined;
  let session: Session | undefined;
  const pins = await pinsOf(target, io);
  const startMs = performance.now();
  try {
    tunnel = target.tunnel && await useTunnel({
      tunnel: target.tunnel,
      url: target.url,
      pin: target.pin,
      pins,
      home: target.home,
      tunnelsDir: target.tunnelsDir,
      timeoutMs: target.budgetMs,
      // A probe is to show that ssh works now.
      shareSeconds: 0,
    }, io.env);
    session = await withDeadline(openSession(sessionOptions(target, tunnel, pins)), {
      timeoutMs: target.budgetMs + STAGE_HEADSTART_MS,
      what: `probe of ${target.url}`,
    });
    const latencyMs = Math.round(performance.now() - startMs);
    return { ...base, ...await ask(session, latencyMs, values.timeoutMs) };
  } catch (error) {
    if (!isOpenclawError(error)) throw error;
    const close = { code: error.code, ...(error.hint ? { hint: error.hint } : {}) };
    const failed = {
      ok: false,
      reach: reachOf(error),
      rpcOk: false,
      scopeLimited: false,
      latencyMs: null,
      error: messageOf(error),
      close,
    };
    return {
      ...base,
      connect: failed,
      auth: null,
      self: null,
      config: null,
      health: null,
      summary: null,
      presence: null,
    };
  } finally {
    session?.close();
    await tunnel?.close();
  }
}

async function pinsOf({ pin, followsPins }: ProbeTarget, io: Io): Promise<readonly Fingerprint[]> {
  if (pin === undefined) return [];
  return followsPins ? await acceptedPins(statePaths(io.env), pin) : [pin];
}

function sessionOptions(
  target: ProbeTarget,
  tunnel: UsedTunnel | undefined,
  pins: readonly Fingerprint[],
) {
  return {
    dial: {
      ...(tunnel?.dial ?? { url: target.url }),
      timeoutMs: target.budgetMs,
      plaintext: { optIn: target.allowPrivatePlaintext },
      pins,
    },
    hello: operatorHello({ scopes: ["operator.read"], client: { id: "cli", mode: "probe" } }),
    credentials: target.credentials,
    timeoutMs: target.budgetMs,
  };
}

/** Four reads at once; a refusal for a missing scope is an answer too. */
async function ask(session: Session, latencyMs: number, timeoutMs: number) {
  let limited = false;
  let failed = false;
  const read = async (method: string) => {
    try {
      return await session.request(method, {}, { timeoutMs });
    } catch (error) {
      if (/missing scope/.test(messageOf(error))) limited = true;
      else failed = true;
      return null;
    }
  };
  const [health, summary, presence, config] = await Promise.all(
    ["health", "status", "system-presence", "config.get"].map(read),
  );
  const { role, scopes } = session.hello.auth;
  return {
    connect: {
      ok: true,
      reach: "reachable" as const,
      rpcOk: !failed && !limited,
      scopeLimited: limited,
      latencyMs,
      error: null,
      close: null,
    },
    auth: { role: role ?? null, scopes, capability: capabilityOf(scopes) },
    self: session.hello.server,
    config,
    health,
    summary,
    presence,
  };
}

function warningsOf(
  targets: readonly ProbeTarget[],
  outcomes: readonly Outcome[],
  reachable: readonly Outcome[],
): Warning[] {
  const of = (code: string, message: string, hit: readonly Outcome[]): Warning[] =>
    hit.length === 0 ? [] : [{ code, message, targetIds: hit.map((o) => o.id) }];
  const tunnels = outcomes.filter((o) => o.kind === "sshTunnel" && !o.connect.ok);
  const unresolved = targets.flatMap((t) => t.unavailable.map((reason) => ({ id: t.id, reason })));
  return [
    ...of(
      "ssh_tunnel_failed",
      `The ssh tunnel did not work: ${tunnels[0]?.connect.error}`,
      tunnels,
    ),
    ...of(
      "multiple_gateways",
      "More than one gateway is reachable",
      reachable.length > 1 ? reachable : [],
    ),
    ...unresolved.map(({ id, reason }) => ({
      code: "auth_secretref_unresolved",
      message: reason,
      targetIds: [id],
    })),
    ...of(
      "probe_scope_limited",
      "Connected, but without the scope to read details",
      reachable.filter((o) => o.connect.scopeLimited),
    ),
    ...of(
      "probe_detail_failed",
      "Connected, but a read failed",
      reachable.filter((o) => !o.connect.rpcOk && !o.connect.scopeLimited),
    ),
  ];
}

function beaconRow(beacon: Beacon) {
  const { instanceName, domain, host, wsUrl } = beacon;
  return {
    instanceName,
    displayName: beacon.displayName ?? null,
    domain,
    host,
    lanHost: beacon.lanHost ?? null,
    tailnetDns: beacon.tailnetDns ?? null,
    gatewayPort: beacon.gatewayPort ?? null,
    sshPort: beacon.sshPort ?? null,
    wsUrl,
  };
}
