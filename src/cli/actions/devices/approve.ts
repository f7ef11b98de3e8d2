/**
 * `devices approve`: shows what is being granted, guards against the race on `--latest` (I24), and grants device
 * and first command surface in one step where the gateway can (decision 3).
 */
import { isOpenclawError, OpenclawError } from "../../../lib/errors.ts";
import { type Gateway, withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { deviceList, type PendingDevice, readAnswer, withoutTokens } from "../../shapes.ts";
import { grantLines, raceReason } from "../../views/devices.ts";

/** Values of the command. */
export type ApproveValues = RpcValues & {
  readonly requestId: string | undefined;
  readonly latest: boolean | undefined;
  readonly yes: boolean | undefined;
};

/** The method of ours that grants device and surface together. */
const ADMIT = "device.pair.admit";

/** `devices approve`. Returns the exit code: 1 when it only previewed. */
export async function approveDevice(values: ApproveValues, io: Io): Promise<number> {
  // Approving a node's exec commands needs admin besides pairing (decision 4).
  const scopes = ["operator.pairing", "operator.admin"];
  return await withGateway(io, values, { scopes }, async (gateway) => {
    const { pending } = readAnswer(
      deviceList,
      "device.pair.list",
      await gateway.call("device.pair.list"),
    );
    const newest = [...pending].sort((a, b) => (b.ts ?? 0) - (a.ts ?? 0));
    const request = values.requestId === undefined
      ? newest[0]
      : pending.find((r) => r.requestId === values.requestId);
    if (values.requestId === undefined) {
      if (!request) {
        throw new OpenclawError(
          "NOTHING_PENDING",
          "No pending device pairing requests to approve",
          {
            hint: "openclaw devices list",
          },
        );
      }
      if (!await mayApprove(request, pending.length, values, io)) return 1;
    } else if (request && !io.out.json) io.out.lines(grantLines(request, Date.now()));
    const requestId = request?.requestId ?? values.requestId as string;
    const answer = await approve(gateway, requestId, request);
    io.out.show(withoutTokens(answer), () => {
      io.out.text(`Approved ${request?.deviceId ?? deviceIdOf(answer)} (${requestId})`);
    });
    return 0;
  });
}

/** Shows the newest request and decides whether it may be approved now. */
async function mayApprove(
  request: PendingDevice,
  pendingCount: number,
  values: ApproveValues,
  io: Io,
): Promise<boolean> {
  const command = `openclaw devices approve ${request.requestId}`;
  const race = values.latest ? raceReason(request, pendingCount, Date.now()) : undefined;
  const preview = !values.latest || (race !== undefined && !values.yes);
  if (!io.out.json) io.out.lines(grantLines(request, Date.now()));
  if (!preview) return true;
  if (values.latest && io.prompt.available && !io.out.json) {
    io.out.note(`Not approved by --latest alone: ${race}`);
    const agreed = await io.prompt.confirm(`Approve ${request.requestId}?`);
    if (!agreed) io.out.note(`Not approved; it still waits. Later: ${command}`);
    return agreed;
  }
  if (io.out.json) io.out.document(previewDocument(request, command));
  if (race) io.out.note(`Not approved: ${race}`);
  io.out.note(`Approve this request with: ${command}`);
  return false;
}

function previewDocument(request: PendingDevice, approveCommand: string): unknown {
  return {
    selected: request,
    approvalState: {
      kind: request.isRepair ? "repair" : "pending",
      requested: { roles: request.roles ?? [], scopes: request.scopes ?? [] },
      approved: null,
    },
    approveCommand,
    requiresAuthFlags: [],
  };
}

async function approve(
  gateway: Gateway,
  requestId: string,
  request: PendingDevice | undefined,
): Promise<unknown> {
  // The hash binds the approval to the commands that were shown: a surface changed meanwhile is refused.
  if (gateway.has(ADMIT) && request?.surfaceHash) {
    return await gateway.call(ADMIT, { requestId, surfaceHash: request.surfaceHash });
  }
  try {
    return await gateway.call("device.pair.approve", { requestId });
  } catch (error) {
    throw withNextId(error);
  }
}

/** An id that was printed once leads somewhere: to the request that took its place, or to the list. */
function withNextId(error: unknown): unknown {
  const codes = ["SUPERSEDED", "EXPIRED", "APPROVED", "REJECTED"].map((what) => `REQUEST_${what}`);
  if (!isOpenclawError(error, ...codes)) return error;
  const next = error.details?.replacedBy;
  return new OpenclawError(error.code, error.message, {
    cause: error,
    details: { ...error.details },
    hint: typeof next === "string" ? `openclaw devices approve ${next}` : "openclaw devices list",
  });
}

function deviceIdOf(answer: unknown): string {
  const device = (answer as { device?: { deviceId?: unknown } } | null)?.device;
  return String(device?.deviceId ?? "device");
}
