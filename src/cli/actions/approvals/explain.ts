/**
 * `approvals explain` and `approvals test`: what the live policy says about a command, without running anything. For a
 * node the node itself answers, with its own files and policy.
 */
import { parseApprovals, type ParsedApprovals } from "../../../approvals/file/approvals_file.ts";
import { runCases } from "../../../approvals/file/cases.ts";
import { decide, type DecideFacts, type Verdict } from "../../../approvals/decide.ts";
import { explanationText } from "../../../approvals/explain.ts";
import { makePlan } from "../../../approvals/plan.ts";
import { effectivePolicy } from "../../../approvals/policy.ts";
import { quoteWord } from "../../../approvals/words.ts";
import { parseJson5 } from "../../../config/text/json5.ts";
import { loadConfig } from "../../../config/file/load.ts";
import { statePaths } from "../../../config/paths.ts";
import { systemClock } from "../../../lib/clock.ts";
import { messageOf, OpenclawError } from "../../../lib/errors.ts";
import { silentLogger } from "../../../lib/log.ts";
import { any, obj, opt, str } from "../../../lib/schema.ts";
import { ApprovalsStore } from "../../../node/files/approvals_store.ts";
import { Machine } from "../../../node/machine.ts";
import { policyConfigOf } from "../../../node/files/policy_config.ts";
import { withGateway } from "../../connect/connect.ts";
import type { Io } from "../../terminal/io.ts";
import type { RpcValues } from "../../connect/rpc_flags.ts";
import { invokeAnswer, readAnswer } from "../../shapes.ts";
import { chooseNode } from "../nodes/calls.ts";
import { isObject } from "../../../lib/objects.ts";

/** Values of `approvals explain`. */
export interface ExplainValues extends RpcValues {
  readonly argv: readonly string[];
  readonly raw: string | undefined;
  readonly node: string | undefined;
  readonly cwd: string | undefined;
  readonly agent: string | undefined;
}

/** What is shown, also as JSON. */
interface Answer {
  readonly decision: string;
  readonly text: string;
  readonly explanation?: unknown;
}

const WOULD: Readonly<Record<string, string>> = {
  "run": "would run",
  "approval-required": "would ask for an approval",
};

/** `approvals explain`. */
export async function explainCommand(values: ExplainValues, io: Io): Promise<void> {
  const argv = values.raw === undefined ? [...values.argv] : ["/bin/sh", "-c", values.raw];
  if ((values.argv.length > 0) === (values.raw !== undefined)) {
    throw new OpenclawError("USAGE", "Give either a command or --raw", {
      exitCode: 2,
      hint: "openclaw approvals explain -- git status",
    });
  }
  const answer = values.node === undefined
    ? await explainHere(argv, values, io)
    : await explainThere(argv, values, io);
  io.out.show(answer, () => {
    io.out.text(WOULD[answer.decision] ?? `would be refused: ${answer.decision}`);
    // Set in: a line of a node's text must not look like one of ours (A17).
    const margin = values.node === undefined ? "" : "  ";
    io.out.lines(answer.text.split("\n").map((line) => margin + line));
  });
}

async function explainHere(
  argv: readonly string[],
  values: ExplainValues,
  io: Io,
): Promise<Answer> {
  const facts = new Machine(io.env).facts();
  const { cwd = null, agent = null } = values;
  const plan = await makePlan({ argv, cwd, agentId: agent }, facts);
  const verdict = decide(plan, (await localPolicy(io))(plan.agentId));
  return answerOf(verdict);
}

function answerOf({ explanation }: Verdict): Answer {
  return { decision: explanation.decision, text: explanationText(explanation), explanation };
}

