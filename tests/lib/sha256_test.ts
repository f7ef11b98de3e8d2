import { assertEquals } from "@std/assert";
import { sha256Hex, toHex, utf8 } from "../../src/lib/bytes.ts";
import { sha256Sync } from "../../src/lib/sha256.ts";

async function webCrypto(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

Deno.test("sha256Sync() knows the published vectors", () => {
  assertEquals(
    toHex(sha256Sync(utf8("abc"))),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assertEquals(
    toHex(sha256Sync(utf8(""))),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});

Deno.test("sha256Sync() and sha256Hex() agree with WebCrypto for every length around block borders", async () => {
  for (let length = 0; length < 300; length++) {
    const bytes = crypto.getRandomValues(new Uint8Array(length));
    const expected = await webCrypto(bytes);
    assertEquals(toHex(sha256Sync(bytes)), expected, `length ${length}`);
    assertEquals(await sha256Hex(bytes), expected);
  }
  for (const length of [4095, 4096, 4097, 70_000]) {
    const bytes = new Uint8Array(length).fill(7);
    assertEquals(await sha256Hex(bytes), await webCrypto(bytes));
  }
});
