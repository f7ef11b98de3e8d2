/**
 * The only file that prints. The rules: results go to stdout, everything else to stderr. With `--json` stdout
 * carries exactly one JSON document, errors included. Every piece of text is made showable before it is
 * written (A16, A17), so nothing a device, a command or a gateway says reaches the terminal as a control
 * sequence; colour is added afterwards, by `styled` parts only, and only on a terminal or with FORCE_COLOR,
 * never with NO_COLOR.
 */
import { isOpenclawError, messageOf, OpenclawError } from "../../lib/errors.ts";
import { type LogSink, renderJson, renderText } from "../../lib/log.ts";
import { showable, showableJson } from "../../lib/text.ts";
import { type Column, tableLines } from "./table.ts";

/** Where bytes go. Tests hand in their own. */
export interface Streams {
  readonly out: (bytes: Uint8Array) => void;
  readonly err: (bytes: Uint8Array) => void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Width of the terminal in characters. */
  readonly columns: number;
}

/** Colours by meaning. */
export type Style = "strong" | "good" | "warn" | "bad" | "faint";

/** A piece of a line with a style. */
export interface Styled {
  readonly style: Style;
  readonly text: string;
}

/** A piece of a line. */
export type Part = string | Styled;

const SGR: Readonly<Record<Style, readonly [number, number]>> = {
  strong: [1, 22],
  good: [32, 39],
  warn: [33, 39],
  bad: [31, 39],
  faint: [2, 22],
};

/** Gives a piece of text a style. */
export function styled(style: Style, text: string): Styled {
  return { style, text };
}

/** Options of {@linkcode Output}. */
export interface OutputOptions {
  readonly json: boolean;
  /** On a terminal, never, or `always`. */
  readonly colour: boolean | "always";
}

const encoder = new TextEncoder();

/** Prints for one command. */
export class Output {
  constructor(private readonly streams: Streams, private readonly options: OutputOptions) {}

  /** Whether `--json` was given. */
  get json(): boolean {
    return this.options.json;
  }

  /** Whether a person reads stdout. */
  get isTerminal(): boolean {
    return this.streams.outIsTerminal;
  }

  /** One line on stdout, made of plain and styled parts. */
  text(...parts: readonly Part[]): void {
    this.streams.out(encoder.encode(this.line(parts, this.streams.outIsTerminal) + "\n"));
  }

  /** Several plain lines on stdout. */
  lines(lines: readonly string[]): void {
    for (const line of lines) this.text(line);
  }

  /** One line on stderr: progress, notes, questions. */
  note(...parts: readonly Part[]): void {
    this.streams.err(encoder.encode(this.line(parts, this.streams.errIsTerminal) + "\n"));
  }

  /** A note of a program that stays: that nobody can read it is no reason to stop. */
  aside(...parts: readonly Part[]): void {
    try {
      this.note(...parts);
    } catch (error) {
      // Nobody reads stderr any more, or its disk is full (F04).
      if (!isUnwritable(error)) throw error;
    }
  }

  /** `warning: …` on stderr. */
  warn(text: string): void {
    this.note(styled("warn", "warning:"), ` ${text}`);
  }

  /** A box table on stdout; cells are made showable. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    const width = this.streams.outIsTerminal
      ? Math.min(120, Math.max(80, this.streams.columns))
      : 120;
    this.lines(tableLines(columns, rows, width));
  }

  /** The result of a command: one JSON document with `--json`, else what `render` prints. */
  show(value: unknown, render: () => void): void {
    if (this.options.json) this.document(value);
    else render();
  }

  /** One JSON document on stdout, 2-space indent. */
  document(value: unknown): void {
    const text = JSON.stringify(value ?? null, null, 2);
    this.streams.out(encoder.encode(showableJson(text) + "\n"));
  }

  /** Text that a program reads (a completion script, an environment line): written as it is. */
  verbatim(text: string): void {
    this.streams.out(encoder.encode(text));
  }

