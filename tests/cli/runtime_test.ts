/** Runtimes that are too old are named instead of failing somewhere; what a command loads leaves the runtime as it was. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { loadPathLibrary, requireRuntime } from "../../src/cli/runtime.ts";
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

Deno.test("loadPathLibrary() leaves `process` where it was", async () => {
  const before = Reflect.get(globalThis, "process");
  await loadPathLibrary();
  assertStrictEquals(Reflect.get(globalThis, "process"), before);
});

Deno.test("a short command does not load Node's modules for the path library", async () => {
  const script = `
    const { loadPathLibrary } = await import(${
    JSON.stringify(import.meta.resolve("../../src/cli/runtime.ts"))
  });
    let asked = 0;
    const own = Object.getOwnPropertyDescriptor(globalThis, "process");
    Object.defineProperty(globalThis, "process", {
      configurable: true,
      get() { asked++; return own.get ? own.get.call(globalThis) : own.value; },
    });
    await loadPathLibrary();
    const { join } = await import("@std/path");
    console.log(JSON.stringify([asked, join("a", "b")]));
  `;
  const dir = await Deno.makeTempDir();
  try {
    const config = new URL("../../deno.json", import.meta.url).pathname;
    await Deno.writeTextFile(`${dir}/main.ts`, script);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--config", config, `${dir}/main.ts`],
    }).output();
    const text = new TextDecoder();
    assertEquals(text.decode(stdout).trim(), '[0,"a/b"]', text.decode(stderr));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
