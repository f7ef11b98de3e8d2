/**
 * The text of a systemd unit and its way back. Pure; `systemd.ts` writes the file and calls `systemctl`.
 * Source: remote-access.md 4.2, systemd.syntax(7), systemd.service(5).
 */
import { quoteWord } from "../approvals/words.ts";
import { OpenclawError } from "../lib/errors.ts";
import { quoted } from "../lib/text.ts";
import { checkPlan, type ServicePlan } from "./plan.ts";

/** Where the unit runs: in the user's own manager or in the system's. */
export type SystemdScope = { readonly kind: "user" } | {
  readonly kind: "system";
  /** Account the service runs as. */
  readonly user: string;
};

/** Quotes one word of a unit so that systemd reads back exactly `word`; only arguments of a program know `$` (N39). */
export function systemdWord(word: string, isArgument: boolean): string {
  let text = word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%");
  if (isArgument) text = text.replaceAll("$", "$$$$");
  return /^[A-Za-z0-9_./:=,+%-]+$/.test(text) ? text : `"${text}"`;
}

/**
 * The unit file. Values with line breaks or other control characters, and a program systemd would not start, are refused
 * (`INVALID_SERVICE_VALUE`).
 */
export function renderSystemdUnit(plan: ServicePlan, scope: SystemdScope): string {
  checkPlan(plan);
  checkProgramPath(plan.program[0] ?? "");
  const service = [
    "Type=simple",
    `ExecStart=${plan.program.map((word, i) => systemdWord(word, i > 0)).join(" ")}`,
    ...(plan.workingDirectory ? [`WorkingDirectory=${pathValue(plan.workingDirectory)}`] : []),
    ...Object.entries(plan.environment).map(([name, value]) =>
      `Environment=${systemdWord(`${name}=${value}`, false)}`
    ),
    ...(plan.environmentFile ? [`EnvironmentFile=-${globValue(plan.environmentFile)}`] : []),
    ...(scope.kind === "system" ? [`User=${scope.user}`] : []),
    "Restart=always",
    "RestartSec=5",
    // Exit 78 is a configuration refusal: starting again would only loop.
    "RestartPreventExitStatus=78",
    "SuccessExitStatus=0 143",
    "TimeoutStartSec=30",
    "TimeoutStopSec=30",
    "KillMode=mixed",
    "OOMPolicy=continue",
    "UMask=0077",
  ];
  return [
    "[Unit]",
    `Description=${plan.description.replaceAll("%", "%%")}`,
    "After=network-online.target",
    "Wants=network-online.target",
    "StartLimitIntervalSec=300",
    "StartLimitBurst=10",
    "",
    "[Service]",
    ...service,
    "",
    "[Install]",
    `WantedBy=${scope.kind === "user" ? "default.target" : "multi-user.target"}`,
    "",
  ].join("\n");
}

/** systemd starts no program whose path holds these, however they are quoted. */
function checkProgramPath(path: string): void {
  if (!/["'\\]/.test(path)) return;
  throw new OpenclawError(
    "INVALID_SERVICE_VALUE",
    `Cannot install a service: systemd starts no program whose path holds a quote or a backslash, as ${
      quoted(path)
    } does`,
    { hint: `sudo install -m 755 ${quoteWord(path)} /usr/local/bin/openclaw` },
  );
}

function pathValue(path: string): string {
  return path.replaceAll("%", "%%");
}

/** `EnvironmentFile=` names files as a shell does: a folder called `[a]` would match others and not itself. */
function globValue(path: string): string {
  return pathValue(path.replace(/[\\*?[\]]/g, "\\$&"));
}

/** What {@linkcode readSystemdUnit} finds in a unit file. */
export interface ReadUnit {
  readonly program: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly environmentFile: string | undefined;
  readonly workingDirectory: string | undefined;
}

/**
 * Reads back what systemd will understand, so that an install is compared with its intent.
 * Throws `UNIT_UNREADABLE` for syntax this reader does not know.
 */
export function readSystemdUnit(text: string): ReadUnit {
  const values: [string, string][] = [];
  let section = "";
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
    const header = /^\[(.+)\]$/.exec(line);
    if (header) section = header[1] ?? "";
    else if (section === "Service") {
      const at = line.indexOf("=");
      if (at < 0) throw unreadable(line);
      values.push([line.slice(0, at), line.slice(at + 1)]);
    }
  }
  const all = (key: string) => values.filter(([k]) => k === key).map(([, v]) => v);
  const environment: Record<string, string> = {};
  for (const word of all("Environment").flatMap((line) => splitWords(line, false))) {
    const at = word.indexOf("=");
    environment[word.slice(0, at)] = word.slice(at + 1);
  }
  const exec = all("ExecStart");
  if (exec.length !== 1) throw unreadable(`${exec.length} ExecStart lines`);
  const plainPath = (value: string | undefined) => value?.replace(/^-/, "").replaceAll("%%", "%");
  return {
    program: splitWords(exec[0] ?? "", true),
    environment,
    environmentFile: plainPath(all("EnvironmentFile")[0])?.replace(/\\(.)/g, "$1"),
    workingDirectory: plainPath(all("WorkingDirectory")[0]),
  };
}

function splitWords(line: string, inExec: boolean): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const char = line[i] ?? "";
    if (char === "\\") word = (word ?? "") + (line[++i] ?? "");
    else if (quote) {
      if (char === quote) quote = "";
      else word = (word ?? "") + char;
    } else if (char === '"' || char === "'") [quote, word] = [char, word ?? ""];
    else if (char === " ") {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  if (quote) throw unreadable(line);
  if (word !== undefined) words.push(word);
  return words.map((w, i) => {
    const plain = w.replaceAll("%%", "%");
    return inExec && i > 0 ? plain.replaceAll("$$", "$") : plain;
  });
}

function unreadable(what: string): OpenclawError {
  return new OpenclawError("UNIT_UNREADABLE", `Cannot read the unit file: ${what}`);
}
