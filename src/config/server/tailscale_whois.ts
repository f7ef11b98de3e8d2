/**
 * Asks the local tailscale daemon who owns a tailnet address. The answer is what proves a Tailscale Serve identity;
 * the header alone proves nothing (N09). Bounded: 5 s per question, one question per address at a time, answers kept
 * 60 s, failures 5 s. Source: config-and-credentials.md 9.
 */
import { isObject, jsonValue } from "../../lib/objects.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { inIpRange, parseIp, parseIpRange, renderIp } from "../../lib/ip.ts";
import { runProgram } from "../../platform/process/start.ts";
import { DEFAULT_PATH } from "../../platform/os.ts";

import type { Env } from "../env.ts";

/** Login of the owner of an address; `undefined` when the daemon cannot say. Never rejects. */
export type Whois = (address: string) => Promise<string | undefined>;

/** Options of {@linkcode createWhois}. */
export interface WhoisOptions {
  readonly env: Env;
  readonly clock?: Clock;
  /** Program to ask, or how to find it. Default `tailscale` on PATH. */
  readonly program?: string | (() => Promise<string>);
}

const TIMEOUT_MS = 5_000;
const KEEP_MS = 60_000;
const KEEP_FAILURE_MS = 5_000;
/** Addresses remembered at most; the oldest is forgotten first. */
const MAX_KEPT = 1_000;

/** A whois with its own cache. */
export function createWhois(options: WhoisOptions): Whois {
  const clock = options.clock ?? systemClock;
  const kept = new Map<string, { readonly login: string | undefined; readonly untilMs: number }>();
  const running = new Map<string, Promise<string | undefined>>();

  const ask = async (address: string) => {
    const login = await askDaemon(address, options);
    const keepMs = login === undefined ? KEEP_FAILURE_MS : KEEP_MS;
    kept.delete(address);
    kept.set(address, { login, untilMs: clock.monotonic() + keepMs });
    const [oldest] = kept.keys();
    if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    return login;
  };

  return async (address) => {
    const bytes = parseIp(address);
    if (!bytes) return undefined; // nothing but an address reaches the command line
    const key = renderIp(bytes);
    const known = kept.get(key);
    if (known && clock.monotonic() < known.untilMs) return known.login;
    const pending = running.get(key) ?? ask(key).finally(() => running.delete(key));
    running.set(key, pending);
    return await pending;
  };
}

async function askDaemon(address: string, options: WhoisOptions): Promise<string | undefined> {
  const { env, program = "tailscale" } = options;
  try {
    const result = await runProgram({
      file: typeof program === "string" ? program : await program(),
      args: ["whois", "--json", address],
      env: { PATH: env.PATH ?? DEFAULT_PATH, HOME: env.HOME ?? "/" },
      timeoutMs: TIMEOUT_MS,
      maxOutputBytes: 256 * 1024,
    });
    return result.exitCode === 0 ? loginOf(jsonValue(result.stdout), address) : undefined;
  } catch {
    return undefined; // not installed, cut off: each means that nobody vouches for the address
  }
}

/** A tagged device has no person behind it, and an answer about another node says nothing about this one. */
function loginOf(answer: unknown, address: string): string | undefined {
  if (!isAbout(answer, address)) return undefined;
  const profile = isObject(answer) ? answer.UserProfile : undefined;
  const login = isObject(profile) ? profile.LoginName : undefined;
  return typeof login === "string" && login !== "" && login !== "tagged-devices"
    ? login
    : undefined;
}

/** Whether the node of the answer has the address, when it lists any. */
function isAbout(answer: unknown, address: string): boolean {
  const node = isObject(answer) ? answer.Node : undefined;
  const listed = isObject(node) ? node.Addresses : undefined;
  if (!Array.isArray(listed) || listed.length === 0) return true;
  const asked = parseIp(address);
  return asked !== undefined && listed.some((text) => {
    const range = typeof text === "string" ? parseIpRange(text) : undefined;
    return range !== undefined && inIpRange(asked, range);
  });
}