  /** An error: `error: …`, context lines, `hint: …` on stderr, and with `--json` a document on stdout. */
  failure(error: unknown): void {
    const known = isOpenclawError(error) ? error : undefined;
    const [first = "", ...more] = error instanceof Error && error.message !== ""
      ? error.message.split("\n")
      : [messageOf(error)];
    this.note(styled("bad", "error:"), ` ${first}`);
    // Indented: a line of somebody else's text must not look like one of ours.
    for (const line of more) this.note(`  ${line}`);
    for (const line of contextLines(known)) this.note(line);
    for (const line of known?.hint?.split("\n") ?? []) {
      this.note(styled("strong", "hint:"), ` ${line}`);
    }
    if (this.options.json) this.document(errorDocument(error, known));
  }

  /** Log lines on stderr: text for a person, JSON lines for a service manager. */
  logSink(asJson: boolean): LogSink {
    return (record) => {
      if (!asJson) return this.aside(renderText(record));
      try {
        this.streams.err(encoder.encode(showableJson(renderJson(record)) + "\n"));
      } catch (error) {
        if (!isUnwritable(error)) throw error; // as in aside()
      }
    };
  }

  private line(parts: readonly Part[], isTerminal: boolean): string {
    return parts.map((part) => {
      if (typeof part === "string") return showable(part);
      const [on, off] = SGR[part.style];
      const plain = showable(part.text);
      const { colour } = this.options;
      return colour === "always" || (colour && isTerminal)
        ? `\x1b[${on}m${plain}\x1b[${off}m`
        : plain;
    }).join("");
  }
}

/** Facts below the first line of an error, from `details.context`. */
function contextLines(error: OpenclawError | undefined): readonly string[] {
  const context = error?.details?.context;
  return Array.isArray(context) ? context.map(String) : [];
}

function errorDocument(error: unknown, known: OpenclawError | undefined): unknown {
  return {
    ok: false,
    error: {
      type: "cli_error",
      code: known?.code ?? "INTERNAL",
      message: messageOf(error),
      ...(known?.hint ? { hint: known.hint } : {}),
      ...(known?.details ? { details: known.details } : {}),
    },
  };
}

/** The streams of this process. */
export function processStreams(): Streams {
  const outIsTerminal = Deno.stdout.isTerminal();
  return {
    out: (bytes) => writeAll(Deno.stdout, bytes),
    err: (bytes) => writeAll(Deno.stderr, bytes),
    outIsTerminal,
    errIsTerminal: Deno.stderr.isTerminal(),
    columns: outIsTerminal ? consoleColumns() : 120,
  };
}

function consoleColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80; // A terminal without a size (some pipes on Windows): the classic width.
  }
}

interface SyncWriter {
  writeSync(bytes: Uint8Array): number;
}

/** Thrown when the reader of stdout or stderr is gone (`… | head`); ends the command quietly. */
export class ReaderGone extends Error {}

function writeAll(writer: SyncWriter, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writer.writeSync(bytes.subarray(done));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new ReaderGone("the reader is gone");
      if (error instanceof Deno.errors.WouldBlock) continue; // a non-blocking pipe that is full
      throw outputFailed(error);
    }
  }
}

/** Whether an error only says that stdout or stderr takes no more. */
export function isUnwritable(error: unknown): boolean {
  return error instanceof ReaderGone || isOpenclawError(error, "OUTPUT_FAILED");
}

/** A full disk behind `> file`, for instance. */
function outputFailed(error: unknown): OpenclawError {
  return new OpenclawError("OUTPUT_FAILED", `Cannot write the output: ${messageOf(error)}`, {
    cause: error,
  });
}

/** Writes bytes of a running command to stdout or stderr, waiting for a slow reader without blocking the loop. */
export async function writeStream(stream: "out" | "err", bytes: Uint8Array): Promise<void> {
  const writer = stream === "out" ? Deno.stdout : Deno.stderr;
  let done = 0;
  while (done < bytes.length) {
    try {
      done += await writer.write(bytes.subarray(done));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new ReaderGone("the reader is gone");
      throw outputFailed(error);
    }
  }
}
