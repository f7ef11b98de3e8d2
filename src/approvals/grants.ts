/**
 * Grants with a clock: an approver's "yes" for N runs, T minutes, one directory, some arguments or one requester.
 * Owns their shape, text form, matching and spending. They live in a file of their own, so that peers who do not know
 * them never see them. Time is handed in. Source: decisions.md 19; issue "Grants with a clock" (ours).
 */
import type { ExecFacts } from "./facts.ts";
import { globMatches, pathPatternMatches, patternKind } from "./matching/pattern.ts";
import { isObject, jsonValue } from "../lib/objects.ts";

/** One grant. A member that is absent does not limit; at least one of `expiresAtMs` and `runsLeft` is always there. */
export interface Grant {
  readonly id: string;
  readonly createdAtMs: number;
  /** Who gave it, for people. */
  readonly grantedBy?: string;
  /** Path pattern of the program, or `=argv:<hex>` for one exact command. */
  readonly pattern: string;
  /** One glob per argument; a last `**` stands for any further arguments. Absent = any arguments. */
  readonly args?: readonly string[];
  /** The command's directory must be this one or lie below it. */
  readonly directory?: string;
  /** Device id of the only requester it counts for, or `owner` for the gateway's owner without a device. */
  readonly requester?: string;
  readonly agentId?: string;
  /** Wall-clock end, milliseconds. */
  readonly expiresAtMs?: number;
  readonly runsLeft?: number;
}

/** Longest life of a grant: a day. */
export const MAX_GRANT_MS = 24 * 60 * 60 * 1000;
/** Most runs of a grant. */
export const MAX_GRANT_RUNS = 1000;

/** What a matching command looks like. */
export interface GrantQuestion {
  readonly paths: readonly string[];
  readonly args: readonly string[];
  readonly cwd: string;
  readonly agentId: string;
  readonly requester: string | undefined;
  readonly nowMs: number;
}

/** What is asked for; who keeps it gives it an id, a start and an end. */
export type GrantWish =
  & Pick<Grant, "pattern" | "args" | "directory" | "requester" | "agentId" | "grantedBy">
  & { readonly runs?: number; readonly minutes?: number };

/** Makes a grant; a text says what is wrong with the wish. */
export function newGrant(wish: GrantWish & Pick<Grant, "id" | "createdAtMs">): Grant | string {
  const { runs, minutes, ...grant } = wish;
  if (runs === undefined && minutes === undefined) {
    return "A grant needs a number of runs or of minutes";
  }
  if (runs !== undefined && (!Number.isInteger(runs) || runs < 1 || runs > MAX_GRANT_RUNS)) {
    return `A grant has 1 to ${MAX_GRANT_RUNS} runs, not ${runs}`;
  }
  const lifeMs = minutes === undefined ? MAX_GRANT_MS : minutes * 60_000;
  if (!(lifeMs > 0 && lifeMs <= MAX_GRANT_MS)) {
    return `A grant lives up to ${MAX_GRANT_MS / 60_000} minutes, not ${minutes}`;
  }
  const kind = patternKind(grant.pattern);
  if (kind !== "path" && kind !== "exact-argv") {
    return `A grant names a program by its path, not "${grant.pattern}"`;
  }
  return {
    ...grant,
    expiresAtMs: grant.createdAtMs + lifeMs,
    ...(runs === undefined ? {} : { runsLeft: runs }),
  };
}

/** Whether a grant is still good at `nowMs`. A clock set back before its creation ends it too (F19). */
export function isLive(grant: Grant, nowMs: number): boolean {
  return (grant.runsLeft ?? 1) > 0 &&
    (grant.expiresAtMs === undefined || nowMs < grant.expiresAtMs) &&
    nowMs >= grant.createdAtMs - 60_000;
}

type Limits = Pick<GrantQuestion, "cwd" | "agentId" | "requester" | "nowMs">;

/** The limit that keeps a grant from counting; `undefined` when all fit. */
function limitMiss(grant: Grant, asked: Limits): string | undefined {
  const { agentId, requester, directory } = grant;
  if (!isLive(grant, asked.nowMs)) return "is over";
  if (agentId !== undefined && agentId !== asked.agentId) return `is for agent "${agentId}" only`;
  if (requester !== undefined && requester !== asked.requester) {
    const who = asked.requester === undefined ? "nobody is named" : `"${asked.requester}" asks`;
    return `is for the requester "${requester}" only, and ${who} here`;
  }
  if (directory !== undefined && !isBelow(asked.cwd, directory)) {
    return `is for the directory "${directory}" only`;
  }
  return undefined;
}

function limitsFit(grant: Grant, asked: Limits): boolean {
  return limitMiss(grant, asked) === undefined;
}

