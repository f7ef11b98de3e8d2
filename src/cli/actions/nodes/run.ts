/**
 * `nodes run`: one command on one node, as close to running it here as a wire allows. Chooses the node, lets the
 * node prepare a plan, runs it with live output, asks for an approval when the node's policy wants one.
 */
import { OpenclawError } from "../../../lib/errors.ts";
import { CAPABILITY_INVOKE_OUTPUT } from "../../../protocol/hello.ts";
import { type Gateway, withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import { writeStream } from "../../terminal/output.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { invokeAnswer, type NodeEntry, readAnswer } from "../../shapes.ts";
import { chooseNode } from "./calls.ts";
import { askApproval, decisionOf, type Granted } from "./approval.ts";
import {
  exitCodeOf,
  isNotFound,
  needsApproval,
  programNotFound,
  RUN_EXIT,
  runFailure,
  type RunResult,
  runResultSchema,
  troubleOf,
} from "./result.ts";
import {
  agentOf,
  decidedLine,
  type Prepared,
  readEnv,
  reasonOf,
  referencePlan,
  shellArgv,
  tightened,
  wantsStdin,
} from "./request.ts";
import { RunStream } from "./stream.ts";
import { isObject } from "../../../lib/objects.ts";

/** Values of the command. */
export interface RunValues extends RpcValues {
  readonly argv: readonly string[];
  readonly node: string | undefined;
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly raw: string | undefined;
  readonly commandTimeoutMs: number | undefined;
  readonly invokeTimeoutMs: number;
  readonly wait: boolean | undefined;
  /** Id of an approval request of an earlier run. */
  readonly approval: string | undefined;
  readonly stdin: boolean | undefined;
  readonly agent: string | undefined;
  readonly ask: string | undefined;
  readonly security: string | undefined;
  readonly needsScreenRecording: boolean | undefined;
}

const usage = (message: string) =>
  new OpenclawError("USAGE", message, {
    exitCode: 2,
    hint: "openclaw nodes run --node build-1 -- uname -a",
  });

/** `nodes run`. Returns the exit code of the remote command. */
export async function runOnNode(values: RunValues, io: Io): Promise<number> {
  const env = readEnv(values.env);
  const argv = values.argv.length > 0 ? [...values.argv] : undefined;
  if (argv !== undefined && values.raw !== undefined) {
    throw usage("Use either a command or --raw (not both)");
  }
  // Also an empty word: `-- "$PROGRAM"` of an unset variable.
  if ((argv?.[0] ?? values.raw ?? "").trim() === "") throw usage("No command to run was given");
  tightened(values, {});
  const connect = {
    scopes: ["operator.read", "operator.write"],
    wishes: ["operator.approvals", "operator.admin"],
    caps: ["invoke-output", "exec-approvals"],
    longLived: true,
  };
  let name: string | undefined;
  try {
    return await withGateway(io, values, connect, async (gateway) => {
      const { exec } = gateway.target.loaded.config.tools;
      const node = await chooseNode(gateway, values.node ?? exec.node);
      name = node.displayName ?? node.nodeId;
      const stdin = await wantsStdin(values.stdin, { gateway, node, out: io.out });
      const command = argv ?? shellArgv(values.raw as string, node);
      const wish = { ...values, ...tightened(values, exec), agent: agentOf(values.agent, node) };
      return await new Run({ gateway, node, command, env, stdin, values: wish, io }).start();
    });
  } catch (error) {
    throw runFailure(error, name);
  }
}

interface RunFacts {
  readonly gateway: Gateway;
  readonly node: NodeEntry;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: boolean;
  readonly values: RunValues;
  readonly io: Io;
}

/** One command on its way. */
class Run {
  constructor(private readonly facts: RunFacts) {}

  async start(): Promise<number> {
    const { approval } = this.facts.values;
    if (approval !== undefined) return await this.#runDecided(approval);
    if (await this.#isTightened()) {
      return await this.#runApproved("the command line asks for an approval");
    }
    try {
      return await this.#invoke();
    } catch (error) {
      if (!needsApproval(error)) throw error;
      return await this.#runApproved(reasonOf(error as OpenclawError, this.facts.node));
    }
  }

  /** `--ask` and `--security` only ever make the node's own policy stricter. */
  async #isTightened(): Promise<boolean> {
    const { ask, security } = this.facts.values;
    if (ask === "always") return true;
    if (security !== "allowlist") return false;
    return (await this.#prepare()).execPolicy?.security === "full";
  }

  /** A request that an earlier run without a terminal left behind, decided meanwhile. */
  async #runDecided(id: string): Promise<number> {
    const prepared = await this.#prepare();
    const granted = await decisionOf(this.facts.gateway, id, this.facts.command.join(" "));
    return await this.#invoke(prepared.plan, granted);
  }

  async #prepare(): Promise<Prepared> {
    const { gateway, node, command, values, stdin } = this.facts;
    if (!node.commands?.includes("system.run.prepare")) return {};
    const answer = await gateway.call("node.invoke", {
      nodeId: node.nodeId,
      command: "system.run.prepare",
      params: {
        command,
        ...(values.cwd === undefined ? {} : { cwd: values.cwd }),
        ...(values.agent === undefined ? {} : { agentId: values.agent }),
        ...(stdin ? { stdin } : {}),
      },
      timeoutMs: values.timeoutMs,
      idempotencyKey: crypto.randomUUID(),
    });
    const { payload } = readAnswer(invokeAnswer, "node.invoke", answer);
    const prepared = isObject(payload) ? payload as Prepared : {};
    // The schema of real gateways is closed: they get the plan without the keys of ours.
    return prepared.plan && !gateway.offers(CAPABILITY_INVOKE_OUTPUT)
      ? { ...prepared, plan: referencePlan(prepared.plan) }
      : prepared;
  }

  async #runApproved(reason: string): Promise<number> {
    const { gateway, node, command, env, values, io, stdin } = this.facts;
    const prepared = await this.#prepare().catch((error) => {
      throw isNotFound(error) ? programNotFound(command[0] ?? "", reason) : error;
    });
    if (!prepared.plan) {
      throw new OpenclawError(
        "APPROVAL_NEEDED",
        `${reason}, and the node cannot prepare a plan to approve`,
        { exitCode: RUN_EXIT.denied },
      );
    }
    const question = {
      nodeId: node.nodeId,
      nodeName: node.displayName ?? node.nodeId,
      argv: command,
      commandText: prepared.plan.commandText ?? command.join(" "),
      cwd: values.cwd,
      env,
      stdin,
      plan: prepared.plan,
      agentId: values.agent,
      security: values.security ?? prepared.execPolicy?.security,
      ask: values.ask ?? prepared.execPolicy?.ask,
      reason,
      wait: values.wait ?? false,
      runLine: (id?: string) => decidedLine(id, node, values),
    };
    const granted =
      gateway.offers(CAPABILITY_INVOKE_OUTPUT) || !(io.prompt.available || values.wait)
        ? await askApproval(gateway, gateway, question, io)
        // A real gateway counts only another connection as a reviewer.
        : await withGateway(
          io,
          values,
          { scopes: ["operator.approvals"], caps: ["exec-approvals"], longLived: true },
          (reviewer) => askApproval(gateway, reviewer, question, io),
        );
    return await this.#invoke(prepared.plan, granted);
  }

  async #invoke(plan?: Prepared["plan"], granted?: Granted): Promise<number> {
    const { gateway, io, stdin, values } = this.facts;
    const idempotencyKey = crypto.randomUUID();
    const stream = new RunStream(
      gateway,
      idempotencyKey,
      io.out.json ? () => Promise.resolve() : writeStream,
    );
    const off = gateway.onEvent((event, payload) => stream.take(event, payload));
    const stop = await this.#onInterrupt(idempotencyKey);
    try {
      const answer = gateway.call("node.invoke", {
        nodeId: this.facts.node.nodeId,
        command: "system.run",
        params: this.#params(plan, granted),
        timeoutMs: values.invokeTimeoutMs,
        idempotencyKey,
      }, { timeoutMs: values.invokeTimeoutMs + values.timeoutMs }).catch(stop.calm);
      const sent = stdin ? stream.sendStdin((buffer) => Deno.stdin.read(buffer)) : undefined;
      // A failed stdin (the command ended, or does not read) is no failure of the run.
      sent?.catch(() => {});
      const outcome = await Promise.race([answer, stream.broken, stop.interrupted]);
      await stream.finish();
      if (stop.fired()) return RUN_EXIT.interrupted;
      const { payload } = readAnswer(invokeAnswer, "node.invoke", outcome);
      return await this.#report(readAnswer(runResultSchema, "system.run", payload), stream);
    } finally {
      off();
      stop.remove();
    }
  }

  /** With an approval the run is the plan itself: what was judged is what runs. */
  #params(plan: Prepared["plan"], granted: Granted | undefined): Record<string, unknown> {
    const { command, env, values, stdin } = this.facts;
    const what = plan && granted
      ? {
        command: plan.argv,
        rawCommand: plan.commandText,
        cwd: plan.cwd,
        agentId: plan.agentId,
        sessionKey: plan.sessionKey,
        systemRunPlan: plan,
        runId: granted.id,
        approved: true,
        approvalDecision: granted.decision,
      }
      : { command, cwd: values.cwd, agentId: values.agent };
    const all = {
      ...what,
      ...(Object.keys(env).length > 0 ? { env } : {}),
      timeoutMs: values.commandTimeoutMs,
      suppressNotifyOnExit: true, // the end is seen here: a gateway of the reference need not wake an agent
      ...(values.needsScreenRecording ? { needsScreenRecording: true } : {}),
      ...(stdin ? { stdin } : {}),
    };
    return Object.fromEntries(
      Object.entries(all).filter(([, value]) => value !== undefined && value !== null),
    );
  }

  /** Ctrl-C cancels the remote command and waits for its end; a second one leaves at once. */
  async #onInterrupt(idempotencyKey: string) {
    const { gateway, io } = this.facts;
    const { onStopSignals } = await import("../../../platform/signals.ts");
    let fired = false;
    const interrupted = Promise.withResolvers<undefined>();
    const remove = onStopSignals((_signal, count) => {
      fired = true;
      if (count > 1 || !gateway.offers(CAPABILITY_INVOKE_OUTPUT)) {
        return interrupted.resolve(undefined);
      }
      io.out.note("Stopping the remote command (Ctrl-C again to leave now)");
      gateway.call("node.invoke.cancel", { idempotencyKey })
        .catch(() => interrupted.resolve(undefined));
    });
    const calm = (error: unknown): void => {
      if (!fired) throw error;
      io.out.warn("the node did not tell of the command's end: it may still be running there");
    };
    return { interrupted: interrupted.promise, fired: () => fired, calm, remove };
  }

  async #report(result: RunResult, stream: RunStream): Promise<number> {
    const { io, node } = this.facts;
    if (io.out.json) io.out.document({ nodeId: node.nodeId, ...result });
    else if (stream.received === 0) {
      // A peer without live output: everything is in the one final result.
      const encoder = new TextEncoder();
      await writeStream("out", encoder.encode(result.stdout ?? ""));
      await writeStream("err", encoder.encode(result.stderr ?? ""));
    }
    if (result.gap) io.out.warn("some output was lost on the way");
    const trouble = troubleOf(result);
    if (trouble !== undefined) io.out.note(`openclaw: ${trouble}`);
    return exitCodeOf(result);
  }
}
