/** A command line on a pseudo terminal, and a person who types. Linux (`script` of util-linux). */
import { command } from "./program.ts";

/** A program with a terminal of its own. */
export class Terminal implements AsyncDisposable {
  #text = "";
  #wake = () => {};
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  readonly status: Promise<Deno.CommandStatus>;

  constructor(args: readonly string[], env: Record<string, string>) {
    const { file, args: all } = command(args);
    this.#child = new Deno.Command("script", {
      args: ["-qefc", [file, ...all].join(" "), "/dev/null"],
      env,
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.status = this.#child.status;
    this.#reading = this.#read();
  }

  /** Everything on the screen so far. */
  get text(): string {
    return this.#text;
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#text += chunk;
      this.#wake();
    }
    this.#wake();
  }

  /** Waits until the screen shows something that matches. */
  async until(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpMatchArray> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`not shown in ${timeoutMs} ms: ${pattern}\n${this.#text}`)),
      timeoutMs,
    );
    try {
      for (;;) {
        const match = this.#text.match(pattern);
        if (match) return match;
        const shown = new Promise<void>((resolve) => this.#wake = resolve);
        await Promise.race([shown, late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Types keys; `\n` is Enter, `\x03` Ctrl-C. */
  async type(keys: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(keys));
  }

  /** Waits for its own end; the exit code is the program's. */
  async ended(): Promise<number> {
    const { code } = await this.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.ended();
    await this.#writer.close().catch(() => {/* the terminal is gone */});
  }
}
