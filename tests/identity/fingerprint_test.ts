import { assertEquals, assertThrows } from "@std/assert";
import { parseFingerprint, requireFingerprint } from "../../src/identity/fingerprint.ts";
import { OpenclawError } from "../../src/lib/errors.ts";

const HEX = "85544c0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
const COLONS = HEX.toUpperCase().match(/../g)?.join(":") ?? "";

const ACCEPTED = [
  ["plain", HEX],
  ["upper case", HEX.toUpperCase()],
  ["colons", COLONS],
  ["sha256: label", `sha256:${HEX}`],
  ["SHA-256 label", `SHA-256 ${COLONS}`],
  ["as openssl prints it", `sha256 Fingerprint=${COLONS}`],
  ["blanks around", `  ${HEX}\n`],
] as const;

for (const [name, text] of ACCEPTED) {
  Deno.test(`N26: a pin is accepted: ${name}`, () =>
    assertEquals(parseFingerprint(text), HEX as never));
}

Deno.test("a key pin keeps its kind", () => {
  assertEquals(parseFingerprint(`spki:${COLONS}`), `spki:${HEX}` as never);
  assertEquals(parseFingerprint(`SPKI:sha256:${HEX}`), `spki:${HEX}` as never);
});

for (
  const [name, text] of [["empty", ""], ["63 digits", HEX.slice(1)], ["65 digits", HEX + "0"], [
    "label only",
    "sha256:",
  ], ["words", "not a pin"]] as const
) {
  Deno.test(`N26: a malformed pin is an error before dialling: ${name}`, () => {
    assertEquals(parseFingerprint(text), undefined);
    const error = assertThrows(() => requireFingerprint(text, "--tls-fingerprint"), OpenclawError);
    assertEquals(error.message.startsWith("Invalid TLS fingerprint"), true);
  });
}
