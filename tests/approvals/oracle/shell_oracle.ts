/**
 * The oracle of goal G3: random lines are judged, and those we allow are given to a real shell under an exec tracer.
 * Every program the shell starts must be one that the plan starts, with the same words; anything else is a violation.
 */
import { decide } from "../../../src/approvals/decide.ts";
import { makePlan, type Plan } from "../../../src/approvals/plan.ts";
import { lstatOrMissing } from "../../../src/platform/file_safety.ts";
import { policyOf } from "../fake_machine.ts";
import { realFacts } from "./real_facts.ts";
import { FORBIDDEN, HARMLESS, randomFrom, randomLine } from "./shell_lines.ts";

/** What one run of the oracle found. */
export interface OracleReport {
  readonly lines: number;
  readonly allowed: number;
  readonly execs: number;
  readonly violations: readonly string[];
}

/** Inputs of {@linkcode runOracle}. */
export interface OracleOptions {
  readonly lines: number;
  readonly seed: number;
  readonly shell: "sh" | "bash";
}

const WRAPPERS = ["env", "nice", "timeout", "nohup", "stdbuf"];
const BATCH = 500;

/** Whether this machine has the tracer and the shell. */
export async function oracleTools(shell: string): Promise<string | undefined> {
  for (const tool of ["strace", "xargs", shell, ...WRAPPERS]) {
    const found = await new Deno.Command("sh", {
      args: ["-c", `command -v ${tool}`],
      stdout: "null",
    }).output();
    if (!found.success) return tool;
  }
  return undefined;
}

