/**
 * `health` and `gateway health`: one call, and how long it took.
 */
import { withGateway } from "../connect/connect.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "../connect/rpc_flags.ts";
import { isObject } from "../../lib/objects.ts";

interface Health {
  readonly answer: Readonly<Record<string, unknown>>;
  readonly tookMs: number;
}

/** Asks for `health`; the time covers connecting. */
async function ask(values: RpcValues, io: Io): Promise<Health> {
  const startMs = performance.now();
  const answer = await withGateway(
    io,
    values,
    { scopes: ["operator.read"] },
    (gateway) => gateway.call("health"),
  );
  return {
    answer: isObject(answer) ? answer : {},
    tookMs: Math.round(performance.now() - startMs),
  };
}

/** `gateway health`. */
export async function gatewayHealth(values: RpcValues, io: Io): Promise<void> {
  const { answer, tookMs } = await ask(values, io);
  io.out.show(answer, () => io.out.lines(["Gateway Health", `OK (${tookMs}ms)`]));
}

/** `health`. */
export async function health(
  values: RpcValues & { verbose: boolean | undefined },
  io: Io,
): Promise<void> {
  const { answer, tookMs } = await ask(values, io);
  io.out.show(answer, () => {
    io.out.text(`Gateway: ${answer.ok === false ? "not well" : "ok"} (${tookMs}ms)`);
    const nodes = answer.nodes as { connected?: number; paired?: number } | undefined;
    if (nodes) io.out.text(`Nodes: ${nodes.connected ?? 0} connected, ${nodes.paired ?? 0} paired`);
    if (values.verbose) io.out.document(answer);
  });
}
