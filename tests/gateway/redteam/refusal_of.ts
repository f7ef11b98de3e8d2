/** One attempt to connect that should fail, for the tables of this folder. */
import { assertEquals } from "@std/assert";
import type { TestGateway } from "../../support/gateway.ts";
import type { Change, Wire } from "../../support/wire.ts";

/** Sends `connect` on a new socket; answers its error, or `undefined` when it was let in. */
export async function refusalOf(
  { open }: Pick<TestGateway, "open">,
  params: (wire: Wire) => Change | Promise<Change>,
) {
  const wire = await open();
  const answer = await wire.request("connect", await params(wire));
  if (answer.ok) wire.terminate();
  else assertEquals((await wire.ended()).code, 1008);
  return answer.error;
}
