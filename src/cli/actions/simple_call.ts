/**
 * Commands that are one call: connect, call, show the answer.
 */
import { type Gateway, withGateway } from "../connect/connect.ts";
import type { Io } from "../terminal/io.ts";
import type { RpcValues } from "../connect/rpc_flags.ts";
import { deviceList, readAnswer, withoutTokens } from "../shapes.ts";
import { findDevice } from "../views/devices.ts";
import { isObject } from "../../lib/objects.ts";

/** One call and how its answer is shown. */
export interface SimpleCall {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly scopes: readonly string[];
  /** The line for a person; without it the answer is printed as JSON always. */
  readonly say?: (answer: Readonly<Record<string, unknown>>) => string;
  /** A device named by `params.deviceId` may be given by name or id prefix; a whole id is not looked up. */
  readonly namesDevice?: boolean;
  /** Print a `token` in the answer: only for a device that rotates its own. */
  readonly keepToken?: boolean;
}

/** Runs a {@linkcode SimpleCall}. */
export async function simpleCall(values: RpcValues, io: Io, call: SimpleCall): Promise<void> {
  const answer = await withGateway(
    io,
    values,
    { scopes: call.scopes },
    async (gateway) => gateway.call(call.method, await paramsOf(call, gateway)),
  );
  const shown = call.keepToken ? answer : withoutTokens(answer);
  if (!call.say) return io.out.document(shown);
  const say = call.say;
  io.out.show(shown, () => io.out.text(say(isObject(answer) ? answer : {})));
}

const WHOLE_ID = /^[0-9a-f]{64}$/;

async function paramsOf(call: SimpleCall, gateway: Gateway): Promise<unknown> {
  if (!call.namesDevice || WHOLE_ID.test(String(call.params.deviceId))) return call.params;
  const list = await gateway.call("device.pair.list");
  const { paired } = readAnswer(deviceList, "device.pair.list", list);
  return { ...call.params, deviceId: findDevice(paired, String(call.params.deviceId)).deviceId };
}
