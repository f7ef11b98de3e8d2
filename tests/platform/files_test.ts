import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import {
  ensureDir,
  ensureFolderOf,
  lockFile,
  readOwned,
  tryLockFile,
  withFileLock,
  writeAtomic,
} from "../../src/platform/files.ts";
import { runProgram } from "../../src/platform/process/start.ts";
import { DEFAULT_PATH } from "../../src/platform/os.ts";

const posix = { ignore: Deno.build.os === "windows" };
const asRoot = { ignore: Deno.build.os !== "linux" || Deno.uid() !== 0 };
const max = { maxBytes: 1000 };

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "openclaw-files-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const modeOf = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;
const textOf = async (path: string) => {
  const file = await readOwned(path, max);
  return file && new TextDecoder().decode(file.bytes);
};

async function refusal(path: string): Promise<string> {
  const error = await assertRejects(() => readOwned(path, max), OpenclawError);
  assertEquals(error.code, "FILE_UNSAFE");
  return error.message;
}

const UMASK_WORKER = fromFileUrl(new URL("umask_worker.ts", import.meta.url));

Deno.test("writeAtomic() replaces the content and leaves no other file", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.json");
    await writeAtomic(path, "one");
    await writeAtomic(path, "two");
    assertEquals(await textOf(path), "two");
    assertEquals([...Deno.readDirSync(folder)].map((e) => e.name), ["a.json"]);
  }));

