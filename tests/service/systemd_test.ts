/** Installing through systemd: a stand-in `systemctl` that records its calls. A real one is `real_systemd_test.ts`. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import {
  planInstall,
  proxySecrets,
  secretsFileOf,
  writeSecrets,
} from "../../src/service/install.ts";
import { systemdManager } from "../../src/service/systemd.ts";
import { factsOf, hostOf, names } from "./service_scene.ts";

async function standIn(dir: string, tool: string, script: string): Promise<void> {
  const path = join(dir, tool);
  await Deno.writeTextFile(path, `#!/bin/sh\necho "${tool} $*" >> ${dir}/calls\n${script}\n`);
  await Deno.chmod(path, 0o755);
}

Deno.test("install writes the unit, reloads, enables and restarts; the secret stands only in the 0600 file", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await standIn(dir, "systemctl", "exit 0");
    await standIn(dir, "loginctl", "echo Linger=no");
    const host = hostOf(dir, [dir]);
    const facts = factsOf(dir);
    await writeSecrets(facts);
    const warnings = await systemdManager(host, { kind: "user" }).install(
      await planInstall(facts, host),
      names,
    );
    assertEquals(warnings, [
      "The service stops when tester logs out; to keep it: sudo loginctl enable-linger tester",
    ]);
    assertEquals(
      await Deno.readTextFile(join(dir, "calls")),
      [
        "systemctl --user daemon-reload",
        "systemctl --user enable openclaw-node.service",
        "systemctl --user restart openclaw-node.service",
        "loginctl show-user tester -p Linger",
        "",
      ].join("\n"),
    );
    const unit = await Deno.readTextFile(join(dir, ".config/systemd/user/openclaw-node.service"));
    assertEquals(unit.includes("tok"), false);
    assertEquals((await Deno.stat(secretsFileOf(facts))).mode! & 0o777, 0o600);
    assertEquals(
      await Deno.readTextFile(secretsFileOf(facts)),
      'OPENCLAW_GATEWAY_TOKEN="tok\\"\\$x"\n',
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a failing systemctl is an error that quotes what it said", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await standIn(dir, "systemctl", "echo 'Failed to connect to bus' >&2; exit 1");
    const host = hostOf(dir, [dir]);
    const manager = systemdManager(host, { kind: "user" });
    const availability = await manager.available();
    assertEquals(availability.ok, false);
    const plan = await planInstall(factsOf(dir), host);
    const error = await assertRejects(
      () => manager.install(plan, names),
      OpenclawError,
      "Failed to connect to bus",
    );
    assertEquals(error.code, "SERVICE_ACTION_FAILED");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("where systemctl is not installed, the reason is told", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const availability = await systemdManager(hostOf(dir, [dir]), { kind: "user" }).available();
    assertEquals(
      !availability.ok && availability.reason,
      "systemd user services are not available here: systemctl is not installed",
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

const foreign: [name: string, make: (path: string) => Promise<void>, said: string][] = [
  [
    "written by somebody else",
    (path) => Deno.writeTextFile(path, "[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n"),
    "2 ExecStart lines",
  ],
  ["that says nothing", (path) => Deno.writeTextFile(path, ""), "0 ExecStart lines"],
  ["that is masked", (path) => Deno.symlink("/dev/null", path), "symbolic link"],
  ["that is a folder", (path) => Deno.mkdir(path), "it is a directory"],
];
for (const [name, make, said] of foreign) {
  Deno.test(`N39: a unit ${name} does not break status, and is not taken for ours`, async () => {
    const dir = await Deno.makeTempDir();
    try {
      const path = join(dir, ".config/systemd/user/openclaw-node.service");
      await Deno.mkdir(join(path, ".."), { recursive: true });
      await make(path);
      const status = await systemdManager(hostOf(dir, [dir]), { kind: "user" }).status(names);
      assertEquals([status.installed, status.command], [true, null]);
      assertStringIncludes(status.runtime.detail ?? "", said);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

Deno.test("N39: a unit of somebody else is kept as a backup; a masked one is refused and stays masked", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await standIn(dir, "systemctl", "exit 0");
    const host = hostOf(dir, [dir]);
    const manager = systemdManager(host, { kind: "user" });
    const plan = await planInstall(factsOf(dir), host);
    const path = join(dir, ".config/systemd/user/openclaw-node.service");
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, "[Service]\nExecStart=/bin/theirs\n");
    await manager.install(plan, names);
    assertStringIncludes(await Deno.readTextFile(`${path}.bak`), "/bin/theirs");
    assertEquals((await manager.status(names)).command?.programArguments, plan.program);
    await manager.uninstall(names);
    assertStringIncludes(await Deno.readTextFile(`${path}.bak`), "/bin/theirs");
    await Deno.symlink("/dev/null", path);
    const error = await assertRejects(() => manager.install(plan, names), OpenclawError);
    assertEquals(error.code, "FILE_UNSAFE");
    assertEquals(await Deno.readLink(path), "/dev/null");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("N39: a proxy's password stands in the 0600 file, not in the unit", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const env = {
      HTTPS_PROXY: "http://me:hunter2@proxy.example:3128",
      ALL_PROXY: "me:hunter2@proxy.example:3128",
      HTTP_PROXY: "http://proxy.example:3128",
    };
    const host = hostOf(dir, [dir], env);
    const facts = { ...factsOf(dir), secrets: proxySecrets(env) };
    await writeSecrets(facts);
    const [unit] = systemdManager(host, { kind: "user" }).preview(
      await planInstall(facts, host),
      names,
    );
    assertEquals(unit.text.includes("hunter2"), false);
    assertStringIncludes(unit.text, "HTTP_PROXY=http://proxy.example:3128");
    assertEquals(
      await Deno.readTextFile(secretsFileOf(facts)),
      `HTTPS_PROXY="${env.HTTPS_PROXY}"\nALL_PROXY="${env.ALL_PROXY}"\n`,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("uninstall and status of something never installed are calm", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const manager = systemdManager(hostOf(dir, [dir]), { kind: "user" });
    await manager.uninstall(names);
    const status = await manager.status(names);
    assertEquals([status.installed, status.runtime.missingUnit], [false, true]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("systemd-analyze accepts the rendered unit with hostile words in it", async () => {
  const tool = await Deno.stat("/usr/bin/systemd-analyze").catch(() => undefined);
  if (!tool) return console.log("skipped: systemd-analyze is not installed on this machine");
  const dir = await Deno.makeTempDir();
  try {
    const host = hostOf(dir, ["/usr/bin"]);
    const plan = await planInstall({
      ...factsOf(dir),
      args: ["--display-name", `a"b\\c'd $HOME %h`, "", "; #"],
    }, host);
    const path = join(dir, "openclaw-node.service");
    await Deno.writeTextFile(
      path,
      systemdManager(host, { kind: "user" }).preview(plan, names)[0].text,
    );
    const result = await new Deno.Command(tool ? "/usr/bin/systemd-analyze" : "", {
      args: ["verify", "--user", path],
      env: { XDG_RUNTIME_DIR: dir },
    }).output();
    assertEquals([result.code, new TextDecoder().decode(result.stderr)], [0, ""]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
