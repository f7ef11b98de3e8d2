/**
 * Questions to a person, through the controlling terminal: never stdin (that may be the data of a command),
 * never stdout. Without a terminal there is no question: `available` is false and callers refuse instead.
 */
import { showable } from "../../lib/text.ts";
import { platformName } from "../../platform/os.ts";

/** One answer a person may give. */
export interface Choice {
  /** The key or word that is typed. */
  readonly key: string;
  readonly label: string;
}

/** Asks a person. */
export interface Prompt {
  /** Whether someone can be asked. */
  readonly available: boolean;
  /** `y/N`; anything but y or yes is no. */
  confirm(question: string): Promise<boolean>;
  /** One of `choices`; asks again on anything else. `undefined` when the terminal went away or `signal` fired. */
  choose(
    lines: readonly string[],
    choices: readonly Choice[],
    signal?: AbortSignal,
  ): Promise<string | undefined>;
}

/** A prompt nobody can answer. */
export const noPrompt: Prompt = {
  available: false,
  confirm: () => Promise.resolve(false),
  choose: () => Promise.resolve(undefined),
};

const TERMINAL: readonly [read: string, write: string] = platformName() === "windows"
  ? ["CONIN$", "CONOUT$"]
  : ["/dev/tty", "/dev/tty"];

/** The prompt of the controlling terminal, opened only when a question is asked. */
export function terminalPrompt(): Prompt {
  let known: boolean | undefined;
  return {
    get available() {
      return known ??= canOpen();
    },
    async confirm(question) {
      const answer = await ask([], `${question} [y/N] `);
      return /^y(es)?$/i.test(answer ?? "");
    },
    async choose(lines, choices, signal) {
      const menu = choices.map((c) => `[${c.key}] ${c.label}`).join("  ");
      let shown = lines;
      while (!signal?.aborted) {
        const answer = (await ask(shown, `${menu}: `, signal))?.toLowerCase();
        if (answer === undefined) return undefined;
        const hit = choices.find((c) => c.key === answer || c.label.toLowerCase() === answer);
        if (hit) return hit.key;
        shown = [];
      }
      return undefined;
    },
  };
}

function canOpen(): boolean {
  try {
    Deno.openSync(TERMINAL[0], { read: true }).close();
    return true;
  } catch {
    return false; // No controlling terminal: a service, a pipe in CI.
  }
}

async function ask(
  lines: readonly string[],
  question: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  using writer = await Deno.open(TERMINAL[1], { write: true });
  const text = lines.map((line) => `${showable(line)}\n`).join("") + showable(question);
  await writer.write(new TextEncoder().encode(text));
  const reader = await Deno.open(TERMINAL[0], { read: true });
  const aborted = new Promise<undefined>((done) =>
    signal?.addEventListener("abort", () => done(undefined), { once: true })
  );
  try {
    return await Promise.race([readLine(reader), aborted]);
  } finally {
    reader.close();
  }
}

async function readLine(reader: Deno.FsFile): Promise<string | undefined> {
  const buffer = new Uint8Array(256);
  let text = "";
  const decoder = new TextDecoder();
  while (!text.includes("\n")) {
    const count = await reader.read(buffer);
    if (count === null) return undefined;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    if (text.length > 4096) return undefined;
  }
  return (text.split("\n")[0] as string).trim();
}
