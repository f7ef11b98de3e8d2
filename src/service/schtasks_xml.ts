/**
 * The definition of a Windows scheduled task: starts at the logon of one user with that user's ordinary rights, shows no
 * window, and starts again after a crash. Pure; `schtasks.ts` registers it.
 * Source: remote-access.md 4.4; Task Scheduler schema 1.2 ([MS-TSCH] 2.5).
 */
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";

/** Facts of one task. */
export interface TaskFacts {
  readonly name: string;
  readonly description: string;
  /** `DOMAIN\user` or `user`: a task for everybody's logon would need an administrator. */
  readonly user: string;
  /** Absolute path of the script it runs. */
  readonly script: string;
  /** For instance `C:\Windows`. */
  readonly systemRoot: string;
}

function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/**
 * How the script is run. A console without a window (`conhost --headless`), because a `.cmd` of an interactive task would
 * open one; `/s` makes cmd strip exactly the outer quotes, whatever the path holds (N39).
 * Throws `INVALID_SERVICE_VALUE` for a path that cmd would expand.
 */
export function scriptCall(
  { script, systemRoot }: Pick<TaskFacts, "script" | "systemRoot">,
): { file: string; args: string } {
  if (/["%!^\u0000-\u001f]/.test(script)) {
    throw new OpenclawError(
      "INVALID_SERVICE_VALUE",
      `Cannot run ${quoted(script)} as a task: cmd would read more than a path in it`,
      { hint: "set OPENCLAW_STATE_DIR=C:\\openclaw" },
    );
  }
  return {
    file: `${systemRoot}\\System32\\conhost.exe`,
    args: `--headless ${systemRoot}\\System32\\cmd.exe /d /s /c ""${script}""`,
  };
}

/** The definition as text; {@linkcode taskXmlBytes} makes the file. */
export function renderTaskXml(facts: TaskFacts): string {
  const call = scriptCall(facts);
  return [
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    "  <RegistrationInfo>",
    `    <Description>${xml(facts.description)}</Description>`,
    `    <URI>\\${xml(facts.name)}</URI>`,
    "  </RegistrationInfo>",
    "  <Triggers>",
    "    <LogonTrigger>",
    "      <Enabled>true</Enabled>",
    `      <UserId>${xml(facts.user)}</UserId>`,
    "    </LogonTrigger>",
    "  </Triggers>",
    "  <Principals>",
    '    <Principal id="Author">',
    `      <UserId>${xml(facts.user)}</UserId>`,
    "      <LogonType>InteractiveToken</LogonType>",
    "      <RunLevel>LeastPrivilege</RunLevel>",
    "    </Principal>",
    "  </Principals>",
    "  <Settings>",
    "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>",
    "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>",
    "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
    "    <AllowHardTerminate>true</AllowHardTerminate>",
    "    <StartWhenAvailable>true</StartWhenAvailable>",
    "    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>",
    "    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>",
    "    <Priority>5</Priority>",
    "    <RestartOnFailure>",
    "      <Interval>PT1M</Interval>",
    "      <Count>255</Count>",
    "    </RestartOnFailure>",
    "  </Settings>",
    '  <Actions Context="Author">',
    "    <Exec>",
    `      <Command>${xml(call.file)}</Command>`,
    `      <Arguments>${xml(call.args)}</Arguments>`,
    "    </Exec>",
    "  </Actions>",
    "</Task>",
    "",
  ].join("\r\n");
}

/** UTF-16LE with a byte order mark, the only encoding every `schtasks.exe` reads. */
export function taskXmlBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2 + 2 * text.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xfeff, true);
  for (let i = 0; i < text.length; i++) view.setUint16(2 + 2 * i, text.charCodeAt(i), true);
  return bytes;
}
