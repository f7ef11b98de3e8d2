/**
 * The property list of a launchd agent. Pure; `launchd.ts` writes the file and calls `launchctl`.
 * Source: remote-access.md 4.3, launchd.plist(5).
 */
import { checkPlan, type ServiceNames, type ServicePlan } from "./plan.ts";

/** XML text with every value escaped, so that `</string>` in a name stays a name (N39). */
function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;").replaceAll("'", "&apos;");
}

const key = (name: string) => `  <key>${name}</key>`;
const string = (value: string, indent = "  ") => `${indent}<string>${xml(value)}</string>`;

/** The plist. Control characters are refused (`INVALID_SERVICE_VALUE`). */
export function renderLaunchAgent(plan: ServicePlan, names: ServiceNames): string {
  checkPlan(plan);
  const environment = Object.entries(plan.environment);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    "<dict>",
    key("Label"),
    string(names.launchdLabel),
    key("Comment"),
    string(plan.description),
    key("RunAtLoad"),
    "  <true/>",
    key("KeepAlive"),
    "  <true/>",
    key("ThrottleInterval"),
    "  <integer>10</integer>",
    key("ExitTimeOut"),
    "  <integer>20</integer>",
    key("ProcessType"),
    string("Interactive"),
    key("Umask"),
    "  <integer>63</integer>",
    key("ProgramArguments"),
    "  <array>",
    ...plan.program.map((word) => string(word, "    ")),
    "  </array>",
    ...(plan.workingDirectory ? [key("WorkingDirectory"), string(plan.workingDirectory)] : []),
    key("StandardInPath"),
    string("/dev/null"),
    key("StandardOutPath"),
    string(`${plan.logsDir}/${names.logPrefix}.log`),
    key("StandardErrorPath"),
    string(`${plan.logsDir}/${names.logPrefix}.err.log`),
    ...(environment.length === 0 ? [] : [
      key("EnvironmentVariables"),
      "  <dict>",
      ...environment.flatMap((
        [name, value],
      ) => [`    <key>${xml(name)}</key>`, string(value, "    ")]),
      "  </dict>",
    ]),
    "</dict>",
    "</plist>",
    "",
  ].join("\n");
}
