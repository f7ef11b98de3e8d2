/**
 * `gateway install --wrapper`: a program of the person's own that the service starts in our place, with our arguments.
 */
import { resolve } from "@std/path";
import { messageOf, OpenclawError } from "../../../lib/errors.ts";
import { quoted } from "../../../lib/text.ts";
import { platformName } from "../../../platform/os.ts";

const EXECUTABLE = 0o111;

/** The absolute path of a wrapper that can be started. @throws {OpenclawError} `FILE_FAILED`. */
export async function wrapperOf(given: string): Promise<string> {
  const path = resolve(given);
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    throw failed(path, messageOf(error));
  }
  if (!info.isFile) throw failed(path, "it is not a file");
  const isExecutable = platformName() === "windows" || ((info.mode ?? 0) & EXECUTABLE) !== 0;
  if (!isExecutable) throw failed(path, "it is not executable", `chmod +x ${quoted(path)}`);
  return path;
}

function failed(
  path: string,
  why: string,
  hint = "openclaw gateway install   # without a wrapper",
): OpenclawError {
  return new OpenclawError("FILE_FAILED", `Cannot use ${quoted(path)} as --wrapper: ${why}`, {
    hint,
  });
}
