/** A real `systemd --user` of the tests' own, with a home and a runtime folder of its own. */

/** A real `systemd --user`; `undefined` with a printed reason where none can run. */
export async function realSystemd(dir: string): Promise<{ stop(): Promise<void> } | undefined> {
  const skip = (reason: string) => (console.log(`skipped: ${reason}`), undefined);
  if (Deno.build.os !== "linux") return skip("systemd runs on Linux only");
  if (!await Deno.stat("/lib/systemd/systemd").catch(() => undefined)) {
    return skip("systemd is not installed");
  }
  if (!await Deno.stat("/run/systemd/system").catch(() => undefined)) {
    if (Deno.uid() !== 0) return skip("this machine was not booted with systemd");
    // The user instance only asks whether this folder exists.
    await Deno.mkdir("/run/systemd/system", { recursive: true });
  }
  const process = new Deno.Command("/lib/systemd/systemd", {
    args: ["--user"],
    env: { HOME: dir, XDG_RUNTIME_DIR: dir, PATH: "/usr/bin:/bin" },
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const ready = async () => (await new Deno.Command("/usr/bin/systemctl", {
    args: ["--user", "is-system-running"],
    env: { HOME: dir, XDG_RUNTIME_DIR: dir },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output().then(({ stdout }) => /running|degraded/.test(new TextDecoder().decode(stdout))));
  for (let round = 0; round < 50; round++) {
    if (await ready()) {
      return {
        async stop() {
          process.kill("SIGTERM");
          await process.status;
        },
      };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  process.kill("SIGKILL");
  await process.status;
  return skip("a user instance of systemd does not start here");
}
