/** Runtimes that are too old are named instead of failing somewhere. */
import { assertEquals, assertThrows } from "@std/assert";
import { requireRuntime } from "../../src/cli/runtime.ts";
import { OpenclawError } from "../../src/lib/errors.ts";

for (const version of ["1.46.3", "2.0.0", "2.6.8", "2.7.14", "garbage"]) {
  Deno.test(`requireRuntime() refuses Deno ${version} and says what to do`, () => {
    const error = assertThrows(() => requireRuntime(version), OpenclawError, version);
    assertEquals([error.code, error.exitCode, error.hint], ["RUNTIME_TOO_OLD", 78, "deno upgrade"]);
  });
}

for (const version of ["2.8.0", "2.8.3", "2.9.6", "2.10.0", "3.0.0-rc.1", Deno.version.deno]) {
  Deno.test(`requireRuntime() takes Deno ${version}`, () => requireRuntime(version));
}
