/** N19: every member of `connect` with values of a type it must not have, or a size. */
import { assert, assertEquals } from "@std/assert";
import { TOKEN, withGateway } from "../../support/gateway.ts";
import { type Change, connectParams, signed, testKey } from "../../support/wire.ts";
import { refusalOf } from "./refusal_of.ts";

/** Every member of `connect`, with values of a type it must not have. */
const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  minProtocol: [null, "4", 4.5, 0, -1, [4], {}, true, 2 ** 53],
  maxProtocol: [null, "4", 4.5, 0, [4], {}],
  client: [null, "cli", 1, [], true, {}],
  "client.id": [null, 1, "", "openclaw", "CLI", "cli ", "cli\u0000", ["cli"]],
  "client.mode": [null, 1, "", "admin", "worker2", ["cli"]],
  "client.version": [null, 1, "", "v".repeat(513), {}],
  "client.platform": [null, 1, "", [], "p".repeat(513)],
  "client.displayName": [1, {}, [], true, "n".repeat(513)],
  "client.deviceFamily": [1, {}, []],
  "client.modelIdentifier": [1, {}],
  "client.instanceId": [1, {}, "i".repeat(513)],
  "client.scopes": [["operator.admin"]],
  role: [null, 1, {}, [], "r".repeat(513)],
  scopes: [null, "operator.admin", 1, {}, [1], [null], [[]], [""], Array(65).fill("s")],
  caps: [null, "a", [1], [""], Array(257).fill("c")],
  commands: [null, "a", [1], [{}], [""], Array(1025).fill("c")],
  permissions: [null, [], "x", { a: 1 }, { a: "true" }, { a: null }],
  pathEnv: [1, {}, "p".repeat(32_769)],
  auth: [null, "token", [], 1],
  "auth.token": [1, {}, [], true, "t".repeat(4097)],
  "auth.password": [1, {}, []],
  "auth.deviceToken": [1, {}, []],
  "auth.bootstrapToken": [1, {}, []],
  "auth.scopes": [["operator.admin"]],
  "auth.owner": [true],
  device: [null, "d", [], 1, {}],
  "device.id": [null, 1, "", {}],
  "device.publicKey": [null, 1, "", {}, "k".repeat(4097)],
  "device.signature": [null, 1, "", {}],
  "device.signedAt": [null, "1", -1, 1.5, {}, 2 ** 53],
  "device.nonce": [null, 1, "", {}],
  "device.approved": [true],
  locale: [1, {}],
  userAgent: [1, {}],
  admin: [true],
  owner: [true],
};

function withMember(params: Change, path: string, value: unknown): Change {
  const [first = "", second] = path.split(".");
  if (second === undefined) return { ...params, [first]: value };
  return { ...params, [first]: { ...(params[first] as object ?? {}), [second]: value } };
}

Deno.test("N19: every member of connect with every wrong type is refused by the schema, before any secret is looked at", () =>
  withGateway(async (gateway) => {
    const key = await testKey(1);
    let tried = 0;
    for (const [path, values] of Object.entries(WRONG)) {
      for (const value of values) {
        const error = await refusalOf(gateway, async (wire) => {
          const facts = await wire.challenge();
          const params = await signed(key, facts, connectParams({ auth: { token: TOKEN } }));
          return withMember(params, path, value);
        });
        const said = `${path} = ${JSON.stringify(value)?.slice(0, 60)}: ${error?.message}`;
        assertEquals(error?.code, "INVALID_REQUEST", said);
        assert(error?.message.startsWith("invalid connect params: "), said);
        tried++;
      }
    }
    assert(tried > 140, `${tried}`);
    const admin = await gateway.owner();
    assertEquals((await admin.request("device.pair.list")).payload, { pending: [], paired: [] });
  }));
