/**
 * `approvals pending`: the commands that wait, shown whole.
 */
import { withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { type ApprovalEntry, approvalList, readAnswer } from "../../shapes.ts";
import { ageText } from "../../terminal/table.ts";

/** Fields of a request that are shown. */
interface Request {
  readonly command?: string | null;
  readonly cwd?: string | null;
  readonly nodeId?: string | null;
  readonly host?: string | null;
}

/** `approvals pending`. */
export async function listPending(values: RpcValues, io: Io): Promise<void> {
  const entries = await withGateway(
    io,
    values,
    { scopes: ["operator.approvals"], caps: ["exec-approvals"] },
    async (gateway) =>
      readAnswer(approvalList, "exec.approval.list", await gateway.call("exec.approval.list")),
  );
  io.out.show(entries, () => {
    if (entries.length === 0) return io.out.text("No pending exec approvals.");
    entries.forEach((entry, i) => showEntry(entry, i > 0, io));
  });
}

/** Not a table: the command must be readable to its last character (A15). */
function showEntry(entry: ApprovalEntry, spaced: boolean, io: Io): void {
  const request = (entry.request ?? {}) as Request;
  const where = [request.host, request.nodeId].filter(Boolean).join(" ");
  if (spaced) io.out.text("");
  io.out.lines([
    `Request  ${entry.id} (${ageText(entry.createdAtMs, Date.now())})`,
    `Command  ${request.command ?? ""}`,
    ...(request.cwd ? [`Cwd      ${request.cwd}`] : []),
    ...(where ? [`Host     ${where}`] : []),
    ...(entry.requester ? [`From     ${requesterText(entry.requester)}`] : []),
    `Decide   openclaw approvals resolve ${entry.id} allow-once`,
  ]);
}

function requesterText({ name, deviceId }: NonNullable<ApprovalEntry["requester"]>): string {
  return deviceId ? `${name} (${deviceId})` : name;
}
