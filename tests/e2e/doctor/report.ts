/**
 * Runs the doctor on an injected fault and looks at its report. Used by the tables of faults beside this file.
 */
import { assert, assertEquals } from "@std/assert";
import { startGateway } from "../../../src/gateway/server.ts";
import { systemClock } from "../../../src/lib/clock.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { cli } from "../../cli/support.ts";
import { type TempState, tempState } from "../../config/temp_state.ts";
import { run, TempHome } from "../program.ts";

export const TOKEN = "tok-synthetic-doctor-0123456789abcdef";
/** Longest diagnosis, milliseconds. */
export const MAX_MS = 3_000;

/** One thing that can be wrong. */
export interface Fault {
  readonly title: string;
  /** What the doctor must say. */
  readonly code: string;
  /** Why it cannot be injected on this machine; asked before. */
  readonly notHere?: () => string | undefined;
  /** Breaks something and looks. */
  inject(): Promise<unknown>;
}

/** What `doctor --json` prints. */
export interface Report {
  readonly ok: boolean;
  readonly tookMs: number;
  readonly hops: readonly { hop: string; state: string }[];
  readonly finding: {
    code: string;
    hop: string;
    cause: string;
    message: string;
    end: string;
    command?: string;
  } | null;
  readonly notes: readonly string[];
  readonly fixed: readonly string[];
}

/** Environment of a command line. */
export type Environment = TempState["env"];

/** Runs the doctor in this process. */
export async function examine(env: Environment, args: readonly string[] = []): Promise<Report> {
  return read(await cli(["doctor", "--json", ...args], { env: env as Record<string, string> }));
}

/** Runs the doctor as a process of its own, for faults of the whole process. */
export async function examineProcess(
  env: Record<string, string>,
  args: readonly string[] = [],
): Promise<Report> {
  return read(await run(["doctor", "--json", ...args], { env }));
}

/** A diagnosis came too late; on a busy machine a second look tells whether it always does. */
export class TooSlow extends Error {}

/** The report on a finished command line; fails when exit code and report differ. */
export function read(done: { code: number; stdout: string; stderr: string }): Report {
  assert(done.stdout.startsWith("{"), done.stderr);
  const report: Report = JSON.parse(done.stdout);
  assertEquals(done.code, report.ok ? 0 : 1, done.stderr);
  return report;
}

/** Checks a report: this code, one broken hop, a cause, and no secret. @throws {TooSlow} */
export function checkFinding(report: Report, code: string): Report {
  assertEquals(report.finding?.code, code, JSON.stringify(report.finding));
  assert(report.finding?.cause, "no cause");
  assert(
    !/<(observed|wss-url|host|url)>/.test(report.finding.command ?? ""),
    report.finding.command,
  );
  const broken = report.hops.filter(({ state }) => state === "broken");
  assertEquals(broken.map(({ hop }) => hop), [report.finding?.hop]);
  for (const text of [TOKEN, "wrong-secret"]) assert(!JSON.stringify(report).includes(text));
  if (report.tookMs >= MAX_MS) throw new TooSlow(`${code}: took ${report.tookMs} ms`);
  return report;
}

/** Injects nothing more and expects this code. */
export async function expectCode(
  code: string,
  env: Environment,
  args: readonly string[] = [],
): Promise<Report> {
  return checkFinding(await examine(env, args), code);
}

/** A client of a remote gateway. */
export const remote = (url: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ gateway: { mode: "remote", remote: { url, token: TOKEN, ...more } } });

/** A state directory with this configuration. */
export async function withClient(
  config: string,
  use: (state: TempState) => Promise<unknown>,
  env = {},
): Promise<void> {
  await using state = await tempState(env, config);
  await use(state);
}

/** A gateway in this process, on a free port. */
export async function gatewayAt(state: TempState, flags = {}, skewMs = 0) {
  const clock = Object.create(systemClock, { now: { value: () => Date.now() + skewMs } });
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    clock,
    flags: { port: 0, bind: "loopback", token: new Secret(TOKEN), ...flags },
  });
  return Object.assign(gateway, {
    [Symbol.asyncDispose]: () => gateway.stop({ drainMs: 0 }),
  });
}

/** A client in a process of its own, with what only a process can have. */
export async function withProcess(
  config: string,
  use: (home: TempHome, env: Record<string, string>) => Promise<unknown>,
): Promise<void> {
  await using home = await TempHome.make();
  const env = home.env("client");
  await Deno.mkdir(env.OPENCLAW_STATE_DIR as string, { mode: 0o700 });
  await Deno.writeTextFile(`${env.OPENCLAW_STATE_DIR}/openclaw.json`, config, { mode: 0o600 });
  await use(home, env);
}
