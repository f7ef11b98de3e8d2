/** Operator devices that are neither owner nor admin: they come with their own token only. */
import { type ConnectOptions, type ScriptedPeer, type World } from "../world.ts";

/** Pairs the device of `key` with `scopes`, then connects it with its device token. */
export async function device(
  world: Pick<World, "connect">,
  key: number,
  scopes: readonly string[],
  more: ConnectOptions = {},
): Promise<ScriptedPeer> {
  const first = (await world.connect({ key, scopes })).expectHello();
  const auth = { deviceToken: first.hello.payload.auth.deviceToken };
  await first.close();
  return (await world.connect({ key, scopes, auth, ...more })).expectHello();
}