/** Why a grant that names this command does not cover it; `undefined` when it covers it or names another. */
export function grantMiss(
  grant: Grant,
  asked: GrantQuestion & { readonly digest: string },
  facts: Pick<ExecFacts, "platform" | "home" | "homeReal">,
): string | undefined {
  if (grant.pattern === `=argv:${asked.digest}`) return limitMiss(grant, asked);
  if (patternKind(grant.pattern) !== "path") return undefined;
  if (!pathPatternMatches(grant.pattern, asked.paths, facts)) return undefined;
  return limitMiss(grant, asked) ??
    (argumentsFit(grant.args, asked.args)
      ? undefined
      : `only with the arguments "${grant.args?.join(" ")}"`);
}

function isBelow(path: string, directory: string): boolean {
  const base = directory.replace(/[/\\]+$/, "");
  return path === directory || path === base || path.startsWith(`${base}/`) ||
    path.startsWith(`${base}\\`);
}

/** Whether a grant covers one program with these arguments. */
export function grantCovers(
  grant: Grant,
  asked: GrantQuestion,
  facts: Pick<ExecFacts, "platform" | "home" | "homeReal">,
): boolean {
  return patternKind(grant.pattern) === "path" && limitsFit(grant, asked) &&
    pathPatternMatches(grant.pattern, asked.paths, facts) && argumentsFit(grant.args, asked.args);
}

/** Whether a grant covers exactly the command with this `=argv:` digest. */
export function grantCoversExactly(
  grant: Grant,
  digest: string,
  asked: Pick<GrantQuestion, "cwd" | "agentId" | "requester" | "nowMs">,
): boolean {
  return grant.pattern === `=argv:${digest}` && limitsFit(grant, asked);
}

function argumentsFit(globs: readonly string[] | undefined, args: readonly string[]): boolean {
  if (globs === undefined) return true;
  const open = globs.at(-1) === "**";
  const fixed = open ? globs.slice(0, -1) : globs;
  if (open ? args.length < fixed.length : args.length !== fixed.length) return false;
  return fixed.every((glob, i) => globMatches(glob, args[i] ?? ""));
}

/** The grants after one run used `ids`: each loses one run, ended ones are gone. */
export function spendGrants(
  grants: readonly Grant[],
  ids: readonly string[],
  nowMs: number,
): Grant[] {
  const spent = grants.map((grant) =>
    ids.includes(grant.id) && grant.runsLeft !== undefined
      ? { ...grant, runsLeft: grant.runsLeft - 1 }
      : grant
  );
  return spent.filter((grant) => isLive(grant, nowMs));
}

/** One line for a person. */
export function grantText(grant: Grant, nowMs: number): string {
  const minutes = grant.expiresAtMs === undefined
    ? undefined
    : Math.max(0, Math.ceil((grant.expiresAtMs - nowMs) / 60_000));
  return [
    grant.pattern,
    ...(grant.args ? [`arguments ${grant.args.join(" ")}`] : []),
    ...(grant.directory === undefined ? [] : [`in ${grant.directory}`]),
    ...(grant.requester === undefined ? [] : [`for ${grant.requester}`]),
    ...(grant.runsLeft === undefined ? [] : [`${grant.runsLeft} runs left`]),
    ...(minutes === undefined ? [] : [`${minutes} min left`]),
  ].join(", ");
}

/** Reads exec-grants.json. Text that does not parse, and entries with anything odd, give no grant: fail closed. */
export function parseGrants(text: string | undefined): Grant[] {
  if (text === undefined) return [];
  const file = jsonValue(text) as { version?: unknown; grants?: unknown } | null | undefined;
  return file?.version === 1 && Array.isArray(file.grants) ? file.grants.filter(isGrant) : [];
}

const SHAPE: Readonly<Record<keyof Grant, (value: unknown) => boolean>> = {
  id: isText,
  createdAtMs: Number.isFinite,
  pattern: isText,
  grantedBy: isOptionalText,
  args: (value) =>
    value === undefined || (Array.isArray(value) && value.every((one) => typeof one === "string")),
  directory: isOptionalText,
  requester: isOptionalText,
  agentId: isOptionalText,
  expiresAtMs: (value) => value === undefined || Number.isFinite(value),
  runsLeft: (value) => value === undefined || Number.isInteger(value),
};

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || isText(value);
}

function isGrant(value: unknown): value is Grant {
  return isObject(value) && Object.keys(value).every((key) => Object.hasOwn(SHAPE, key)) &&
    Object.entries(SHAPE).every(([key, fits]) => fits(value[key])) &&
    (value["expiresAtMs"] !== undefined || value["runsLeft"] !== undefined);
}

/** Text of exec-grants.json. */
export function renderGrants(grants: readonly Grant[]): string {
  return JSON.stringify({ version: 1, grants }, null, 2) + "\n";
}
