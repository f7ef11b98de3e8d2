/**
 * Opens the durable state of a gateway and composes the desks that work on it.
 */
import type { Env } from "../../config/env.ts";
import type { StatePaths } from "../../config/paths.ts";
import { Budget } from "../../lib/budget.ts";
import type { Clock } from "../../lib/clock.ts";
import { inIpRange, parseIp, parseIpRange } from "../../lib/ip.ts";
import type { Logger } from "../../lib/log.ts";
import { GatewayStore } from "../../store/gateway_store.ts";
import { ExecApprovals } from "../approvals/desk.ts";
import type { ConfigHolder } from "./config_holder.ts";
import type { EventHub } from "../peers/events.ts";
import { NodeInvoker } from "../invoke/invoke.ts";
import { JoinCodes } from "../pairing/join/codes.ts";
import { NodeFactsBook } from "../nodes/facts.ts";
import { type NodePolicy, readNodePolicy } from "../nodes/policy.ts";
import { Pairing } from "../pairing/pairing.ts";
import type { PairingContext } from "../pairing/context.ts";
import { allowedSurface, effectiveSurface } from "../pairing/surfaces.ts";
import type { Peer } from "../peers/peer.ts";
import { mayTouch } from "../pairing/rules.ts";
import type { Principal } from "../peers/principal.ts";
import type { Registry } from "../peers/registry.ts";
import { Tokens } from "../pairing/tokens.ts";
import type { VouchSettings } from "../vouch/rules.ts";
import { SshVoucher } from "../vouch/ssh_voucher.ts";

/** What the state is opened with. */
export interface StateOptions {
  readonly paths: Pick<StatePaths, "gatewayDbFile">;
  readonly env: Env;
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly events: EventHub;
  readonly config: ConfigHolder;
}

/** The desks and the store under them. */
export interface GatewayState {
  readonly store: GatewayStore;
  readonly pairing: Pairing;
  readonly joins: JoinCodes;
  readonly approvals: ExecApprovals;
  readonly invoker: NodeInvoker;
  readonly nodeFacts: NodeFactsBook;
  /** Approves nodes whose key ssh confirms. */
  readonly voucher: SshVoucher;
  /** Command lists in force. */
  readonly nodePolicy: () => NodePolicy;
}

/** Opens the store. @throws {OpenclawError} `STORE_UNREADABLE`, `STORE_TOO_NEW` (F34): the file was not touched. */
export async function openGatewayState(options: StateOptions): Promise<GatewayState> {
  const { clock, log, config, events, registry } = options;
  const store = await GatewayStore.open({ path: options.paths.gatewayDbFile, clock, log });
  const gateway = () => config.current.config.gateway;
  // Read once per change: the invoke path asks on every call.
  let policy = readNodePolicy(gateway().nodes);
  const answered = new Set<(requestId: string) => void>();
  const context: PairingContext = {
    store,
    tokens: await Tokens.open(store),
    clock,
    log,
    asked: new Budget({ clock, maxActors: 10_000 }),
    answered,
    emit: (name, payload) => {
      events.broadcast(name, payload, { only: ({ principal }) => mayHear(principal, payload) });
      if (name !== "device.pair.resolved") return;
      const { requestId } = payload as { readonly requestId: string };
      for (const listener of [...answered]) listener(requestId);
    },
    onWaiting: (filed, request) => voucher.consider(filed, request),
    nodePolicy: () => policy,
    switches: () => ({
      autoApproveLocal: gateway().nodes.pairing.autoApproveLocal ?? false,
      trustedAddress: (address) => isInRanges(address, gateway().nodes.pairing.autoApproveCidrs),
    }),
  };
  const voucher = new SshVoucher({ ...options, context, settings: () => vouchSettings(config) });
  const joins = new JoinCodes(context);
  const pairing = new Pairing(context, joins);
  const approvals = await ExecApprovals.open({
    clock,
    store,
    events,
    peers: () => registry.peers(),
  });
  const invoker = new NodeInvoker({
    clock,
    onTwins: (older, newer) => tellTwins(options, [older, newer]),
    surfaceOf: ({ principal }) => {
      const { caps, commands, permissions } = principal;
      const declared = { caps, commands, ...(permissions ? { permissions } : {}) };
      const allowed = allowedSurface(context, declared, principal);
      return effectiveSurface(context, principal.deviceId ?? "", allowed);
    },
  });
  config.onChange(() => {
    policy = readNodePolicy(gateway().nodes);
    invoker.surfaceChanged();
  });
  const nodeFacts = new NodeFactsBook();
  const nodePolicy = () => policy;
  return { store, pairing, joins, approvals, invoker, nodeFacts, voucher, nodePolicy };
}

function vouchSettings(config: ConfigHolder): VouchSettings | undefined {
  const value = config.current.config.gateway.nodes.pairing.sshVerify;
  return value === true ? {} : value || undefined;
}

function tellTwins(
  { log, events }: StateOptions,
  twins: readonly [older: Peer, newer: Peer],
): void {
  const nodeId = twins[1].principal.deviceId ?? "";
  const addresses = twins.map((peer) => peer.principal.remoteAddress);
  log.warn("one node identity is connected twice: its state directory was copied", {
    node: nodeId,
    addresses: addresses.join(" "),
  });
  for (const peer of twins) events.send(peer, "node.identity.duplicate", { nodeId, addresses });
}

/** A device that may only manage itself hears of itself only, as in `device.pair.list`. */
function mayHear(principal: Principal, payload: unknown): boolean {
  const { deviceId, nodeId } = payload as { readonly deviceId?: string; readonly nodeId?: string };
  const subject = deviceId ?? nodeId;
  return subject === undefined || mayTouch(principal, subject);
}

function isInRanges(address: string, ranges: readonly string[]): boolean {
  const bytes = parseIp(address);
  return bytes !== undefined && ranges.some((range) => {
    const parsed = parseIpRange(range);
    return parsed !== undefined && inIpRange(bytes, parsed);
  });
}
