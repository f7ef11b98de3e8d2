/**
 * The command line from argv to exit code: parse, help, version, run, errors. The only caller is `main.ts`;
 * tests call it with their own streams.
 */
import { isOpenclawError, messageOf, OpenclawError } from "../lib/errors.ts";
import { TREE } from "./commands/mod.ts";
import { helpLines } from "./grammar/help.ts";
import type { Env } from "./terminal/io.ts";
import {
  isUnwritable,
  Output,
  processStreams,
  ReaderGone,
  type Streams,
} from "./terminal/output.ts";
import { type Globals, parseCommandLine } from "./grammar/parse.ts";
import { helpHint } from "./grammar/values.ts";
import { type Prompt, terminalPrompt } from "./terminal/prompt.ts";
import { OWN_VERSION } from "../protocol/versions.ts";
import { loadPathLibrary, requireRuntime } from "./runtime.ts";

/** Failures, wrong usage, refusals of configuration: there is a next step. Denials and interruptions speak for themselves. */
const NEEDS_HINT: ReadonlySet<number> = new Set([1, 2, 78]);
/** Exit codes of this file (decisions.md 17); commands and errors bring their own. */
const EXIT = { ok: 0, failed: 1, refused: 78, readerGone: 141 };

/** What a run of the command line may use. */
export interface World {
  readonly env: Env;
  readonly streams: Streams;
  readonly prompt: Prompt;
  /** Awaited before a command is loaded. */
  readonly beforeCommand?: () => Promise<void>;
}

/** Runs one command line and returns the exit code. Never throws for an expected failure. */
export async function runCli(argv: readonly string[], env: Env): Promise<number> {
  const world = { env, streams: processStreams(), prompt: terminalPrompt() };
  return await runIn(argv, { ...world, beforeCommand: loadPathLibrary });
}

/** {@linkcode runCli} in a given world. */
export async function runIn(argv: readonly string[], world: World): Promise<number> {
  let out = new Output(world.streams, {
    json: wantsJson(argv),
    colour: colourWanted(world.env, argv.includes("--no-color")),
  });
  let page = "openclaw --help";
  try {
    const parsed = parseCommandLine(argv, TREE);
    if (parsed.kind === "run") page = helpHint(parsed.command);
    out = new Output(world.streams, {
      json: parsed.kind === "run" && parsed.values.json === true,
      colour: colourWanted(world.env, parsed.globals.noColor),
    });
    if (parsed.kind === "version") {
      out.text(`openclaw ${OWN_VERSION}`);
      return EXIT.ok;
    }
    if (parsed.kind === "help") {
      out.lines(helpLines(parsed.command, TREE));
      return EXIT.ok;
    }
    requireRuntime(Deno.version.deno);
    await world.beforeCommand?.();
    const env = await withSecrets(withGlobals(world.env, parsed.globals));
    const io = { out, prompt: world.prompt, env, words: argv };
    const run = parsed.command.run as NonNullable<typeof parsed.command.run>;
    return (await run(parsed.values as Parameters<typeof run>[0], io)) ?? EXIT.ok;
  } catch (error) {
    const code = report(withHint(error, page), out, world.env);
    if (code === EXIT.refused) await staysDown(world.env);
    return code;
  }
}

/** A refused service is not started again (F30). */
async function staysDown(env: Env): Promise<void> {
  if (!env.OPENCLAW_SERVICE_KIND) return;
  const scene = await import("./actions/services/scene.ts");
  await scene.staysDown(env);
}

/** An installed service finds its secrets in a file; everything else loads nothing for this. */
async function withSecrets(env: Env): Promise<Env> {
  if (!env.OPENCLAW_SERVICE_KIND) return env;
  const { withServiceSecrets } = await import("../config/service_env.ts");
  return await withServiceSecrets(env);
}

/** An error that knows no better next step leads to the help page of its command. */
function withHint(error: unknown, page: string): unknown {
  if (!isOpenclawError(error) || error.hint !== undefined || !NEEDS_HINT.has(error.exitCode)) {
    return error;
  }
  const { code, message, exitCode, retryable, details } = error;
  return new OpenclawError(code, message, {
    cause: error,
    hint: page,
    exitCode,
    retryable,
    ...(details === undefined ? {} : { details }),
  });
}

function report(error: unknown, out: Output, env: Env): number {
  if (error instanceof ReaderGone) return EXIT.readerGone;
  const expected = isOpenclawError(error);
  try {
    out.failure(
      expected ? error : new Error(`Unexpected failure: ${messageOf(error)}`, { cause: error }),
    );
    if (env.OPENCLAW_DEBUG === "1" && error instanceof Error) {
      for (const line of error.stack?.split("\n") ?? []) out.note(line);
    } else if (!expected) out.note("hint: OPENCLAW_DEBUG=1 shows where it happened");
  } catch (nested) {
    if (!isUnwritable(nested)) throw nested;
  }
  return expected ? error.exitCode : EXIT.failed;
}

/** Before the command is known: `--json` anywhere before `--` asks for JSON errors. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
}

/** `NO_COLOR` and `--no-color` win; `FORCE_COLOR` colours what goes to a file, too; a dumb terminal shows none. */
function colourWanted(env: Env, noColor: boolean): boolean | "always" {
  if (noColor || env.NO_COLOR) return false;
  if (!/^(?:|0|false)$/i.test(env.FORCE_COLOR ?? "")) return "always";
  return env.TERM !== "dumb";
}

/** `--profile` and `--dev` act as their environment variables do. */
function withGlobals(env: Env, globals: Globals): Env {
  if (globals.dev) {
    return { OPENCLAW_GATEWAY_PORT: "19001", ...env, OPENCLAW_PROFILE: globals.profile ?? "dev" };
  }
  return globals.profile === undefined ? env : { ...env, OPENCLAW_PROFILE: globals.profile };
}
