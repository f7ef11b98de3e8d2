import { assertEquals, assertStringIncludes } from "@std/assert";
import { ownEnvironment, upperCaseNames } from "../../src/platform/own_environment.ts";

Deno.test("E11: a secret of the own environment is gone from what other processes can read", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const module = new URL("../../src/platform/own_environment.ts", import.meta.url).href;
  const code = `
    const { hideFromOthers } = await import(${JSON.stringify(module)});
    const left = hideFromOthers(["OPENCLAW_GATEWAY_TOKEN", "NOT_SET"]);
    console.log(JSON.stringify([left, Deno.env.get("OPENCLAW_GATEWAY_TOKEN") ?? null]));
    await Deno.stdin.read(new Uint8Array(1));
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    cwd: new URL("../..", import.meta.url),
    env: { OPENCLAW_GATEWAY_TOKEN: "very-secret-token-0123456789", KEPT: "yes" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const said = (await reader.read()).value ?? "";
  const environ = await Deno.readTextFile(`/proc/${child.pid}/environ`);
  await child.stdin.close();
  await child.status;
  await reader.cancel();
  assertEquals(said.trim(), "[[],null]");
  assertEquals(environ.includes("very-secret"), false);
  assertStringIncludes(environ, "KEPT=yes");
});

Deno.test("variables of Windows are found whatever their case", () => {
  assertEquals(upperCaseNames({ Path: "C:\\bin", SystemRoot: "C:\\Windows" }), {
    PATH: "C:\\bin",
    SYSTEMROOT: "C:\\Windows",
  });
  const own = ownEnvironment();
  const names = Deno.build.os === "windows" ? Object.keys(own) : [];
  assertEquals(names.filter((name) => name !== name.toUpperCase()), []);
});
