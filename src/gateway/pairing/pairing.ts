/**
 * The pairing desk: lets proven devices in, files requests for the others, issues device tokens, reconciles node surfaces.
 * The rules are `rules.ts`, the operator's acts `devices.ts` and `surfaces.ts`.
 * Source: gateway-protocol.md 4.2, 5.3, 8, 9; decisions 1-3, 6, 7, 35.
 */
import { coversAll } from "../../protocol/scopes.ts";
import {
  type ApprovedVia,
  type DeviceRecord,
  effectiveRoles,
  type Surface,
} from "../../store/device_record.ts";
import type { Change } from "../../store/store.ts";
import { isCodeUsed, type JoinCodes } from "./join/codes.ts";
import { answerRequest, type PairingContext, settledReads, waitingRequests } from "./context.ts";
import type {
  Admission,
  AdmissionRequest,
  Admitted,
  BootstrapQuestion,
  BootstrapTicket,
  DeviceRole,
  DeviceTokenQuestion,
  DeviceTokenVerdict,
  PairingDesk,
} from "./desk.ts";
import { approvedRecord, nameOf } from "./record.ts";
import { fileRequest } from "./requests.ts";
import { pairingRequired } from "./refusal.ts";
import { automaticApproval, pairingReason } from "./rules.ts";
import { allowedSurface, approve, effectiveSurface, reconcile } from "./surfaces.ts";
import { useGrant } from "./tokens.ts";

/** The desk of one gateway. */
export class Pairing implements PairingDesk {
  readonly context: PairingContext;
  readonly #joins: JoinCodes;

  constructor(context: PairingContext, joins: JoinCodes) {
    this.context = context;
    this.#joins = joins;
  }

  async verifyDeviceToken(question: DeviceTokenQuestion): Promise<DeviceTokenVerdict> {
    const { store, tokens, clock } = this.context;
    const record = store.devices.get(question.deviceId);
    if (record === undefined) return { ok: false, reason: "device-not-paired" };
    if (!record.roles.includes(question.role)) return { ok: false, reason: "role-missing" };
    const grant = record.tokens[question.role];
    if (grant === undefined) return { ok: false, reason: "token-missing" };
    if (grant.revokedAtMs !== undefined) return { ok: false, reason: "token-revoked" };
    const generation = await tokens.check(record.deviceId, grant, question.token, clock.now());
    if (generation === undefined) return { ok: false, reason: "token-mismatch" };
    return question.role === "operator" && !coversAll(grant.scopes, question.scopes)
      ? { ok: false, reason: "scope-mismatch" }
      : { ok: true, generation };
  }

  verifyBootstrap(question: BootstrapQuestion): Promise<BootstrapTicket | undefined> {
    return this.#joins.verify(question);
  }

  isPaired(deviceId: string, role: DeviceRole): boolean {
    const record = this.context.store.devices.get(deviceId);
    return record !== undefined && effectiveRoles(record).includes(role);
  }

  /** A live device was heard of; written with the next batch. */
  noteSeen(deviceId: string, reason: string): void {
    const { store, clock } = this.context;
    if (!store.devices.has(deviceId)) return;
    const before = store.seen.get(deviceId);
    store.later(store.seen, deviceId, {
      ...before,
      lastSeenAtMs: clock.now(),
      lastSeenReason: reason,
    });
  }

