/** The last lines of a log file for a report that is pasted somewhere: no configured secret is in them. */
import type { LoadedConfig } from "../../config/file/load.ts";
import { type Env, readEnv } from "../../config/env.ts";
import { showableWithin } from "../../lib/text.ts";
import { logText, readLogLine } from "../views/log_line.ts";

const MAX_LINES = 20;
const MAX_BYTES = 64 * 1024;

/** The end of a log. */
export interface LogTail {
  readonly file: string;
  /** Oldest first; empty when there is no file. */
  readonly lines: readonly string[];
}

/** Reads it; never fails, since a report is wanted most when something is broken. */
export async function lastLogLines(
  file: string,
  { loaded, env }: { readonly loaded: LoadedConfig; readonly env: Env },
): Promise<LogTail> {
  const text = await endOf(file).catch(() => "");
  const secrets = secretsOf(loaded, env);
  const lines = text.split("\n").filter((line) => line !== "").slice(-MAX_LINES)
    .map((raw) => logText(readLogLine(raw)) || raw)
    .map((line) => secrets.reduce((out, secret) => out.replaceAll(secret, "[secret]"), line))
    .map((line) => showableWithin(line, 1_000));
  return { file, lines };
}

async function endOf(file: string): Promise<string> {
  const log = await Deno.open(file); // ends with its stream
  const { size } = await log.stat();
  await log.seek(Math.max(0, size - MAX_BYTES), Deno.SeekMode.Start);
  return await new Response(log.readable).text();
}

/** The logs hold none; this is the second lock on the door. */
function secretsOf({ config }: LoadedConfig, env: Env): string[] {
  const { auth, remote } = config.gateway;
  const settings = readEnv(env);
  const configured = [auth.token, auth.password, remote.token, remote.password]
    .map((input) => input?.kind === "value" ? input.secret : undefined);
  return [...configured, settings.gatewayToken, settings.gatewayPassword]
    .flatMap((secret) => secret ? [secret.reveal()] : []);
}
