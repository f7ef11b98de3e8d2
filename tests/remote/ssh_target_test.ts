import { assertEquals, assertThrows } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { forwardArgs } from "../../src/remote/ssh_args.ts";
import { reachedText, readSshConfig } from "../../src/remote/ssh_config.ts";
import { sshFailure } from "../../src/remote/ssh_failure.ts";
import { parseSshTarget, sshTargetText } from "../../src/remote/ssh_target.ts";

const good: [text: string, user: string | undefined, host: string, port: number | undefined][] = [
  ["host", undefined, "host", undefined],
  ["user@host", "user", "host", undefined],
  ["user@host:2222", "user", "host", 2222],
  ["ssh user@host", "user", "host", undefined],
  ["ssh://user@host:22", "user", "host", 22],
  ["ssh://host/", undefined, "host", undefined],
  ["[::1]:22", undefined, "::1", 22],
  ["me@[fe80::1%eth0]", "me", "fe80::1%eth0", undefined],
  ["  build-1.lab.example ", undefined, "build-1.lab.example", undefined],
];
for (const [text, user, host, port] of good) {
  Deno.test(`parseSshTarget() reads ${JSON.stringify(text)}`, () => {
    assertEquals(parseSshTarget(text), { user, host, port });
  });
}

const bad: [name: string, text: string][] = [
  ["N37: an option as host", "-oProxyCommand=touch /tmp/c"],
  ["N37: an option as user", "-oX@host"],
  ["N37: an option after the user", "u@-oX"],
  ["N37: a line break", "h\nx"],
  ["N37: a shell separator", "h;touch /tmp/c"],
  ["N37: an option behind the port", "h:22 -oX"],
  ["N37: command substitution", "$(touch c)@h"],
  ["N37: a backtick", "h`id`"],
  ["N37: an option in brackets", "[-oX]"],
  ["an empty text", ""],
  ["port 0", "host:0"],
  ["port 70000", "host:70000"],
  ["port abc", "host:abc"],
  ["an empty port", "host:"],
  ["a host that starts with a colon", ":22"],
  ["a second @", "a@b@c"],
  ["an empty user", "@host"],
  ["IPv6 without brackets", "fe80::1"],
];
for (const [name, text] of bad) {
  Deno.test(`parseSshTarget() refuses ${name}`, () => {
    const error = assertThrows(() => parseSshTarget(text), OpenclawError, "invalid SSH target: ");
    assertEquals(error.code, "INVALID_SSH_TARGET");
  });
}

Deno.test("sshTargetText() writes what parseSshTarget() reads", () => {
  for (const text of ["host", "user@host:2222", "[::1]:22"]) {
    assertEquals(sshTargetText(parseSshTarget(text)), text);
  }
});

Deno.test("forwardArgs() asks nothing, checks host keys and names the destination right after -N", () => {
  const args = forwardArgs({
    target: parseSshTarget("me@host:2222"),
    local: { kind: "port", port: 18789 },
    remotePort: 18790,
    hostKeyPolicy: "strict",
    identity: "/keys/id",
  });
  assertEquals(args.slice(0, 4), ["-N", "me@host", "-L", "127.0.0.1:18789:127.0.0.1:18790"]);
  assertEquals(args.includes("StrictHostKeyChecking=yes") && args.includes("BatchMode=yes"), true);
  assertEquals(args.slice(-4), ["-p", "2222", "-i", "/keys/id"]);
});

Deno.test("forwardArgs() leaves host keys to ssh under the openssh policy", () => {
  const args = forwardArgs({
    target: parseSshTarget("host"),
    local: { kind: "unix", path: "/run/x/gw.sock" },
    remotePort: 1,
    hostKeyPolicy: "openssh",
  });
  assertEquals(args.some((arg) => arg.startsWith("StrictHostKeyChecking")), false);
  assertEquals(args[3], "/run/x/gw.sock:127.0.0.1:1");
});

Deno.test("forwardArgs() never hands its forward to another ssh of the account", () => {
  const facts = {
    target: parseSshTarget("host"),
    local: { kind: "unix", path: "/run/x/gw.sock" } as const,
    remotePort: 1,
    hostKeyPolicy: "strict",
  } as const;
  const own = forwardArgs(facts);
  assertEquals(own.includes("ControlMaster=no") && own.includes("ControlPath=none"), true);
  assertEquals(own.includes("-f"), false);
  const shared = forwardArgs({ ...facts, share: { controlPath: "/tmp/c", idleSeconds: 30 } });
  assertEquals(shared.includes("-f") && shared.includes("ControlPersist=30"), true);
});

const configText = [
  "user me",
  "hostname h.example",
  "port 2200",
  "proxyjump jump.example",
  "stricthostkeychecking true",
].join("\n");

Deno.test("readSshConfig() and reachedText() tell where an alias leads", () => {
  const config = readSshConfig(configText);
  assertEquals(
    reachedText(parseSshTarget("gw"), config),
    "me@h.example:2200 through jump.example",
  );
  const plain = readSshConfig("user me\nhostname gw\nport 22\nproxyjump none\n");
  assertEquals(reachedText(parseSshTarget("gw"), plain), undefined);
});

const checking: [value: string, checked: boolean][] = [
  ["true", true],
  ["ask", true],
  ["yes", true],
  ["accept-new", false],
  ["no", false],
  ["off", false],
  ["false", false],
];
for (const [value, checked] of checking) {
  Deno.test(`N38: readSshConfig() says whether StrictHostKeyChecking ${value} checks`, () =>
    assertEquals(readSshConfig(`stricthostkeychecking ${value}\n`).checksHostKeys, checked));
}

const failures: [code: string, stderr: string, retryable: boolean][] = [
  ["SSH_HOST_KEY_CHANGED", "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", false],
  [
    "SSH_HOST_KEY_UNKNOWN",
    "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
    false,
  ],
  ["SSH_AUTH_FAILED", "me@h: Permission denied (publickey,password).", false],
  ["SSH_HOST_NOT_FOUND", "ssh: Could not resolve hostname h: Name or service not known", true],
  ["SSH_UNREACHABLE", "ssh: connect to host h port 22: Connection refused", true],
  ["SSH_LOCAL_END_TAKEN", "bind [127.0.0.1]:18789: Address already in use", true],
  ["SSH_ENDED", "", true],
];
for (const [code, stderr, retryable] of failures) {
  Deno.test(`sshFailure() names ${code}`, () => {
    const error = sshFailure(parseSshTarget("me@h"), {
      how: "255",
      stderr,
      reached: "me@10.0.0.5",
    });
    assertEquals([error.code, error.retryable], [code, retryable]);
    assertEquals(error.message.includes('"me@h" (me@10.0.0.5): ssh exited (255)'), true);
    assertEquals(error.hint === undefined, false);
  });
}
