/**
 * The script a Windows scheduled task runs, and what the task's listing says. Pure; the task is `schtasks_xml.ts`.
 * Source: remote-access.md 4.4.
 */
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import { checkPlan, type ServicePlan } from "./plan.ts";
import { scriptCall } from "./schtasks_xml.ts";

/**
 * One word of a batch file line. `cmd.exe` expands `%NAME%` and, inside quotes, cannot escape `"`;
 * a word that holds a quote, an exclamation mark or a caret cannot be written safely and is refused (N39, X43).
 * Throws `INVALID_SERVICE_VALUE`.
 */
export function batchWord(word: string): string {
  if (/["!^]/.test(word)) {
    throw new OpenclawError(
      "INVALID_SERVICE_VALUE",
      `Cannot put ${
        quoted(word)
      } into a batch file: quotes, "!" and "^" have no safe spelling there`,
    );
  }
  const text = word.replaceAll("%", "%%");
  return /^[A-Za-z0-9_.\\/:=,@+-]+$/.test(text) ? text : `"${text}"`;
}

/** Comes after the program's line. Exit 78 is a configuration refusal: a task that ended well is not started again. */
const AFTER_PROGRAM = ["if %ERRORLEVEL%==78 exit /b 0", "exit /b %ERRORLEVEL%"];

/** The program's line of a script; `undefined` when it is none of ours. */
export function programLine(script: string): string | undefined {
  const lines = script.split("\r\n");
  return lines[lines.indexOf(AFTER_PROGRAM[0] ?? "") - 1];
}

/** The `.cmd` script with CRLF line ends. */
export function renderTaskScript(plan: ServicePlan): string {
  checkPlan(plan);
  return [
    "@echo off",
    remark(plan.description),
    ...(plan.workingDirectory ? [`cd /d ${batchWord(plan.workingDirectory)}`] : []),
    ...Object.entries(plan.environment)
      .filter(([name]) => name.toUpperCase() !== "PATH")
      .map(([name, value]) => `set "${name}=${bare(value)}"`),
    plan.program.map(batchWord).join(" "),
    ...AFTER_PROGRAM,
    "",
  ].join("\r\n");
}

function remark(description: string): string {
  return `rem ${description.replaceAll("%", "%%").replace(/[&|<>^]/g, " ")}`;
}

function bare(value: string): string {
  const word = batchWord(value);
  return word.startsWith('"') ? word.slice(1, -1) : word;
}

/** The variables a script of ours sets. */
export function readScriptEnvironment(script: string): Record<string, string> {
  const lines = script.matchAll(/^set "([A-Za-z_][A-Za-z0-9_]*)=(.*)"\r$/gm);
  return Object.fromEntries([...lines].map((m) => [m[1], (m[2] ?? "").replaceAll("%%", "%")]));
}

/** Facts of a launcher. */
export interface LauncherFacts {
  readonly description: string;
  /** Absolute path of the script it runs. */
  readonly script: string;
  /** For instance `C:\Windows`. */
  readonly systemRoot: string;
}

/**
 * A file for the Startup folder that starts the script without a window of its own. A path with a character that ends a
 * command in a batch file is refused, because quotes cannot hold it through both readings of the line (N39).
 * Throws `INVALID_SERVICE_VALUE`.
 */
export function renderLauncher(facts: LauncherFacts): string {
  const { file, args } = scriptCall(facts);
  if (/[&|<>]/.test(facts.script)) {
    throw new OpenclawError(
      "INVALID_SERVICE_VALUE",
      `Cannot start ${quoted(facts.script)} from the Startup folder: "&", "|", "<" and ">" have ` +
        `no safe spelling there`,
      { hint: "set OPENCLAW_STATE_DIR=C:\\openclaw" },
    );
  }
  return ["@echo off", remark(facts.description), `start "" /min ${file} ${args}`, ""].join("\r\n");
}

/**
 * What `schtasks /Query /V /FO LIST` says about a task, whatever its language says around the number. `unknown` when it
 * names no number.
 */
export function readTaskState(listing: string): "running" | "never-run" | "stopped" | "unknown" {
  // 0x41301 = running, 0x41303 = has not run yet; both may be printed in decimal.
  const codes = [...listing.matchAll(/:\s*(0x[0-9a-fA-F]+|-?\d{1,10})\s*$/gm)].map((m) =>
    Number(m[1])
  );
  if (codes.includes(0x41301)) return "running";
  if (codes.includes(0x41303)) return "never-run";
  return codes.length > 0 ? "stopped" : "unknown";
}
