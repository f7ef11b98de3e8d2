/**
 * What a command may use of the world: output, prompt, environment. Handed to `run`; tests build their own.
 */
import type { Output } from "./output.ts";
import type { Prompt } from "./prompt.ts";

/** The environment as read once at start; the global flags are already merged in. */
export type Env = Readonly<Record<string, string>>;

/** The world of a command. */
export interface Io {
  readonly out: Output;
  readonly prompt: Prompt;
  readonly env: Env;
  /** The command line as it was typed, without the program. Holds secrets: shown through `grammar/same_line.ts` only. */
  readonly words: readonly string[];
}
