import { assertEquals } from "@std/assert";
import {
  askIdentity,
  IDENTITY_COMMAND,
  readIdentity,
  verifyArgs,
} from "../../src/remote/ssh_verify.ts";
import { sshEnvironment } from "../../src/remote/tunnel.ts";
import { sshdMissing, startSshd } from "../support/sshd.ts";

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

Deno.test("an ssh configuration with a command, a terminal and forwards of its own does not stand in the way", async () => {
  const missing = await sshdMissing();
  if (missing) return console.log(`skipped: ${missing}`);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const answer = `{"deviceId":"d","publicKey":"k"}`;
  const sshd = await startSshd({
    serverLines: [`ForceCommand printf %s '${answer}'`],
    clientLines: [
      "RemoteCommand /bin/cat",
      "RequestTTY force",
      "PermitLocalCommand yes",
      "LocalCommand sleep 100",
      `LocalForward 127.0.0.1:${port} 127.0.0.1:1`,
      "LogLevel QUIET",
    ],
  });
  try {
    const target = { user: undefined, host: "gw", port: sshd.port };
    const facts = { target, identity: undefined, configFile: sshd.configFile, timeoutMs: 7_000 };
    const identity = await askIdentity(facts, {
      path: "/usr/bin/ssh",
      env: sshEnvironment(Deno.env.toObject()),
      signal: new AbortController().signal,
    });
    assertEquals(identity, { deviceId: "d", publicKey: "k" });
  } finally {
    await sshd.close();
  }
});
