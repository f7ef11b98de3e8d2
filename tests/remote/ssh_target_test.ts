import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { forwardArgs, type SshPlace } from "../../src/remote/ssh_args.ts";
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
  ["N37: an option behind ssh", "ssh -oProxyCommand=x"],
  ["N37: an option behind ssh://", "ssh://-oProxyCommand=x"],
  ["N37: a host that starts with a dash behind a user", "user@-host"],
  ["N37: a percent expansion as host", "%h"],
  ["N37: a percent expansion behind a user", "me@%h"],
  ["N37: a percent expansion as user", "%r@host"],
  ["N37: a tab", "h\tx"],
  ["N37: a NUL", "h\u0000x"],
  ["N37: a path", "ssh://host/etc"],
  ["N37: a query", "ssh://host?x=y"],
  ["N37: a second ssh://", "ssh://ssh://host"],
  ["N37: a comma, where ProxyJump lists hosts", "a,b"],
  ["N37: letters of other scripts", "gаteway.example"],
  ["two ports", "host:22:22"],
  ["a port in hexadecimal", "host:0x16"],
  ["a signed port", "host:+22"],
  ["an open bracket", "[::1"],
  ["a closing bracket", "::1]:22"],
  ["something behind a bracket", "[::1]22"],
  ["two ports behind a bracket", "[::1]:22:22"],
  ["an empty text", ""],
  ["port 0", "host:0"],
  ["port 70000", "host:70000"],
  ["port abc", "host:abc"],
  ["an empty port", "host:"],
  ["a host that starts with a colon", ":22"],
  ["a second @", "a@b@c"],
  ["an empty user", "@host"],
  ["IPv6 without brackets", "fe80::1"],
  ["what no host is called", "h".repeat(321)],
];
for (const [name, text] of bad) {
  Deno.test(`parseSshTarget() refuses ${name}`, () => {
    const error = assertThrows(() => parseSshTarget(text), OpenclawError, "invalid SSH target: ");
    assertEquals(error.code, "INVALID_SSH_TARGET");
  });
}

for (
  const text of [
    "ssh://me:hunter2@host",
    "me:hunter2@host:22",
    "ssh me:hunter2@host",
    "me:a/hunter2@@host",
  ]
) {
  Deno.test(`parseSshTarget() does not repeat the password of ${text.slice(0, 6)}…`, () => {
    const error = assertThrows(() => parseSshTarget(text), OpenclawError, "a password cannot");
    assertEquals(error.message.includes("hunter2"), false, error.message);
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
  const args = forwardArgs(facts);
  assertEquals(args.includes("ControlMaster=no") && args.includes("ControlPath=none"), true);
});

Deno.test("forwardArgs() undoes what a configuration may have for people", () => {
  const facts = {
    target: parseSshTarget("host"),
    local: { kind: "port", port: 1 } as const,
    remotePort: 1,
    hostKeyPolicy: "strict",
  } as const;
  const plain = forwardArgs(facts);
  const wanted = ["RemoteCommand=none", "PermitLocalCommand=no", "ExitOnForwardFailure=yes"];
  assertEquals(wanted.filter((option) => !plain.includes(option)), []);
  // Unknown to older clients, so it is named only where it is set.
  assertEquals(plain.some((arg) => arg.startsWith("ForkAfter")), false);
  const hostile = forwardArgs({ ...facts, config: { ownForwards: true, forks: true } });
  assertEquals(hostile.includes("ForkAfterAuthentication=no"), true);
  assertEquals(hostile.includes("ExitOnForwardFailure=no"), true);
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
    const error = sshFailure({ target: parseSshTarget("me@h") }, {
      how: "255",
      stderr,
      reached: "me@10.0.0.5",
    });
    assertEquals([error.code, error.retryable], [code, retryable]);
    assertEquals(error.message.includes('"me@h" (me@10.0.0.5): ssh exited (255)'), true);
    assertEquals(error.hint === undefined, false);
  });
}

const changed = [
  "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
  "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
  "The fingerprint for the ED25519 key sent by the remote host is",
  "SHA256:bK0x.",
  "Please contact your system administrator.",
  "Offending ED25519 key in /home/me/.ssh/known_hosts:7",
  "Host key for [h]:2222 has changed and you have requested strict checking.",
  "Host key verification failed.",
].join("\r\n");

Deno.test("N38: a changed host key is told with what was found and what was known", () => {
  const { code, message } = sshFailure({ target: parseSshTarget("h") }, { stderr: changed });
  assertEquals(code, "SSH_HOST_KEY_CHANGED");
  assertStringIncludes(
    message,
    "(SHA256:bK0x. | Offending ED25519 key in /home/me/.ssh/known_hosts:7)",
  );
});

const reasons: [code: string, stderr: string][] = [
  // A banner comes before the reason, and a gateway that was away is no reason.
  [
    "SSH_UNREACHABLE",
    "Permission denied to strangers\na\nb\nc\nd\nTimeout, server h not responding.",
  ],
  ["SSH_UNREACHABLE", "Connection to h closed by remote host."],
  ["SSH_ENDED", "channel 1: open failed: connect failed: Connection refused\n"],
  ["SSH_FORWARD_REFUSED", "channel 1: open failed: administratively prohibited: open failed"],
  ["SSH_LOCAL_END_TAKEN", "unix_listener: cannot bind to path /x/y: No such file or directory"],
];
for (const [code, stderr] of reasons) {
  Deno.test(`sshFailure() finds ${code} in ${JSON.stringify(stderr.slice(-40))}`, () =>
    assertEquals(sshFailure({ target: parseSshTarget("h") }, { stderr }).code, code));
}

const places: [target: string, more: Partial<SshPlace>, hint: string][] = [
  ["me@h", {}, "ssh me@h true"],
  ["me@h:2222", {}, "ssh -p 2222 me@h true"],
  ["[::1]:22", {}, "ssh -p 22 ::1 true"],
  ["h", { identity: "/a b/k", configFile: "/c" }, "ssh -F /c -i '/a b/k' h true"],
];
for (const [target, more, hint] of places) {
  Deno.test(`a hint for ${target} is a line that ssh understands: ${hint}`, () =>
    assertEquals(
      sshFailure({ target: parseSshTarget(target), ...more }, { stderr: "" }).hint,
      hint,
    ));
}
