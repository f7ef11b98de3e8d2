/** N40, F04, F05: the configuration and the state directory as what they must not be; disks that take nothing. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { setConfigValue } from "../../../src/config/file/edit.ts";
import { OpenclawError } from "../../../src/lib/errors.ts";
import { lockGateway } from "../../../src/gateway/services/gateway_lock.ts";
import { fileError } from "../../../src/platform/file_safety.ts";
import { ensureDir } from "../../../src/platform/files.ts";
import { cli } from "../../cli/support.ts";
import { inside, type TempState, tempState } from "../temp_state.ts";

const posix = Deno.build.os !== "windows";
const root = posix && Deno.uid() === 0;

interface Place {
  /** What refuses, and what the message says. */
  readonly code: string;
  readonly says: RegExp;
  readonly make: (state: TempState, file: string) => Promise<unknown>;
  readonly only?: boolean;
}

const write = (path: string, text = "{gateway: {port: 4}}", mode = 0o600) =>
  Deno.writeTextFile(path, text, { mode }).then(() => Deno.chmod(path, mode));

/** `openclaw.json` as …: neither read nor changed. */
const PLACES: Readonly<Record<string, Place>> = {
  "a directory": {
    code: "FILE_UNSAFE",
    says: /it is a directory/,
    make: (_, file) => Deno.mkdir(file),
  },
  "a FIFO": {
    code: "FILE_UNSAFE",
    says: /FIFO, socket or device/,
    make: (_, file) => new Deno.Command("mkfifo", { args: ["-m", "600", file] }).output(),
  },
  "a device": {
    code: "FILE_UNSAFE",
    says: /FIFO, socket or device/,
    make: (_, file) => Deno.symlink("/dev/zero", file),
    only: root,
  },
  "a file of 9 MB": {
    code: "FILE_TOO_BIG",
    says: /longer than 8388608 bytes/,
    make: (_, file) => write(file, `// ${"x".repeat(9_000_000)}\n{}`),
  },
  "writable by its group": {
    code: "FILE_UNSAFE",
    says: /others can write it \(mode 0660\)/,
    make: (_, file) => write(file, "{}", 0o660),
  },
  "a file of another user": {
    code: "FILE_UNSAFE",
    says: /belongs to user 12345/,
    make: (_, file) => write(file).then(() => Deno.chown(file, 12345, 12345)),
    only: root,
  },
  "a link of ours to a file of another user": {
    code: "FILE_UNSAFE",
    says: /belongs to user 12345/,
    make: async (state, file) => {
      const target = inside(state, "theirs");
      await write(target);
      await Deno.chown(target, 12345, 12345);
      await Deno.symlink(target, file);
    },
    only: root,
  },
  "a link of ours to a FIFO": {
    code: "FILE_UNSAFE",
    says: /FIFO, socket or device/,
    make: async (state, file) => {
      const target = inside(state, "pipe");
      await new Deno.Command("mkfifo", { args: ["-m", "600", target] }).output();
      await Deno.symlink(target, file);
    },
  },
  "a link that leads to itself": {
    code: "FILE_FAILED",
    says: /openclaw\.json/,
    make: (_, file) => Deno.symlink(file, file),
  },
};

for (const [name, { code, says, make, only = posix }] of Object.entries(PLACES)) {
  Deno.test(`N40: openclaw.json is ${name}: refused for reading and writing, in words`, {
    ignore: !only,
  }, async () => {
    await using state = await tempState();
    const { configFile } = state.paths;
    await make(state, configFile);
    const before = await Deno.lstat(configFile);
    for (const work of [() => state.load(), () => setConfigValue(state, "gateway.port", 5)]) {
      const error = await assertRejects(work, OpenclawError);
      assertEquals(error.code, code, error.message);
      assertMatch(error.message, says);
    }
    const after = await Deno.lstat(configFile);
    assertEquals([after.ino, after.size, after.mode], [before.ino, before.size, before.mode]);
    for (
      const args of [["config", "get", "gateway.port"], ["config", "set", "gateway.port", "5"], [
        "config",
        "validate",
      ]]
    ) {
      const { code: exit, stdout, stderr } = await cli(args, {
        env: { ...state.env } as Record<string, string>,
      });
      assertEquals([exit, stdout], [1, ""], args.join(" "));
      assertMatch(stderr, /^error: .*openclaw\.json|^error: Refused to use /);
      assert(!stderr.includes("    at "), stderr);
    }
  });
}

