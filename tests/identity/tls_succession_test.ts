/** F22, F01: a crash at any step of making or switching to the next certificate loses neither the pair in force nor the next. */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import {
  loadNextTls,
  loadTlsInForce,
  makeNextTls,
  switchTls,
} from "../../src/identity/tls_succession.ts";
import { tempState } from "../config/temp_state.ts";

/** Files of the folder, by name. */
async function filesIn(folder: string): Promise<Map<string, string>> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const read = async (name: string) => [name, await Deno.readTextFile(join(folder, name))] as const;
  return new Map(await Promise.all(names.map(read)));
}

/** The folder holds these files and no others. */
async function restore(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  await Deno.remove(folder, { recursive: true });
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, text] of files) {
    await Deno.writeTextFile(join(folder, name), text, { mode: 0o600 });
  }
}

const CERT = "gateway-cert.pem";
const KEY = "gateway-key.pem";
const NEXT_CERT = "gateway-next-cert.pem";
const NEXT_KEY = "gateway-next-key.pem";

Deno.test("F01: a crash while the next pair is made leaves the one in force, and the next can be made", async () => {
  await using state = await tempState();
  const { tlsDir, tlsCertFile: certPath, tlsKeyFile: keyPath } = state.paths;
  const place = { certPath, keyPath };
  const { fingerprint } = await loadTlsInForce(place);
  const before = await filesIn(tlsDir);
  await makeNextTls(place);
  const after = await filesIn(tlsDir);
  const marker = [`.${NEXT_KEY}.making`, ""] as const;
  const nextKey = [NEXT_KEY, after.get(NEXT_KEY) ?? ""] as const;
  const crashes = [[marker], [marker, nextKey], [...after, marker], [...after]];
  for (const [n, more] of crashes.entries()) {
    await restore(tlsDir, new Map([...before, ...more]));
    assertEquals((await loadTlsInForce(place)).fingerprint, fingerprint, `crash ${n}`);
    const next = await makeNextTls(place);
    assert(next.fingerprint !== fingerprint);
    assertEquals((await switchTls(place)).fingerprint, next.fingerprint, `crash ${n}`);
    assertEquals([...(await filesIn(tlsDir)).keys()].sort(), [CERT, KEY]);
  }
});

Deno.test("F01: a crash at any step of a switch ends with the next pair in force, and another can follow", async () => {
  await using state = await tempState();
  const { tlsDir, tlsCertFile: certPath, tlsKeyFile: keyPath } = state.paths;
  const place = { certPath, keyPath };
  await loadTlsInForce(place);
  const { fingerprint } = await makeNextTls(place);
  const files = await filesIn(tlsDir);
  const next = { cert: files.get(NEXT_CERT) ?? "", key: files.get(NEXT_KEY) ?? "" };
  const steps: readonly ((now: Map<string, string>) => unknown)[] = [
    (now) => now.set(".switching", ""),
    (now) => now.set(KEY, next.key),
    (now) => now.set(CERT, next.cert),
    (now) => now.delete(NEXT_CERT),
    (now) => now.delete(NEXT_KEY),
  ];
  const now = new Map(files);
  for (const [n, step] of steps.entries()) {
    step(now);
    await restore(tlsDir, now);
    assertEquals((await loadTlsInForce(place)).fingerprint, fingerprint, `step ${n}`);
    assertEquals(await loadNextTls(place), undefined, `step ${n}`);
    assertEquals([...(await filesIn(tlsDir)).keys()].sort(), [CERT, KEY], `step ${n}`);
    assert((await makeNextTls(place)).fingerprint !== fingerprint, `step ${n}`);
  }
});
