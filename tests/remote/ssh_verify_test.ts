import { assertEquals } from "@std/assert";
import { IDENTITY_COMMAND, readIdentity, verifyArgs } from "../../src/remote/ssh_verify.ts";

Deno.test("N37: verifyArgs() forwards nothing, asks nothing and ends its options before the host", () => {
  const args = verifyArgs({
    target: { user: "me", host: "10.0.0.7", port: undefined },
    identity: "/keys/id",
    configFile: undefined,
    timeoutMs: 7000,
  });
  assertEquals(args.slice(-3), ["--", "me@10.0.0.7", IDENTITY_COMMAND]);
  const options = args.filter((_, i) => args[i - 1] === "-o");
  for (
    const wanted of [
      "BatchMode=yes",
      "StrictHostKeyChecking=yes",
      "PreferredAuthentications=publickey",
      "ForwardAgent=no",
      "ClearAllForwardings=yes",
      "IdentitiesOnly=yes",
    ]
  ) assertEquals(options.includes(wanted), true, wanted);
  assertEquals(args.slice(args.indexOf("-p"), args.indexOf("-p") + 2), ["-p", "22"]);
});

const answers: [name: string, text: string, id: string | undefined][] = [
  ["plain", `{"deviceId":"d","publicKey":"k"}`, "d"],
  ["with a greeting", `Welcome!\n{\n "deviceId": "d",\n "publicKey": "k"\n}\n`, "d"],
  ["an error", `sh: openclaw: not found`, undefined],
  ["other JSON", `{"deviceId":7}`, undefined],
  ["nothing", "", undefined],
];
for (const [name, text, id] of answers) {
  Deno.test(`readIdentity() reads an answer: ${name}`, () =>
    assertEquals(readIdentity(text)?.deviceId, id));
}