  async admit(request: AdmissionRequest): Promise<Admission> {
    await settledReads(this.context.store);
    const record = this.context.store.devices.get(request.device.deviceId);
    const declared = this.#declared(request);
    if (request.bootstrap !== undefined) {
      return await this.#join(request, request.bootstrap, record, declared).catch((error) => {
        if (isCodeUsed(error)) return { kind: "code-used" } as const;
        throw error;
      });
    }
    const reason = pairingReason(record, request);
    if (reason === undefined) return await this.#enter(request, record as DeviceRecord, declared);
    const via = automaticApproval(reason, request, this.context.switches());
    if (via !== undefined) return await this.#approveAndEnter(request, record, declared, via);
    const filed = await fileRequest(this.context, { request, reason, surface: declared, record });
    // I07: an owner works with the shared secret's rights; the record keeps its old grant.
    if (request.owner && reason === "scope-upgrade" && record !== undefined) {
      return { ...await this.#enter(request, record, declared), queuedRequestId: filed.requestId };
    }
    this.context.onWaiting(filed, request);
    return pairingRequired(request, record, reason, filed.requestId);
  }

  #declared(request: AdmissionRequest): Surface | undefined {
    if (request.role !== "node") return undefined;
    return allowedSurface(this.context, request.surface ?? { caps: [], commands: [] }, {
      protocol: request.protocol,
      platform: request.device.platform,
      deviceFamily: request.device.deviceFamily,
    });
  }

  async #approveAndEnter(
    request: AdmissionRequest,
    record: DeviceRecord | undefined,
    declared: Surface | undefined,
    via: ApprovedVia,
  ): Promise<Admitted> {
    const { store, clock, emit } = this.context;
    const nowMs = clock.now();
    const old = waitingRequests(this.context).find((r) => r.deviceId === request.device.deviceId);
    const requestId = old?.requestId ?? crypto.randomUUID();
    const approved = approvedRecord(record, this.#grantee(request), { via, nowMs });
    const told = await store.commit((tx) => {
      if (old !== undefined) {
        answerRequest(this.context, tx, old, { outcome: "approved", atMs: nowMs });
      }
      return this.#save(tx, approved, request, declared);
    });
    const { deviceId } = request.device;
    emit("device.pair.resolved", { requestId, deviceId, decision: "approved", ts: nowMs });
    emit("device.pair.changed", {});
    return await this.#admitted(request, declared, told);
  }

  /** A join code: device and exactly the surface it grants, in one transaction; everything wider asks (decision 35). */
  async #join(
    request: AdmissionRequest,
    ticket: BootstrapTicket,
    record: DeviceRecord | undefined,
    declared: Surface | undefined,
  ): Promise<Admitted> {
    const { store, clock, emit } = this.context;
    const nowMs = clock.now();
    const { deviceId } = request.device;
    const old = waitingRequests(this.context).find((r) => r.deviceId === deviceId);
    let completed = () => {};
    const told = await store.commit((tx) => {
      const { code, announce } = this.#joins.consume(tx, ticket, request.device);
      completed = announce;
      const granted = declared === undefined ? undefined : approve(
        {
          ...declared,
          commands: declared.commands.filter((c) =>
            (code.commands?.includes(c) ?? true) || record?.surface?.commands.includes(c)
          ),
        },
        undefined,
        nowMs,
      );
      if (old !== undefined) {
        answerRequest(this.context, tx, old, { outcome: "approved", atMs: nowMs });
      }
      const grantee = { ...this.#grantee(request), scopes: code.scopes };
      const approved = approvedRecord(record, grantee, {
        via: "bootstrap",
        nowMs,
        joinedBy: code.setupId,
        ...(code.labels === undefined ? {} : { labels: code.labels }),
        ...(granted === undefined ? {} : { surface: granted }),
      });
      const named = code.name === undefined ? approved : { ...approved, operatorLabel: code.name };
      return this.#save(tx, named, request, declared);
    });
    const requestId = old?.requestId ?? crypto.randomUUID();
    emit("device.pair.resolved", { requestId, deviceId, decision: "approved", ts: nowMs });
    if (declared !== undefined) {
      emit("node.pair.resolved", {
        requestId: crypto.randomUUID(),
        nodeId: deviceId,
        decision: "approved",
        ts: nowMs,
      });
    }
    emit("device.pair.changed", {});
    completed();
    return await this.#admitted(request, declared, told);
  }

  #grantee(request: AdmissionRequest) {
    return {
      ...request.device,
      ...(request.remoteIp === undefined ? {} : { remoteIp: request.remoteIp }),
      role: request.role,
      roles: [request.role],
      scopes: request.role === "operator" ? request.scopes : [],
    };
  }

  /** A covered connect: writes only when something durable changed. */
  async #enter(
    request: AdmissionRequest,
    record: DeviceRecord,
    declared: Surface | undefined,
  ): Promise<Admitted> {
    const { store } = this.context;
    const told = await store.commit((tx) =>
      this.#save(tx, this.#refreshed(record, request), request, declared)
    );
    return await this.#admitted(request, declared, told);
  }

  /** Facts that follow the device without approval: name, version, address. Platform and family stay pinned (I10). */
  #refreshed(record: DeviceRecord, request: AdmissionRequest): DeviceRecord {
    const { device, role, deviceTokenGeneration } = request;
    const grant = record.tokens[role];
    const used = grant === undefined || deviceTokenGeneration === undefined
      ? grant
      : useGrant(grant, deviceTokenGeneration);
    return {
      ...record,
      clientId: device.clientId,
      clientMode: device.clientMode,
      ...nameOf(this.context.store, record, device.displayName),
      ...(device.version === undefined ? {} : { version: device.version }),
      ...(record.platform === undefined && device.platform !== undefined
        ? { platform: device.platform }
        : {}),
      ...(record.deviceFamily === undefined && device.deviceFamily !== undefined
        ? { deviceFamily: device.deviceFamily }
        : {}),
      ...(request.remoteIp === undefined ? {} : { remoteIp: request.remoteIp }),
      tokens: used === undefined || used === grant
        ? record.tokens
        : { ...record.tokens, [role]: used },
    };
  }

  #save(
    tx: Change,
    record: DeviceRecord,
    request: AdmissionRequest,
    declared: Surface | undefined,
  ): readonly (() => void)[] {
    const { store } = this.context;
    const { record: saved, told } = declared === undefined
      ? { record, told: [] }
      : reconcile(this.context, tx, record, { request, declared });
    const before = store.devices.get(record.deviceId);
    if (before === undefined || JSON.stringify(before) !== JSON.stringify(saved)) {
      tx.put(store.devices, saved.deviceId, saved);
    }
    return told;
  }

  async #admitted(
    request: AdmissionRequest,
    declared: Surface | undefined,
    told: readonly (() => void)[],
  ): Promise<Admitted> {
    const { store, tokens, clock } = this.context;
    const { deviceId } = request.device;
    for (const tell of told) tell();
    const record = store.devices.get(deviceId);
    const grant = record?.tokens[request.role];
    const live = grant !== undefined && grant.revokedAtMs === undefined ? grant : undefined;
    const nowMs = clock.now();
    const before = store.seen.get(deviceId);
    store.later(store.seen, deviceId, {
      lastSeenAtMs: nowMs,
      lastSeenReason: "connect",
      lastConnectedAtMs: nowMs,
      tokenUsedAtMs: request.deviceTokenGeneration === undefined
        ? before?.tokenUsedAtMs ?? {}
        : { ...before?.tokenUsedAtMs, [request.role]: nowMs },
    });
    return {
      kind: "admitted",
      ...(live === undefined ? {} : {
        deviceToken: await tokens.issue(deviceId, live),
        issuedAtMs: live.rotatedAtMs ?? live.createdAtMs,
      }),
      tokenScopes: live?.scopes ?? [],
      ...(declared === undefined
        ? {}
        : { surface: effectiveSurface(this.context, deviceId, declared) }),
    };
  }
}
