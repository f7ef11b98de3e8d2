/** Join codes leave only hashes behind: the bytes of everything the gateway wrote are read. */
import { assert, assertEquals } from "@std/assert";
import { fromBase64, sha256Hex, utf8 } from "../../../src/lib/bytes.ts";
import { parseJoinLine } from "../../../src/protocol/setup_code.ts";
import { openWorld, owner } from "../../gateway/world.ts";

/** Files below a folder that contain the bytes. */
async function filesWith(folder: string, bytes: Uint8Array): Promise<string[]> {
  const needle = latin1(bytes);
  const found: string[] = [];
  for (const { name, isFile, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await filesWith(path, bytes));
    else if (isFile && latin1(await Deno.readFile(path)).includes(needle)) found.push(path);
  }
  return found;
}

const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

Deno.test("I15, I16: only the hash of a join secret is in the database, before and after its use and a restart", async () => {
  await using world = await openWorld();
  const operator = await owner(world);
  const params = { publicUrl: world.gateway.url, joinUrl: true };
  const made = await operator.call("device.pair.setupCode", params);
  const secret = parseJoinLine(made.setupCode).bootstrapToken;
  const urlCode = made.joinUrl.split("/").at(-1) as string;
  const secrets = [utf8(secret), utf8(urlCode), utf8(made.setupCode)]
    .concat([secret, urlCode].map((text) => fromBase64(text)!));
  const nowhere = async () => {
    for (const bytes of secrets) assertEquals(await filesWith(world.stateDir, bytes), []);
  };
  await nowhere();
  const hash = utf8(await sha256Hex(secret));
  const inDatabase = (paths: string[]) => paths.some((path) => path.includes("gateway.sqlite"));
  assert(inDatabase(await filesWith(world.stateDir, hash)), "the search finds what is stored");

  const node = await world.connect({
    role: "node",
    key: 1,
    token: null,
    auth: { bootstrapToken: secret },
    client: { id: "node-host", mode: "node" },
  });
  const { deviceToken } = node.expectHello().hello.payload.auth;
  secrets.push(utf8(deviceToken), fromBase64(deviceToken)!);
  await nowhere();
  await world.restart();
  await nowhere();
});