Deno.test(
  "N40: files are 0600 and folders 0700 whatever the umask",
  posix,
  () =>
    inFolder(async (folder) => {
      const { success, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", UMASK_WORKER, folder],
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      assertEquals(await modeOf(join(folder, "x")), 0o700);
      assertEquals(await modeOf(join(folder, "x/y/z")), 0o700);
      assertEquals(await modeOf(join(folder, "x/y/open.json")), 0o600);
      assertEquals(await modeOf(join(folder, "x/y/shut.json")), 0o600);
    }),
);

Deno.test(
  "N40: a folder that everybody shares is not closed, and the folder of a file placed by hand stays",
  posix,
  () =>
    inFolder(async (folder) => {
      const shared = join(folder, "shared");
      await Deno.mkdir(shared);
      await Deno.chmod(shared, 0o1777);
      assertEquals(await ensureDir(shared), false);
      assertEquals(await modeOf(shared), 0o777);
      const given = join(folder, "ssl");
      await Deno.mkdir(given);
      await Deno.chmod(given, 0o755);
      await ensureFolderOf(join(given, "gateway.pem"));
      assertEquals(await modeOf(given), 0o755);
      await ensureFolderOf(join(given, "a/b/gateway.pem"));
      assertEquals(await modeOf(join(given, "a/b")), 0o700);
    }),
);

Deno.test("N40: a link is neither followed nor replaced", posix, () =>
  inFolder(async (folder) => {
    const real = join(folder, "real");
    const link = join(folder, "link");
    await writeAtomic(real, "kept");
    await Deno.symlink(real, link);
    assertStringIncludes(await refusal(link), "symbolic link");
    await assertRejects(() => writeAtomic(link, "x"), OpenclawError, "symbolic link");
    assertEquals(await textOf(real), "kept");
    const followed = await readOwned(link, { ...max, followOwnSymlink: true });
    assertEquals(new TextDecoder().decode(followed?.bytes), "kept");
    await writeAtomic(link, "through", { followOwnSymlink: true });
    assertEquals(await textOf(real), "through");
    assert((await Deno.lstat(link)).isSymlink);
  }));

Deno.test(
  "N40: a FIFO is refused without waiting for a writer",
  posix,
  () =>
    inFolder(async (folder) => {
      const fifo = join(folder, "fifo");
      await runProgram({
        file: "mkfifo",
        args: [fifo],
        env: { PATH: DEFAULT_PATH },
        timeoutMs: 5000,
      });
      assertStringIncludes(await refusal(fifo), "FIFO");
    }),
);

Deno.test(
  "N40: a file others can write is refused, one others can read is tightened",
  posix,
  () =>
    inFolder(async (folder) => {
      const path = join(folder, "state");
      await writeAtomic(path, "x");
      await Deno.chmod(path, 0o666);
      assertStringIncludes(await refusal(path), "others can write");
      await Deno.chmod(path, 0o644);
      const file = await readOwned(path, max);
      assertEquals([file?.tightened, file?.mode], [true, 0o600]);
      assertEquals(await modeOf(path), 0o600);
    }),
);

Deno.test("N40: a file of another user is refused", asRoot, () =>
  inFolder(async (folder) => {
    const path = join(folder, "foreign");
    await writeAtomic(path, "x");
    await Deno.chown(path, 65534, 65534);
    assertStringIncludes(await refusal(path), "belongs to user 65534");
  }));

Deno.test("readOwned() tells missing from too long", () =>
  inFolder(async (folder) => {
    assertEquals(await readOwned(join(folder, "no"), max), undefined);
    await writeAtomic(join(folder, "long"), "x".repeat(1001));
    const error = await assertRejects(() => readOwned(join(folder, "long"), max), OpenclawError);
    assertEquals(error.code, "FILE_TOO_BIG");
  }));

Deno.test(
  "F04: a full disk leaves the old file and says what is wrong",
  asRoot,
  () =>
    inFolder(async (folder) => {
      const env = { PATH: DEFAULT_PATH };
      const mount = { file: "mount", args: ["-t", "tmpfs", "-o", "size=64k", "none", folder], env };
      const mounted = await runProgram({ ...mount, timeoutMs: 5000 });
      if (mounted.exitCode !== 0) {
        console.log(`not run: no tmpfs here (${mounted.stderr.trim()})`);
        return;
      }
      try {
        const path = join(folder, "state.json");
        await writeAtomic(path, "old");
        const error = await assertRejects(
          () => writeAtomic(path, "x".repeat(200_000)),
          OpenclawError,
        );
        assertEquals([error.code, error.retryable], ["DISK_FULL", true]);
        assertEquals(await textOf(path), "old");
        assertEquals([...Deno.readDirSync(folder)].map((e) => e.name), ["state.json"]);
        await writeAtomic(path, "recovered");
        assertEquals(await textOf(path), "recovered");
      } finally {
        await runProgram({ file: "umount", args: [folder], env, timeoutMs: 5000 });
      }
    }),
);

Deno.test(
  "F05: a read-only state folder still reads and refuses to write with a code",
  asRoot,
  () =>
    inFolder(async (folder) => {
      const env = { PATH: DEFAULT_PATH };
      const run = (...args: string[]) => runProgram({ file: "mount", args, env, timeoutMs: 5000 });
      if ((await run("-t", "tmpfs", "-o", "size=64k", "none", folder)).exitCode !== 0) {
        console.log("not run: no tmpfs here");
        return;
      }
      try {
        const path = join(folder, "state.json");
        await writeAtomic(path, "old");
        await run("-o", "remount,ro", folder);
        assertEquals(await textOf(path), "old");
        const error = await assertRejects(() => writeAtomic(path, "new"), OpenclawError);
        assertEquals(error.code, "STATE_READ_ONLY");
        assertEquals(error.hint?.includes("OPENCLAW_STATE_DIR=<another folder>"), true);
      } finally {
        await runProgram({ file: "umount", args: [folder], env, timeoutMs: 5000 });
      }
    }),
);

Deno.test("a lock keeps others out and names its holder", () =>
  inFolder(async (folder) => {
    const path = join(folder, "lock");
    const lock = await lockFile(path);
    assertEquals(await tryLockFile(path), undefined);
    const error = await assertRejects(() => lockFile(path, { waitMs: 20 }), OpenclawError);
    assertEquals([error.code, error.details?.["pid"]], ["LOCK_HELD", Deno.pid]);
    lock.close();
    assertEquals(await withFileLock(path, () => Promise.resolve(7)), 7);
  }));

Deno.test(
  "F31: a lock of a killed owner is free although its pid is in the file",
  posix,
  () =>
    inFolder(async (folder) => {
      const path = join(folder, "lock");
      const module = new URL("../../src/platform/files.ts", import.meta.url).href;
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "eval",
          "--no-check",
          `const { lockFile } = await import(${JSON.stringify(module)});
         await lockFile(${
            JSON.stringify(path)
          }); console.log("held"); setInterval(() => {}, 1000);`,
        ],
        cwd: new URL("../..", import.meta.url),
        stdout: "piped",
      }).spawn();
      const reader = child.stdout.getReader();
      await reader.read();
      assertEquals(await tryLockFile(path), undefined);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      // A live process with the recorded pid must not matter: this very process.
      await Deno.writeTextFile(path, `${Deno.pid}\n`);
      const lock = await tryLockFile(path);
      assert(lock, "recovered");
      lock.close();
    }),
);

Deno.test("F08: a file that is replaced all the time is read whole, never refused", () =>
  inFolder(async (folder) => {
    const path = join(folder, "state.json");
    await writeAtomic(path, "0".repeat(400));
    let writing = true;
    const writer = (async () => {
      for (let n = 1; writing; n++) await writeAtomic(path, String(n % 10).repeat(400));
    })();
    for (let n = 0; n < 300; n++) {
      const { bytes } = (await readOwned(path, max))!;
      assertEquals([bytes.length, new Set(bytes).size], [400, 1]);
    }
    writing = false;
    await writer;
  }));
