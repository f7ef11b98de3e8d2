import { assertEquals, assertThrows } from "@std/assert";
import { OpenclawError } from "../../src/lib/errors.ts";
import { renderLaunchAgent } from "../../src/service/launchd_render.ts";
import { serviceNames, type ServicePlan } from "../../src/service/plan.ts";
import {
  batchWord,
  programLine,
  readTaskState,
  renderTaskScript,
} from "../../src/service/schtasks_render.ts";
import { readSystemdUnit, renderSystemdUnit } from "../../src/service/systemd_render.ts";

const plan: ServicePlan = {
  kind: "node",
  profile: undefined,
  description: "OpenClaw Node Host (v1.0.0)",
  program: [
    "/usr/local/bin/openclaw",
    "node",
    "run",
    "--host",
    "gw.example",
    "--port",
    "18789",
    "--tls",
  ],
  workingDirectory: "/home/me",
  environment: { HOME: "/home/me", OPENCLAW_STATE_DIR: "/home/me/.openclaw" },
  environmentFile: "/home/me/.openclaw/service-env/node.env",
  logsDir: "/home/me/.openclaw/logs",
};

async function golden(name: string, text: string): Promise<void> {
  const url = new URL(`./golden/${name}`, import.meta.url);
  if (Deno.env.get("UPDATE_GOLDEN")) await Deno.writeTextFile(url, text);
  assertEquals(text, await Deno.readTextFile(url));
}

Deno.test("a systemd user unit equals its golden file", () =>
  golden("openclaw-node.service", renderSystemdUnit(plan, { kind: "user" })));
Deno.test("a systemd system unit equals its golden file", () =>
  golden(
    "openclaw-node.system.service",
    renderSystemdUnit(plan, { kind: "system", user: "build" }),
  ));
Deno.test("a launch agent equals its golden file", () =>
  golden("ai.openclaw.node.plist", renderLaunchAgent(plan, serviceNames("node", undefined))));
Deno.test("a task script equals its golden file", () => golden("node.cmd", renderTaskScript(plan)));

const hostile: [name: string, value: string][] = [
  ["a blank", "my node"],
  ["quotes and backslashes", `a"b\\c'd`],
  ["percent signs", "50%h %n"],
  ["dollar signs", "$HOME ${PATH}"],
  ["a leading dash", "-x"],
  ["a leading @", "@x"],
  ["an empty text", ""],
  ["a semicolon and a comment sign", "; #"],
  ["unicode", "büild-日本"],
  ["plist tags", "</string><string>x"],
  ["XML entities", "&lt; & '\""],
];
for (const [name, value] of hostile) {
  Deno.test(`N39: ${name} in a name comes back from the unit file as it went in`, () => {
    const hostilePlan = {
      ...plan,
      program: [...plan.program, "--display-name", value],
      environment: { ...plan.environment, NOTE: value },
    };
    const read = readSystemdUnit(renderSystemdUnit(hostilePlan, { kind: "user" }));
    assertEquals(read.program, hostilePlan.program);
    assertEquals(read.environment, hostilePlan.environment);
    assertEquals(read.environmentFile, plan.environmentFile);
  });
}

for (const value of ["x\nExecStart=/bin/sh", "x\r\ny", "a\u0000b", "a\u2028b"]) {
  Deno.test(`N39: ${JSON.stringify(value)} is refused by every system`, () => {
    const bad = { ...plan, program: [...plan.program, "--display-name", value] };
    for (
      const render of [
        () => renderSystemdUnit(bad, { kind: "user" }),
        () => renderLaunchAgent(bad, serviceNames("node", undefined)),
        () => renderTaskScript(bad),
      ]
    ) assertEquals(assertThrows(render, OpenclawError).code, "INVALID_SERVICE_VALUE");
  });
}

Deno.test("N39: a plist keeps </string> inside its value", () => {
  const text = renderLaunchAgent(
    { ...plan, program: ["/bin/x", "</string><string>y"] },
    serviceNames("node", undefined),
  );
  assertEquals(text.includes("<string>&lt;/string&gt;&lt;string&gt;y</string>"), true);
});

Deno.test("N39: a batch file doubles percent signs and refuses what has no safe spelling", () => {
  assertEquals(batchWord("%X%"), `"%%X%%"`);
  assertEquals(batchWord("&calc&"), `"&calc&"`);
  for (const word of [`"&calc&"`, "!X!", "a^b"]) assertThrows(() => batchWord(word), OpenclawError);
});

Deno.test("names carry the profile, so two profiles live side by side", () => {
  assertEquals(serviceNames("node", "lab").systemdUnit, "openclaw-node-lab.service");
  assertEquals(serviceNames("gateway", "lab").launchdLabel, "ai.openclaw.lab");
  assertEquals(serviceNames("node", "lab").windowsTask, "OpenClaw Node (lab)");
  assertEquals(serviceNames("tunnel", undefined).launchdLabel, "ai.openclaw.ssh-tunnel");
});

Deno.test("N39: a unit name from the environment is a name or refused", () => {
  assertThrows(
    () => serviceNames("node", undefined, { OPENCLAW_SYSTEMD_UNIT: "../x" }),
    OpenclawError,
  );
  assertThrows(
    () => serviceNames("node", undefined, { OPENCLAW_LAUNCHD_LABEL: "-x" }),
    OpenclawError,
  );
});

Deno.test("programLine() finds the program in a task script", () => {
  assertEquals(
    programLine(renderTaskScript(plan)),
    "/usr/local/bin/openclaw node run --host gw.example --port 18789 --tls",
  );
  assertEquals(programLine("@echo off\r\nsomething else\r\n"), undefined);
});

const states: [listing: string, state: string][] = [
  ["Last Run Result:   0x41301\n", "running"],
  ["Letztes Ergebnis:   267009\n", "running"],
  ["Last Run Result:   0x41303\n", "never-run"],
  ["Last Run Result:   1\n", "stopped"],
  ["Statut: En cours\n", "unknown"],
];
for (const [listing, state] of states) {
  Deno.test(`readTaskState() says ${state} of ${JSON.stringify(listing)}`, () =>
    assertEquals(readTaskState(listing), state));
}

Deno.test("N39: a real property list parser reads back what was meant", async () => {
  const tool = await new Deno.Command("python3", { args: ["--version"], stdout: "null" }).output()
    .then((r) => r.success, () => false);
  if (!tool) return console.log("skipped: python3 is not installed");
  const hostile = `a "b" 'c' </string><key>RunAtLoad</key> &amp; $HOME é`;
  const wanted = { ...plan, program: [...plan.program, "--display-name", hostile] };
  const text = renderLaunchAgent(wanted, serviceNames("node", undefined));
  const script =
    "import sys, json, plistlib; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
  const child = new Deno.Command("python3", {
    args: ["-c", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { stdout } = await child.output();
  const read = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(read.ProgramArguments, wanted.program);
  assertEquals(read.EnvironmentVariables, wanted.environment);
  assertEquals(
    [read.Label, read.RunAtLoad, read.KeepAlive, read.Umask],
    ["ai.openclaw.node", true, true, 0o077],
  );
});
