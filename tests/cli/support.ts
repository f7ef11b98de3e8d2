/**
 * Runs command lines inside the test process with captured streams. Owns the transcript format too:
 * `$ words` starts a case, `1| …` is a line of stdout, `2| …` of stderr, `= n` the exit code; `…` at the end
 * of an expected line stands for anything.
 */
import { runIn } from "../../src/cli/run.ts";
import { noPrompt, type Prompt } from "../../src/cli/terminal/prompt.ts";

/** What a command line did. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@linkcode cli}. */
export interface CliOptions {
  readonly env?: Record<string, string>;
  readonly terminal?: boolean;
  readonly columns?: number;
  readonly prompt?: Prompt;
}

/** Runs one command line. */
export async function cli(argv: readonly string[], options: CliOptions = {}): Promise<Ran> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const code = await runIn(argv, {
    env: options.env ?? {},
    prompt: options.prompt ?? noPrompt,
    streams: {
      out: (bytes) => out.push(bytes.slice()),
      err: (bytes) => err.push(bytes.slice()),
      outIsTerminal: options.terminal ?? false,
      errIsTerminal: options.terminal ?? false,
      columns: options.columns ?? 100,
    },
  });
  return { code, stdout: textOf(out), stderr: textOf(err) };
}

function textOf(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((c) => decoder.decode(c, { stream: true })).join("") + decoder.decode();
}

/** One case of a transcript file. */
export interface Transcript {
  readonly words: readonly string[];
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly code: number;
}

/** Reads a transcript file. */
export function parseTranscript(text: string): Transcript[] {
  const cases: { words: string[]; stdout: string[]; stderr: string[]; code: number }[] = [];
  for (const line of text.split("\n")) {
    const now = cases.at(-1);
    if (line.startsWith("$ ")) {
      cases.push({ words: wordsOf(line.slice(2)), stdout: [], stderr: [], code: 0 });
    } else if (now && /^1\|/.test(line)) now.stdout.push(line.slice(3));
    else if (now && /^2\|/.test(line)) now.stderr.push(line.slice(3));
    else if (now && line.startsWith("= ")) now.code = Number(line.slice(2));
    else if (line.trim() !== "" && !line.startsWith("#")) throw new Error(`bad line: ${line}`);
  }
  return cases;
}

function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] as string);
  return words[0] === "openclaw" ? words.slice(1) : words;
}

/** Whether a printed line is the expected one; a trailing `…` matches anything. */
export function lineMatches(actual: string, expected: string): boolean {
  return expected.endsWith("…") ? actual.startsWith(expected.slice(0, -1)) : actual === expected;
}
