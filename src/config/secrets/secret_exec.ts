/**
 * Secrets from a program: which program may be asked, the request on its stdin, the answer on its stdout. No shell,
 * no inherited environment, every wait and size bounded; what it writes is never shown, because it may be a secret.
 * Source: config-and-credentials.md 4.
 */
import { isObject } from "../../lib/objects.ts";
import { isAbsolute } from "@std/path";
import { utf8 } from "../../lib/bytes.ts";
import { systemClock } from "../../lib/clock.ts";
import { quoted } from "../../lib/text.ts";
import { refuseForeign } from "../../platform/file_safety.ts";
import { type Program, startProgram } from "../../platform/process/start.ts";

import type { Env } from "../env.ts";
import type { SecretProvider } from "../schema/schema.ts";

/** How long what a program wrote may come after its end. */
const REST_MS = 250;

/** A value, or in words why there is none; the words hold no secret. */
export type SecretAnswer = { readonly value: string } | { readonly problem: string };

/** What is asked of one program. */
export interface ExecRequest {
  readonly alias: string;
  readonly provider: SecretProvider;
  readonly ids: readonly string[];
  readonly env: Env;
  /** Largest request, bytes. */
  readonly maxRequestBytes: number;
}

/** Asks the program of an exec provider for all `ids` at once. Throws `Error` when no answer can be had at all. */
export async function askProgram(request: ExecRequest): Promise<Map<string, SecretAnswer>> {
  const { provider, ids, alias } = request;
  const input = JSON.stringify({ protocolVersion: 1, provider: alias, ids });
  if (utf8(input).length > request.maxRequestBytes) {
    throw new Error(`the request is longer than ${request.maxRequestBytes} bytes`);
  }
  if (!provider.jsonOnly && ids.length !== 1) {
    throw new Error("jsonOnly:false answers one id only");
  }
  const command = await checkProgram(provider);
  const program = await startProgram({
    file: command,
    args: provider.args,
    env: programEnv(provider, request.env),
    stdin: "pipe",
    group: true,
  });
  const output = await readAnswer(program, provider, input);
  if (output.trim() === "") throw new Error("the program wrote nothing");
  // A damaged secret would be another one.
  if (output.includes("\ufffd")) throw new Error("the output is not UTF-8 text");
  if (provider.jsonOnly) return parseAnswer(output, ids);
  return new Map([[ids[0] ?? "", { value: output.trim() }]]);
}

function programEnv(provider: SecretProvider, env: Env): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of provider.passEnv) {
    const value = env[name];
    if (value !== undefined) out[name] = value;
  }
  return { ...out, ...provider.env };
}

/** Stops a planted helper: only an absolute regular file that nobody else could have written. */
async function checkProgram(provider: SecretProvider): Promise<string> {
  const command = provider.command ?? "";
  if (!isAbsolute(command)) throw new Error(`command ${quoted(command)} is not an absolute path`);
  const link = await Deno.lstat(command).catch(() => undefined);
  if (!link) throw new Error(`command ${quoted(command)} does not exist`);
  if (link.isSymlink && !provider.allowSymlinkCommand) {
    throw new Error(`command ${quoted(command)} is a symbolic link`);
  }
  const real = await Deno.realPath(command);
  const info = await Deno.stat(real);
  if (!info.isFile) throw new Error(`command ${quoted(command)} is no file`);
  if (!provider.allowInsecurePath) refuseForeign(real, info, true);
  await checkFolder(provider.trustedDirs, real);
  return real;
}

async function checkFolder(trustedDirs: readonly string[], real: string): Promise<void> {
  if (trustedDirs.length === 0) return;
  for (const dir of trustedDirs) {
    const folder = await Deno.realPath(dir).catch(() => undefined);
    if (folder !== undefined && (real.startsWith(`${folder}/`) || real.startsWith(`${folder}\\`))) {
      return;
    }
  }
  throw new Error(`command ${quoted(real)} is in none of trustedDirs`);
}

async function readAnswer(
  program: Program,
  provider: SecretProvider,
  input: string,
): Promise<string> {
  let problem: string | undefined;
  let stopping: Promise<unknown> | undefined;
  const pipes = [program.stdout.getReader(), program.stderr.getReader()] as const;
  const writer = program.stdin?.getWriter();
  // A process that left its group may hold the pipes for ever.
  const closePipes = () => Promise.allSettled([...pipes.map((p) => p.cancel()), writer?.abort()]);
  const stop = (reason: string) => {
    problem ??= reason;
    stopping ??= program.stop().then(closePipes);
  };
  const { timeoutMs, noOutputTimeoutMs } = provider;
  const cancelTotal = systemClock.after(timeoutMs, () => stop(`no answer within ${timeoutMs} ms`));
  const quietMs = noOutputTimeoutMs ?? timeoutMs;
  let cancelQuiet = () => {};
  const onChunk = () => {
    cancelQuiet();
    cancelQuiet = systemClock.after(quietMs, () => stop(`no output for ${quietMs} ms`));
  };
  onChunk();
  let cancelRest = () => {};
  const ended = program.ended.then((end) => {
    cancelRest = systemClock.after(REST_MS, closePipes);
    return end;
  });
  try {
    const [output, , , end] = await Promise.all([
      readPipe(pipes[0], provider.maxOutputBytes, onChunk, stop),
      readPipe(pipes[1], provider.maxOutputBytes, onChunk, stop),
      feed(writer, input),
      ended,
    ]);
    if (problem !== undefined) throw new Error(problem);
    if (end.exitCode !== 0) {
      throw new Error(`the program ended with ${end.signal ?? `exit code ${end.exitCode}`}`);
    }
    return output;
  } finally {
    cancelTotal();
    cancelQuiet();
    cancelRest();
    await stopping;
  }
}

async function readPipe(
  pipe: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
  onChunk: () => void,
  stop: (reason: string) => void,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await pipe.read();
    if (done) return text + decoder.decode();
    onChunk();
    bytes += value.length;
    if (bytes > maxBytes) stop(`more than ${maxBytes} bytes of output`);
    else text += decoder.decode(value, { stream: true });
  }
}

async function feed(
  writer: WritableStreamDefaultWriter<Uint8Array> | undefined,
  input: string,
): Promise<void> {
  try {
    await writer?.write(utf8(input));
    await writer?.close();
  } catch {
    // A program that does not read its input (EPIPE) may still answer.
  }
}

function parseAnswer(output: string, ids: readonly string[]): Map<string, SecretAnswer> {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw new Error("the answer is not JSON"); // the parser's own message quotes the output
  }
  if (!isObject(answer)) throw new Error("the answer is no JSON object");
  if (answer.protocolVersion !== 1) {
    throw new Error("the answer has another protocolVersion than 1");
  }
  const values = isObject(answer.values) ? answer.values : {};
  const errors = isObject(answer.errors) ? answer.errors : {};
  return new Map<string, SecretAnswer>(ids.map((id) => {
    const value = Object.hasOwn(values, id) ? values[id] : undefined;
    if (typeof value === "string" && value.trim() !== "") return [id, { value }];
    if (Object.hasOwn(errors, id)) return [id, { problem: "the program reports an error for it" }];
    if (value === undefined) return [id, { problem: "the answer does not have it" }];
    return [id, { problem: "the value is empty or not text" }];
  }));
}
