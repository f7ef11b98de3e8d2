/** Starts real runners for tests and runs small jobs in them. */
import { silentLogger } from "../../../src/lib/log.ts";
import { DEFAULT_PATH } from "../../../src/platform/os.ts";
import { RunnerLink, type SelfCommand } from "../../../src/node/runner/link.ts";
import type { ItemSpec, JobEnd, JobSpec, StageSpec } from "../../../src/node/runner/frames.ts";

export const runnerCommand: SelfCommand = {
  file: Deno.execPath(),
  args: ["run", "-A", "--no-check", import.meta.resolve("./runner_main.ts")],
};

export function newLink(more: { idleMs?: number; env?: Record<string, string> } = {}): RunnerLink {
  const env = { ...Deno.env.toObject(), ...more.env };
  return new RunnerLink({ command: runnerCommand, log: silentLogger, ...more, env });
}

export async function withRunner(run: (link: RunnerLink) => Promise<void>): Promise<void> {
  const link = newLink();
  try {
    await run(link);
  } finally {
    await link.close();
  }
}

export function stage(file: string, ...args: string[]): StageSpec {
  const stdio = { stdin: "inherit", stdout: "out", stderr: "err" } as const;
  return { file, argv0: file, args, cwd: "/tmp", stdio };
}

export const sh = (script: string): StageSpec => stage("/bin/sh", "-c", script);

export function item(when: ItemSpec["when"], ...stages: StageSpec[]): ItemSpec {
  return { when, stages };
}

export function job(items: ItemSpec[], more: Partial<JobSpec> = {}): JobSpec {
  return { items, env: { PATH: DEFAULT_PATH }, stdin: false, credit: 1e9, ...more };
}

export async function runJob(
  link: RunnerLink,
  spec: JobSpec,
): Promise<JobEnd & { out: string; err: string }> {
  const text = { out: "", err: "" };
  const running = link.run(spec, {
    onOutput: (stream, bytes) => text[stream] += new TextDecoder().decode(bytes),
  });
  return { ...await running.ended, ...text };
}

/** Whether a process exists and is not a zombie. */
export function alive(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.[0] !== "Z";
  } catch {
    return false;
  }
}

/** Waits until `test` holds, at most `timeoutMs`. */
export async function until(test: () => boolean, what: string, timeoutMs = 5000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!test()) {
    if (performance.now() > end) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
