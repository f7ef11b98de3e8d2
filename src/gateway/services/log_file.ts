/**
 * The gateway's log on disk: JSON lines in one file with size rotation, written behind the caller's back so that a slow
 * disk never holds up a request (F41), and read back for `logs.tail`.
 */
import { dirname } from "@std/path";
import { messageOf } from "../../lib/errors.ts";
import { utf8 } from "../../lib/bytes.ts";
import { type LogRecord, type LogSink, renderJson, renderMessage } from "../../lib/log.ts";
import { isObject, jsonValue } from "../../lib/objects.ts";
import { requireOwned } from "../../platform/file_safety.ts";
import { ensureDir } from "../../platform/files.ts";

/** Options of {@linkcode LogFile}. */
export interface LogFileOptions {
  readonly path: string;
  /** Size at which the file becomes `<path>.1`. Default 8 MiB. */
  readonly maxBytes?: number;
  /** Told once when lines cannot be written, and again when that ends. */
  readonly onTrouble?: (message: string) => void;
}

/** What `logs.tail` asks. */
export interface TailQuestion {
  /** Byte offset to go on from; absent = the last lines. */
  readonly cursor?: number;
  /** Lines at most. Default 500. */
  readonly limit?: number;
  /** Bytes at most. Default 250,000. */
  readonly maxBytes?: number;
}

/** Answer of `logs.tail`. Source: gateway-protocol.md 11.1. */
export interface Tail {
  readonly file: string;
  readonly cursor: number;
  readonly size: number;
  readonly lines: readonly string[];
  readonly truncated: boolean;
  readonly reset: boolean;
}

/** Bytes of lines that may wait for the disk; more are dropped and counted. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;

/** Appends records and reads the tail. */
export class LogFile {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #onTrouble: (message: string) => void;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #file: Deno.FsFile | undefined;
  #size = 0;
  #troubled = false;
  #closed = false;

  constructor(options: LogFileOptions) {
    this.path = options.path;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#onTrouble = options.onTrouble ?? (() => {});
  }

  /** Takes a record; never waits. */
  readonly sink: LogSink = (record: LogRecord) => {
    if (this.#closed) return;
    const line = renderJson(record) + "\n";
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#writing ??= this.#write();
  };

  /** Resolves when everything taken so far is written or given up. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    this.#file?.close();
    this.#file = undefined;
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const lines = this.#waiting;
        this.#waiting = [];
        this.#waitingBytes = 0;
        await this.#append(utf8(lines.join("")));
      }
      if (this.#troubled) this.#onTrouble(`log file is written again, ${this.#dropped} lines lost`);
      this.#troubled = false;
      this.#dropped = 0;
    } catch (error) {
      // F04: a full disk costs log lines, not the gateway. The next line tries again.
      if (!this.#troubled) this.#onTrouble(`cannot write the log file: ${messageOf(error)}`);
      this.#troubled = true;
      this.#file?.close();
      this.#file = undefined;
    } finally {
      this.#writing = undefined;
    }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#file && this.#size > 0 && this.#size + bytes.length > this.#maxBytes) {
      this.#file.close();
      this.#file = undefined;
      await Deno.rename(this.path, `${this.path}.1`);
    }
    this.#file ??= await this.#open();
    let written = 0;
    while (written < bytes.length) written += await this.#file.write(bytes.subarray(written));
    this.#size += bytes.length;
  }

  async #open(): Promise<Deno.FsFile> {
    await ensureDir(dirname(this.path));
    await requireOwned(this.path); // N40: opening a FIFO would wait for ever, a link would be written through
    const file = await Deno.open(this.path, { append: true, create: true, mode: 0o600 });
    this.#size = (await file.stat()).size;
    return file;
  }

  /** The lines after `cursor`, or the last ones. A cursor beyond the end (the file was rotated) starts over. */
  async tail(question: TailQuestion): Promise<Tail> {
    const { limit = 500, maxBytes = 250_000 } = question;
    await this.flush();
    const file = await requireOwned(this.path) ? await openOrMissing(this.path) : undefined;
    if (!file) {
      return { file: this.path, cursor: 0, size: 0, lines: [], truncated: false, reset: false };
    }
    try {
      const { size } = await file.stat();
      const reset = question.cursor !== undefined && question.cursor > size;
      const asked = question.cursor === undefined || reset ? 0 : question.cursor;
      const start = Math.max(asked, size - maxBytes);
      const text = await readRange(file, start, size);
      const all = text.split("\n").filter((line) => line !== "");
      if (start > 0 && start !== asked) all.shift(); // cut in the middle of a line
      const lines = all.slice(-limit).map(peerLine);
      const truncated = question.cursor !== undefined && !reset &&
        (start !== asked || lines.length < all.length);
      return { file: this.path, cursor: size, size, lines, truncated, reset };
    } finally {
      file.close();
    }
  }
}

/**
 * A line of the file with the members by which the command lines of the reference show it: the text under `0`, level and
 * subsystem under `_meta`. Without them they print the JSON.
 */
function peerLine(line: string): string {
  const record = jsonValue(line);
  if (!isObject(record) || typeof record["message"] !== "string") return line;
  const { time: _, level, subsystem, message, ...fields } = record;
  const name = JSON.stringify({ subsystem });
  return JSON.stringify({
    ...record,
    0: renderMessage(message, fields),
    _meta: { logLevelName: String(level).toUpperCase(), name },
  });
}

async function openOrMissing(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function readRange(file: Deno.FsFile, start: number, end: number): Promise<string> {
  await file.seek(start, Deno.SeekMode.Start);
  const bytes = new Uint8Array(end - start);
  let length = 0;
  while (length < bytes.length) {
    const n = await file.read(bytes.subarray(length));
    if (n === null) break;
    length += n;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}