/** Judges `lines` random lines and traces the allowed ones. */
export async function runOracle({ lines, seed, shell }: OracleOptions): Promise<OracleReport> {
  const base = await Deno.makeTempDir({ prefix: "oracle-" });
  try {
    const bin = await scratch(base);
    const facts = realFacts([bin, "/usr/bin"], `${base}/s`);
    const policy = policyOf([...HARMLESS.map((name) => `${bin}/${name}`)]);
    const random = randomFrom(seed);
    const found = { allowed: 0, execs: 0, violations: [] as string[] };
    let batch: { line: string; plan: Plan }[] = [];
    for (let i = 0; i < lines; i++) {
      const line = randomLine(random);
      const plan = await makePlan({ argv: [shell, "-c", line] }, facts);
      if (decide(plan, { policy, facts }).outcome === "run") batch.push({ line, plan });
      if (batch.length < BATCH && i < lines - 1) continue;
      found.allowed += batch.length;
      const traced = await trace(batch, { base, bin, shell });
      found.execs += traced.execs;
      found.violations.push(...traced.violations);
      batch = [];
    }
    for (const name of ["X", "s/X", "s/sub/X"]) {
      if (await lstatOrMissing(`${base}/${name}`)) {
        found.violations.push(`the canary ${name} exists`);
      }
    }
    return { lines, ...found };
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

/** `bin` holds harmless programs under names no shell knows, and a `touch` that must never run. */
export async function scratch(base: string): Promise<string> {
  const bin = `${base}/s/bin`;
  await Deno.mkdir(`${base}/s/sub`, { recursive: true });
  await Deno.mkdir(bin, { recursive: true });
  const sources: Record<string, string> = {
    aa: "true",
    bb: "echo",
    cc: "false",
    dd: "cat",
    [FORBIDDEN]: "touch",
  };
  for (const [name, source] of Object.entries(sources)) {
    await Deno.copyFile(`/usr/bin/${source}`, `${bin}/${name}`);
  }
  return await Deno.realPath(bin);
}

interface Place {
  readonly base: string;
  readonly bin: string;
  readonly shell: string;
}

async function trace(batch: readonly { line: string; plan: Plan }[], place: Place) {
  const { base, bin, shell } = place;
  if (batch.length === 0) return { execs: 0, violations: [] };
  await Deno.writeTextFile(`${base}/items`, batch.map((one) => `${one.line}\0`).join(""));
  const strace = new Deno.Command("strace", {
    args: [
      "-f",
      "-qq",
      "-e",
      "trace=execve",
      "-e",
      "signal=none",
      "-s",
      "65536",
      "-o",
      `${base}/log`,
      "xargs",
      "-0",
      "-n",
      "1",
      "-a",
      `${base}/items`,
      shell,
      "-c",
    ],
    cwd: `${base}/s`,
    clearEnv: true,
    env: { PATH: `${bin}:/usr/bin`, LC_ALL: "C.UTF-8" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  await strace.output();
  return compare(batch, readTrace(await Deno.readTextFile(`${base}/log`)), place);
}

interface Exec {
  readonly file: string;
  readonly argv: readonly string[];
}

/** Successful execs of a trace, in order. */
function readTrace(log: string): Exec[] {
  const execs: Exec[] = [];
  const open = new Map<string, string>();
  for (const line of log.split("\n")) {
    const pid = /^\d+/.exec(line)?.[0] ?? "";
    let text = line;
    if (line.includes("<unfinished ...>")) {
      open.set(pid, line.replace(/ *<unfinished \.\.\.>.*/, ""));
      continue;
    }
    if (line.includes("execve resumed>")) {
      text = (open.get(pid) ?? "") + line.replace(/^.*execve resumed>/, "");
    }
    const match = /execve\("((?:[^"\\]|\\.)*)", \[(.*)\], 0x[0-9a-f]+ .*\) += 0$/.exec(text);
    if (!match) continue;
    const argv = [...(match[2] ?? "").matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((one) =>
      unescape(one[1] ?? "")
    );
    execs.push({ file: unescape(match[1] ?? ""), argv });
  }
  return execs;
}

/** strace writes bytes: octal, and the usual letters. */
function unescape(text: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "\\") {
      bytes.push(...new TextEncoder().encode(text[i]));
      continue;
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(i + 1))?.[0];
    if (octal !== undefined) {
      bytes.push(parseInt(octal, 8));
      i += octal.length;
    } else {
      const letter = text.charAt(++i);
      bytes.push(
        ...new TextEncoder().encode(
          ({ n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" } as Record<string, string>)[letter] ??
            letter,
        ),
      );
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Splits the trace at the shells that xargs started and compares each part with its plan. */
function compare(
  batch: readonly { line: string; plan: Plan }[],
  execs: readonly Exec[],
  { bin, shell }: Place,
) {
  const violations: string[] = [];
  let at = -1;
  let count = 0;
  for (const { file, argv } of execs.slice(1)) {
    const next = batch[at + 1];
    if (
      next && argv.length === 3 && argv[0] === shell && argv[1] === "-c" && argv[2] === next.line
    ) {
      at++;
      continue;
    }
    count++;
    const plan = batch[at]?.plan;
    const seen = normal([file, ...argv.slice(1)], bin);
    if (!plan || !planned(plan, bin).has(seen)) {
      violations.push(`${JSON.stringify(batch[at]?.line)} started ${seen}`);
    }
  }
  if (at !== batch.length - 1) {
    violations.push(`the trace has ${at + 1} shells for ${batch.length} lines`);
  }
  return { execs: count, violations };
}

/** Words with the paths of known programs cut to their names, because a wrapper looks its command up itself. */
function normal(words: readonly string[], bin: string): string {
  const known = new Map(
    [
      ...[...HARMLESS, FORBIDDEN].map((name) => [`${bin}/${name}`, name]),
      ...WRAPPERS.map((name) => [`/usr/bin/${name}`, name]),
    ] as [string, string][],
  );
  return JSON.stringify(words.map((word) => known.get(word) ?? word));
}

/** Every exec that the plan stands for: each stage, and the commands behind its wrappers. */
function planned(plan: Plan, bin: string): Set<string> {
  const out = new Set<string>();
  for (const segment of plan.segments) {
    const names = [
      ...WRAPPERS.map((name) => `/usr/bin/${name}`),
      ...HARMLESS.map((name) => `${bin}/${name}`),
    ];
    segment.execWords.forEach((word, i) => {
      if (names.includes(word)) out.add(normal(segment.execWords.slice(i), bin));
    });
  }
  return out;
}
