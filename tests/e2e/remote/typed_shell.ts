/** A shell in a network namespace that commands are typed into, as a person does: output is read, not exit codes. */
import { assert } from "@std/assert";

const decoder = new TextDecoder();

export class TypedShell {
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  readonly #wake = new Set<() => void>();
  #text = "";
  /** Where the output of the last command begins. */
  #from = 0;
  #count = 0;
  /** The last command. */
  typed = "";

  constructor(netns: string, env: Record<string, string>) {
    this.#child = new Deno.Command("ip", {
      args: ["netns", "exec", netns, "/bin/bash", "--norc", "--noprofile"],
      env,
      clearEnv: true,
      detached: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.#reading = this.#read();
    void this.#stdin.write(new TextEncoder().encode("exec 2>&1\n"));
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#child.stdout) {
      this.#text += decoder.decode(chunk);
      for (const wake of [...this.#wake]) wake();
    }
  }

  /** Everything it has shown. */
  get said(): string {
    return this.#text;
  }

  /** What the last command has printed, once it has ended. */
  get answer(): string {
    return this.#text.slice(this.#from).replace(/\n?<<done \d+>>[\s\S]*$/, "");
  }

  /** Types a command; its end leaves a mark in the output. */
  type(line: string): void {
    this.typed = line;
    this.#from = this.#text.length;
    this.#count++;
    const text = `${line}\nprintf '\\n<<done ${this.#count}>>\\n'\n`;
    void this.#stdin.write(new TextEncoder().encode(text));
  }

  /** Whether the last command has ended; waits a little for that. */
  async isFree(timeoutMs: number): Promise<boolean> {
    if (this.#count === 0) return true;
    return await this.until(new RegExp(`<<done ${this.#count}>>`), timeoutMs).then(
      () => true,
      () => false,
    );
  }

  /** Waits for a match in what the last command prints. */
  async until(
    pattern: RegExp,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<RegExpMatchArray> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const match = this.#text.slice(this.#from).match(pattern);
      if (match) return match;
      signal?.throwIfAborted();
      const leftMs = endMs - performance.now();
      assert(
        leftMs > 0,
        `"${this.typed}" did not say ${pattern}:\n${this.#text.slice(this.#from)}`,
      );
      let wake = () => {};
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        this.#wake.add(wake);
        signal?.addEventListener("abort", wake, { once: true });
        timer = setTimeout(resolve, leftMs);
      });
      clearTimeout(timer);
      this.#wake.delete(wake);
      signal?.removeEventListener("abort", wake);
    }
  }

  /** Ends the shell and everything typed into it. */
  async end(): Promise<void> {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      try {
        Deno.kill(-this.#child.pid, signal);
      } catch {
        break; // Nobody is left in its group.
      }
      await new Promise((resolve) => setTimeout(resolve, signal === "SIGTERM" ? 500 : 0));
    }
    await this.#child.status;
    await this.#stdin.close().catch(() => {/* its end is gone */});
    await this.#reading;
  }
}
