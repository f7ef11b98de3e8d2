/** What a command line keeps of a gateway's announcements, and what it does not believe (F22). */
import { assertEquals } from "@std/assert";
import { acceptedPins, announcedPins, learnPins } from "../../src/cli/connect/operator_pins.ts";
import { requireFingerprint } from "../../src/identity/fingerprint.ts";
import { tempState } from "../config/temp_state.ts";

const pin = (digit: string) => requireFingerprint(digit.repeat(64), "the test");
const [OLD, NEXT, EVIL] = [pin("a"), pin("b"), pin("e")];

async function withPaths(use: (paths: { identityDir: string }) => Promise<void>): Promise<void> {
  await using state = await tempState();
  await Deno.mkdir(state.paths.identityDir, { mode: 0o700 });
  await use(state.paths);
}

Deno.test("F22: without an announcement only the configured pin counts", () =>
  withPaths(async (paths) => {
    assertEquals(await acceptedPins(paths, OLD), [OLD]);
    await learnPins(paths, OLD, { current: OLD, next: undefined });
    assertEquals([...Deno.readDirSync(paths.identityDir)], [], "nothing to write");
  }));

Deno.test("F22: announced, then in force; another configured pin begins anew", () =>
  withPaths(async (paths) => {
    await learnPins(paths, OLD, { current: OLD, next: NEXT });
    assertEquals(await acceptedPins(paths, OLD), [OLD, NEXT]);
    await learnPins(paths, OLD, { current: NEXT, next: undefined });
    assertEquals(await acceptedPins(paths, OLD), [NEXT]);
    assertEquals(await acceptedPins(paths, EVIL), [EVIL]);
  }));

Deno.test("F22: a certificate nobody announced does not become the one in force by its own word", () =>
  withPaths(async (paths) => {
    await learnPins(paths, OLD, { current: EVIL, next: undefined });
    assertEquals(await acceptedPins(paths, OLD), [OLD]);
  }));

Deno.test("F22: a broken book, and a payload of any shape, leave the configured pin", () =>
  withPaths(async (paths) => {
    await Deno.writeTextFile(`${paths.identityDir}/operator-pins.json`, '{"gateways', {
      mode: 0o600,
    });
    assertEquals(await acceptedPins(paths, OLD), [OLD]);
    for (const payload of [undefined, null, 5, "x", [], {}, { current: 5, next: "ab:cd" }]) {
      assertEquals(announcedPins(payload), { current: undefined, next: undefined });
      await learnPins(paths, OLD, announcedPins(payload));
    }
    assertEquals(await acceptedPins(paths, OLD), [OLD]);
  }));

Deno.test("F22: at most 64 gateways are remembered, the oldest go first", () =>
  withPaths(async (paths) => {
    const pins = Array.from(
      { length: 66 },
      (_, i) => requireFingerprint(i.toString(16).padStart(64, "0"), "the test"),
    );
    for (const one of pins) await learnPins(paths, one, { current: one, next: NEXT });
    assertEquals((await acceptedPins(paths, pins[0]!)).length, 1);
    assertEquals((await acceptedPins(paths, pins[65]!)).length, 2);
  }));
