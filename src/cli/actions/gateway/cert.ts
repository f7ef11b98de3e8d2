/**
 * `gateway cert show` and `gateway cert renew`: the certificate of a running gateway and its successor.
 */
import { systemClock, wait } from "../../../lib/clock.ts";
import { bool, type Infer, list, nullable, num, obj, str } from "../../../lib/schema.ts";
import { type Gateway, withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { readAnswer } from "../../shapes.ts";

/** How long connected nodes get to answer the announcement. */
const HEAR_MS = 3_000;
const LOOK_MS = 50;

const keep = { unknown: "keep" } as const;
const certificate = obj({ fingerprint: str(), spkiFingerprint: str(), notAfterMs: num() }, keep);
const node = obj({ nodeId: str(), displayName: str(), connected: bool(), heard: bool() }, keep);
const report = obj({ current: certificate, next: nullable(certificate), nodes: list(node) }, keep);
type Report = Infer<typeof report>;

/** `gateway cert show`. */
export async function showCertificate(values: RpcValues, io: Io): Promise<void> {
  const found = await withGateway(
    io,
    values,
    { scopes: ["operator.read"] },
    (gateway) => ask(gateway, "gateway.cert.show"),
  );
  io.out.show(found, () => io.out.lines(linesOf(found)));
}

/** `gateway cert renew`. Returns 1 when nodes are missing and nothing was switched. */
export async function renewCertificate(
  values: RpcValues & { now: boolean | undefined },
  io: Io,
): Promise<number> {
  const { found, switched } = await withGateway(
    io,
    values,
    { scopes: ["operator.read", "operator.admin"] },
    async (gateway) => {
      let found = await ask(gateway, "gateway.cert.prepare");
      const endMs = systemClock.monotonic() + HEAR_MS;
      while (found.nodes.some(waitsFor) && systemClock.monotonic() < endMs) {
        await wait(LOOK_MS);
        found = await ask(gateway, "gateway.cert.show");
      }
      const mayGo = values.now === true || found.nodes.every(({ heard }) => heard);
      if (!mayGo) return { found, switched: false };
      const force = values.now === true;
      return { found: await ask(gateway, "gateway.cert.switch", { force }), switched: true };
    },
  );
  io.out.show({ switched, ...found }, () => {
    io.out.lines(linesOf(found));
    if (switched) return io.out.text("The new certificate is in force; open connections went on.");
    io.out.text("Nothing was switched: not every node knows the next certificate.");
    io.out.text("Next  openclaw gateway cert renew   # when they are back; or now with --now");
  });
  return switched ? 0 : 1;
}

const waitsFor = ({ connected, heard }: Infer<typeof node>) => connected && !heard;

async function ask(gateway: Gateway, method: string, params: unknown = {}): Promise<Report> {
  return readAnswer(report, method, await gateway.call(method, params));
}

function linesOf({ current, next, nodes }: Report): string[] {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  return [
    `Current  ${current.fingerprint}  until ${day(current.notAfterMs)}`,
    `Key      ${current.spkiFingerprint}`,
    ...(next ? [`Next     ${next.fingerprint}  until ${day(next.notAfterMs)}`] : []),
    ...(next
      ? nodes.map(({ displayName, connected, heard }) =>
        `Node     ${displayName}: ${
          heard ? "knows the next one" : connected ? "has not answered" : "not connected"
        }`
      )
      : []),
  ];
}
