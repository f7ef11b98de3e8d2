/** The task definition: a golden file, a schema validator and a parser. Registering it is `schtasks_test.ts`. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { OpenclawError } from "../../src/lib/errors.ts";
import { renderTaskXml, type TaskFacts, taskXmlBytes } from "../../src/service/schtasks_xml.ts";

const facts: TaskFacts = {
  name: "OpenClaw Node",
  description: "OpenClaw Node Host (v1.0.0)",
  user: "LAB\\me",
  script: "C:\\Users\\me\\.openclaw\\node.cmd",
  systemRoot: "C:\\Windows",
};
const SCHEMA = fromFileUrl(new URL("./task-1.2.xsd", import.meta.url));

Deno.test("a task definition equals its golden file", async () => {
  const url = new URL("./golden/node.task.xml", import.meta.url);
  // The file in the repository has the line ends of its formatter.
  const text = renderTaskXml(facts).replaceAll("\r\n", "\n");
  if (Deno.env.get("UPDATE_GOLDEN")) await Deno.writeTextFile(url, text);
  assertEquals(text, await Deno.readTextFile(url));
});

/** What xmllint says against the schema; `undefined` = valid. Skipped aloud where it is not installed. */
async function problemOf(bytes: Uint8Array): Promise<string | undefined> {
  const file = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    await Deno.writeFile(file, bytes);
    const { success, stderr } = await new Deno.Command("xmllint", {
      args: ["--noout", "--nonet", "--schema", SCHEMA, file],
      stdout: "null",
      stderr: "piped",
    }).output();
    return success ? undefined : new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(file);
  }
}

const hasXmllint = await new Deno.Command("xmllint", {
  args: ["--version"],
  stdout: "null",
  stderr: "null",
}).output().then((r) => r.success, () => false);
if (!hasXmllint) console.log("skipped: xmllint is not installed (apt-get install libxml2-utils)");
const withXmllint = { ignore: !hasXmllint };

Deno.test(
  "a task definition is valid by the schema of the Task Scheduler",
  withXmllint,
  async () => {
    assertEquals(await problemOf(taskXmlBytes(renderTaskXml(facts))), undefined);
  },
);

const broken: [name: string, from: string, to: string][] = [
  ["an unknown setting", "<Priority>5</Priority>", "<Urgency>5</Urgency>"],
  ["a priority beyond 10", "<Priority>5</Priority>", "<Priority>11</Priority>"],
  ["a restart every second", "PT1M", "PT1S"],
  ["a made-up logon type", "InteractiveToken", "Interactive"],
  ["a trigger out of order", "<Enabled>true</Enabled>", "<Delay>PT1S</Delay>"],
  ["a limit that is no duration", "PT0S", "never"],
];
for (const [name, from, to] of broken) {
  Deno.test(`the schema refuses ${name}`, withXmllint, async () => {
    const text = renderTaskXml(facts);
    assert(text.includes(from));
    assert(await problemOf(taskXmlBytes(text.replace(from, to))) !== undefined);
  });
}

const hostile = [
  `&calc& <b> "x" 'y' ]]>`,
  "büild-日本",
  "</Description></RegistrationInfo><Actions/>",
];
for (const value of hostile) {
  Deno.test(`N39: ${JSON.stringify(value)} in a task stays a value`, withXmllint, async () => {
    const bytes = taskXmlBytes(renderTaskXml({ ...facts, description: value, user: value }));
    assertEquals(await problemOf(bytes), undefined);
    const file = await Deno.makeTempFile();
    await Deno.writeFile(file, bytes);
    const read = async (name: string) => {
      const { stdout } = await new Deno.Command("xmllint", {
        args: ["--nonet", "--xpath", `string(//*[local-name()='${name}'])`, file],
      }).output();
      return new TextDecoder().decode(stdout).replace(/\n$/, "");
    };
    assertEquals([await read("Description"), await read("UserId")], [value, value]);
    assertEquals(await read("RunLevel"), "LeastPrivilege");
    await Deno.remove(file);
  });
}

Deno.test("N39: a script path that cmd would expand is refused", () => {
  for (const script of ["C:\\%X%\\node.cmd", 'C:\\a" & calc & "\\node.cmd', "C:\\a!b!\\node.cmd"]) {
    assertThrows(() => renderTaskXml({ ...facts, script }), OpenclawError);
  }
});

Deno.test("no window and no administrator: a headless console, the user's own rights", () => {
  const text = renderTaskXml(facts);
  assert(text.includes("<Command>C:\\Windows\\System32\\conhost.exe</Command>"));
  assert(text.includes("--headless C:\\Windows\\System32\\cmd.exe /d /s /c &quot;&quot;C:\\Users"));
  assert(text.includes("<RunLevel>LeastPrivilege</RunLevel>"));
  assert(!text.includes("HighestAvailable") && !text.includes("S4U"));
});