/** The policy of this machine for an agent; `approvals` stands in for the file on disk. */
async function localPolicy(
  io: Io,
  approvals?: ParsedApprovals,
): Promise<(agentId: string) => DecideFacts> {
  const paths = statePaths(io.env);
  const { exec, agents } = policyConfigOf(await loadConfig(paths, io.env));
  const store = new ApprovalsStore({ ...paths, clock: systemClock, log: silentLogger });
  const parsed = approvals ?? (await store.load()).parsed;
  const grants = await store.grants();
  await store.close();
  const facts = new Machine(io.env).facts();
  return (agentId) => {
    const agentConfig = agents[agentId];
    const config = { config: exec, ...(agentConfig ? { agentConfig } : {}) };
    const policy = effectivePolicy({ approvals: parsed, agentId, ...config });
    return { policy, facts, grants, nowMs: systemClock.now() };
  };
}

const explained = obj({ decision: str(), text: str(), explanation: opt(any()) }, {
  unknown: "drop",
});

async function explainThere(
  argv: readonly string[],
  values: ExplainValues,
  io: Io,
): Promise<Answer> {
  const scopes = ["operator.read", "operator.write"];
  return await withGateway(io, values, { scopes }, async (gateway) => {
    const { nodeId } = await chooseNode(gateway, values.node);
    const answer = await gateway.call("node.invoke", {
      nodeId,
      command: "system.run.prepare",
      params: {
        command: argv,
        explain: true,
        ...(values.cwd === undefined ? {} : { cwd: values.cwd }),
        ...(values.agent === undefined ? {} : { agentId: values.agent }),
      },
      timeoutMs: values.timeoutMs,
      idempotencyKey: crypto.randomUUID(),
    });
    const { payload } = readAnswer(invokeAnswer, "node.invoke", answer);
    if (!isObject(payload) || !("decision" in payload)) {
      throw new OpenclawError(
        "NOT_SUPPORTED",
        `The node "${values.node}" cannot explain its policy`,
        {
          hint: `openclaw approvals get --node ${quoteWord(values.node ?? "")}`,
        },
      );
    }
    const found = readAnswer(explained, "system.run.prepare", payload);
    const add = "openclaw approvals allowlist add ";
    return {
      ...found,
      text: found.text.replaceAll(add, `${add}--node ${quoteWord(values.node ?? "")} `),
    };
  });
}

/** `approvals test`. Returns 1 when a case fails. */
export async function testPolicy(values: { file: string | undefined }, io: Io): Promise<number> {
  const approvals = values.file === undefined ? undefined : await readPolicy(values.file);
  const store = new ApprovalsStore({
    ...statePaths(io.env),
    clock: systemClock,
    log: silentLogger,
  });
  const { file, problems, state } = approvals ?? (await store.load()).parsed;
  await store.close();
  if (state === "unparsable") {
    throw new OpenclawError("APPROVALS_INVALID", `Cannot test the policy: ${problems.join("; ")}`);
  }
  const facts = new Machine(io.env).facts();
  const results = await runCases(file.tests ?? [], facts, await localPolicy(io, approvals));
  const failed = results.filter((one) => !one.ok);
  io.out.show({ ok: failed.length === 0, results }, () => {
    if (results.length === 0) {
      io.out.text(`No test cases; add them under "tests" in the policy file.`);
    }
    for (const { name, ok, expected, found, text } of results) {
      io.out.text(
        `${ok ? "ok    " : "FAILED"} ${name}${ok ? "" : `: expected ${expected}, found ${found}`}`,
      );
      if (!ok) io.out.lines(text.split("\n").map((line) => `       ${line}`));
    }
    if (results.length > 0) {
      io.out.text(`${results.length - failed.length} passed, ${failed.length} failed`);
    }
  });
  return failed.length === 0 ? 0 : 1;
}

async function readPolicy(path: string): Promise<ParsedApprovals> {
  try {
    const value = parseJson5(await Deno.readTextFile(path));
    return parseApprovals(JSON.stringify(value), () => crypto.randomUUID());
  } catch (error) {
    throw new OpenclawError("FILE_FAILED", `Cannot read "${path}": ${messageOf(error)}`);
  }
}
