/**
 * A machine made of data for the approvals tests: which files exist, which are executable, links of directories,
 * content for hashing. Nothing touches the real file system.
 */
import { sha256Hex } from "../../src/lib/bytes.ts";
import { parseApprovals } from "../../src/approvals/file/approvals_file.ts";
import type { DecideFacts, Verdict } from "../../src/approvals/decide.ts";
import { decide } from "../../src/approvals/decide.ts";
import type { ExecFacts, ExecPlatform, FileFact } from "../../src/approvals/facts.ts";
import { makePlan, type Plan, type PlanRequest } from "../../src/approvals/plan.ts";
import { effectivePolicy, type ExecConfig } from "../../src/approvals/policy.ts";

/** What exists. Values of `files` are content; names of `programs` are put into /usr/bin. */
export interface Machine {
  readonly platform?: ExecPlatform;
  readonly programs?: string;
  /** Executable files by absolute path. */
  readonly executables?: readonly string[];
  /** Plain files by absolute path, with content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly directories?: readonly string[];
  /** Linked directories: path → real path. */
  readonly links?: Readonly<Record<string, string>>;
  /** Linked programs: path → the file it is. */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly writableLinks?: readonly string[];
  readonly mutable?: readonly string[];
  readonly pathDirs?: readonly string[];
  readonly home?: string;
  readonly cwd?: string;
}

const BASE_PROGRAMS =
  "echo uname cat head tail wc cut tr uniq sort grep env nice nohup time timeout stdbuf sh bash zsh dash fish " +
  "touch id node python3 perl ruby awk sed find xargs git curl sudo flock busybox tar printf true false test ls";

/** Facts of a machine; later writes to `content` change what `hashFile` sees. */
export function fakeMachine(
  machine: Machine = {},
): ExecFacts & { readonly content: Map<string, string> } {
  const platform = machine.platform ?? "linux";
  const separator = platform === "windows" ? "\\" : "/";
  const executables = new Set([
    ...machine.executables ?? [],
    ...Object.keys(machine.aliases ?? {}),
  ]);
  if (platform !== "windows") {
    for (const name of `${BASE_PROGRAMS} ${machine.programs ?? ""}`.trim().split(/\s+/)) {
      executables.add(`/usr/bin/${name}`);
    }
  }
  const content = new Map(Object.entries(machine.files ?? {}));
  const directories = new Set([
    "/",
    "/usr/bin",
    "/bin",
    "/srv/app",
    "/home/u",
    "/tmp",
    ...machine.directories ?? [],
  ]);
  const links = { "/bin": "/usr/bin", ...machine.links };
  const real = (path: string): string => {
    for (const [from, to] of Object.entries(links)) {
      if (path === from || path.startsWith(from + separator)) {
        return real(to + path.slice(from.length));
      }
    }
    return path;
  };
  const parent = (path: string) => path.slice(0, Math.max(1, path.lastIndexOf(separator)));
  const file = (path: string): FileFact | undefined => {
    const target = real(path);
    const kind = executables.has(target) || content.has(target)
      ? "file"
      : directories.has(target)
      ? "directory"
      : undefined;
    if (kind === undefined) return undefined;
    return {
      kind,
      executable: executables.has(target),
      parentReal: real(parent(path)),
      ...(machine.aliases ? { real: machine.aliases[target] ?? target } : {}),
      isLink: Object.hasOwn(links, path),
      linkInWritableParent: (machine.writableLinks ?? []).some((link) =>
        path === link || path.startsWith(`${link}/`)
      ),
      mutable: (machine.mutable ?? []).includes(target),
      identity: `1:${target}`,
    };
  };
  return {
    platform,
    cwd: machine.cwd ?? "/srv/app",
    home: machine.home ?? "/home/u",
    homeReal: real(machine.home ?? "/home/u"),
    pathDirs: machine.pathDirs ?? ["/usr/bin", "/bin"],
    file,
    hashFile: async (path) => {
      const text = content.get(real(path)) ??
        (executables.has(real(path)) ? `program ${real(path)}` : undefined);
      return text === undefined ? undefined : await sha256Hex(text);
    },
    content,
  };
}

let ids = 0;
/** Ids for tests. */
export const newId = () => `id-${++ids}`;

/** A policy from allow patterns for `*`, security=allowlist and ask=off unless said. */
export function policyOf(
  patterns: readonly unknown[],
  settings: Record<string, unknown> = {},
  config: ExecConfig = {},
) {
  const text = JSON.stringify({
    version: 1,
    defaults: { security: "allowlist", ask: "off", ...settings },
    agents: { "*": { allowlist: patterns } },
  });
  return effectivePolicy({ approvals: parseApprovals(text, newId), config });
}

/** Inputs of {@linkcode judge}. */
export interface Case {
  readonly argv: readonly string[];
  readonly allow?: readonly unknown[];
  readonly machine?: Machine;
  readonly settings?: Record<string, unknown>;
  readonly config?: ExecConfig;
  readonly request?: Partial<PlanRequest>;
  readonly facts?: Partial<DecideFacts>;
}

/** Reads and judges a command on a fake machine. */
export async function judge(one: Case): Promise<{ plan: Plan; verdict: Verdict }> {
  const facts = fakeMachine(one.machine);
  const plan = await makePlan({ argv: one.argv, ...one.request }, facts);
  const policy = policyOf(one.allow ?? [], one.settings, one.config);
  return { plan, verdict: decide(plan, { policy, facts, ...one.facts }) };
}

/** Whether a command runs under these rules. */
export async function runs(one: Case): Promise<boolean> {
  return (await judge(one)).verdict.outcome === "run";
}

/** argv of shell text. */
export const sh = (script: string) => ["/bin/sh", "-c", script];
