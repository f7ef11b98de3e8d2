/**
 * `devices list` and `devices clear`.
 */
import { OpenclawError } from "../../../lib/errors.ts";
import { withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { deviceList, readAnswer, withoutTokens } from "../../shapes.ts";
import { PAIRED_COLUMNS, pairedRow, PENDING_COLUMNS, pendingRow } from "../../views/devices.ts";

const PAIRING = ["operator.pairing"] as const;

/** `devices list`. */
export async function listDevices(values: RpcValues, io: Io): Promise<void> {
  const answer = await withGateway(
    io,
    values,
    { scopes: PAIRING },
    async (gateway) =>
      readAnswer(deviceList, "device.pair.list", await gateway.call("device.pair.list")),
  );
  io.out.show(withoutTokens(answer), () => {
    const { pending, paired } = answer;
    const nowMs = Date.now();
    if (pending.length > 0) {
      io.out.text(`Pending (${pending.length})`);
      const known = new Map(paired.map((device) => [device.deviceId, device]));
      io.out.table(
        PENDING_COLUMNS,
        pending.map((request) => pendingRow(request, known.get(request.deviceId), nowMs)),
      );
    }
    if (paired.length > 0) {
      io.out.text(`Paired (${paired.length})`);
      io.out.table(PAIRED_COLUMNS, paired.map(pairedRow));
    }
    if (pending.length + paired.length === 0) io.out.text("No device pairing entries.");
  });
}

/** `devices clear`. */
export async function clearDevices(
  values: RpcValues & { yes: boolean | undefined; pending: boolean | undefined },
  io: Io,
): Promise<void> {
  if (!values.yes) {
    throw new OpenclawError(
      "CONFIRMATION_NEEDED",
      "Refusing to clear pairing table without --yes",
      {
        hint: "openclaw devices clear --yes",
      },
    );
  }
  const cleared = await withGateway(io, values, { scopes: PAIRING }, async (gateway) => {
    const answer = readAnswer(
      deviceList,
      "device.pair.list",
      await gateway.call("device.pair.list"),
    );
    const rejected = values.pending ? answer.pending.map((r) => r.requestId) : [];
    for (const requestId of rejected) await gateway.call("device.pair.reject", { requestId });
    const removed = answer.paired.map((d) => d.deviceId);
    for (const deviceId of removed) await gateway.call("device.pair.remove", { deviceId });
    return { removed, rejected };
  });
  io.out.show(cleared, () => {
    io.out.text(`Cleared ${cleared.removed.length} paired devices`);
    if (values.pending) io.out.text(`Rejected ${cleared.rejected.length} pending requests`);
  });
}