Deno.test(
  "N40: a link that leads nowhere is an empty configuration, and the first set makes its target",
  { ignore: !posix },
  async () => {
    await using state = await tempState();
    const target = inside(state, "dotfiles.json");
    await Deno.symlink(target, state.paths.configFile);
    assertEquals((await state.load()).exists, false);
    await setConfigValue(state, "gateway.port", 5);
    assertEquals((await Deno.lstat(state.paths.configFile)).isSymlink, true);
    assertEquals((await Deno.stat(target)).mode! & 0o777, 0o600);
  },
);

Deno.test(
  "N40: a state directory open to a group is closed by the next start; a planted file in it is refused",
  { ignore: !root },
  async () => {
    await using state = await tempState({}, "{}");
    const { stateDir, configFile } = state.paths;
    await Deno.chmod(stateDir, 0o775);
    await Deno.remove(configFile);
    await write(configFile, "{gateway: {auth: {mode: 'none'}}}");
    await Deno.chown(configFile, 12345, 12345);
    await assertRejects(() => state.load(), OpenclawError, "belongs to user 12345");
    assertEquals(await ensureDir(stateDir), true);
    assertEquals((await Deno.stat(stateDir)).mode! & 0o777, 0o700);
  },
);

Deno.test("N40: the lock of a gateway and the lock of an edit are no way to another file", {
  ignore: !posix,
}, async () => {
  await using state = await tempState({}, "{}");
  const victim = inside(state, "victim");
  await Deno.writeTextFile(victim, "untouched");
  await Deno.mkdir(state.paths.gatewayDir, { mode: 0o700 });
  await Deno.symlink(victim, state.paths.gatewayLockFile);
  await Deno.symlink(victim, `${state.paths.configFile}.write.lock`);
  await assertRejects(() => lockGateway(state.paths), OpenclawError, "symbolic link");
  await assertRejects(
    () => setConfigValue(state, "gateway.port", 1),
    OpenclawError,
    "symbolic link",
  );
  assertEquals(await Deno.readTextFile(victim), "untouched");
});

Deno.test(
  "N40: a link in place of the backup is not written through",
  { ignore: !posix },
  async () => {
    await using state = await tempState({}, "{}");
    const victim = inside(state, "victim");
    await Deno.writeTextFile(victim, "untouched");
    await Deno.symlink(victim, state.paths.configBackupFile);
    await assertRejects(
      () => setConfigValue(state, "gateway.port", 1),
      OpenclawError,
      "symbolic link",
    );
    assertEquals([await Deno.readTextFile(victim), await state.read()], ["untouched", "{}"]);
  },
);

/** A home that is …: said in words with exit code 1, nothing made elsewhere. */
const HOMES: Readonly<Record<string, (home: string) => Promise<Record<string, string>>>> = {
  "a file": async (home) => {
    await Deno.writeTextFile(join(home, "file"), "x");
    return { HOME: join(home, "file") };
  },
  "a device": () => Promise.resolve({ HOME: "/dev/null" }),
  "in a name too long for the system": (home) =>
    Promise.resolve({ HOME: join(home, "x".repeat(300)) }),
  "in a path too long for the system": (home) =>
    Promise.resolve({ HOME: join(home, "x/".repeat(3_000)) }),
  "on a read-only file system": () => Promise.resolve({ HOME: "/proc/self" }),
};

for (const [name, make] of Object.entries(HOMES)) {
  Deno.test(`F05: HOME is ${name}: config set says so and makes nothing`, {
    ignore: Deno.build.os !== "linux",
  }, async () => {
    await using state = await tempState();
    const env = await make(state.home);
    const { code, stdout, stderr } = await cli(["config", "set", "gateway.port", "5"], { env });
    assertEquals([code, stdout], [1, ""], stderr);
    assertMatch(stderr, /^error: Cannot /);
    assert(!stderr.includes("    at ") && stderr.length < 3_000, stderr);
  });
}

Deno.test("F05: a folder that may not be written is named with the command that shows why", () => {
  const refused = Object.assign(new Deno.errors.PermissionDenied("Permission denied"), {
    code: "EACCES",
  });
  for (const error of [refused, new Deno.errors.PermissionDenied("x")]) {
    const { code, hint } = fileError("create the folder", "/srv/x/.openclaw", error);
    assertEquals([code, hint], ["FILE_FAILED", 'ls -ld "/srv/x"']);
  }
});
