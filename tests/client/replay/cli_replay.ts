/**
 * Our command line in place of a recorded one, against the recorded answers: which methods it calls with which params,
 * as whom it connects, and how it ends.
 */
import { cli } from "../../cli/support.ts";
import { AnsweringGateway, callsOf } from "./answering_gateway.ts";
import { COMMAND_LINES } from "./command_lines.ts";
import { Findings } from "./findings.ts";
import type { Recording } from "./recordings.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

const TOKEN = "tok-synthetic-gateway-0123456789abcdef";

/** What the command line did. */
export interface CliPlayed {
  readonly differences: Findings["all"];
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs our command line for a recording; `undefined` when the recording is no command line's. */
export async function playCli(recording: Recording): Promise<CliPlayed | undefined> {
  const line = COMMAND_LINES[recording.name.slice(3)];
  if (!line) return undefined;
  const home = await Deno.makeTempDir({ prefix: "openclaw-replay-" });
  try {
    const file = `${home}/policy.json`;
    await Deno.writeTextFile(file, JSON.stringify(policyOf(recording)));
    await using gateway = await AnsweringGateway.start(recording);
    const ran = await cli(line(recording, file), {
      env: {
        HOME: home,
        OPENCLAW_STATE_DIR: `${home}/state`,
        OPENCLAW_GATEWAY_PORT: String(gateway.port),
        OPENCLAW_GATEWAY_TOKEN: TOKEN,
      },
    });
    const findings = new Findings();
    compareCalls(findings, recording, gateway);
    compareConnects(findings, recording, gateway);
    compareEnd(findings, recording, ran);
    compareShown(findings, recording, ran.stdout);
    return { differences: findings.all, stdout: ran.stdout, stderr: ran.stderr };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** The policy that was sent in the recording. */
function policyOf(recording: Recording): unknown {
  return callsOf(recording).find(({ method }) => /^exec\.approvals\.(node\.)?set$/.test(method))
    ?.params.file ?? {};
}

function compareCalls(findings: Findings, recording: Recording, gateway: AnsweringGateway): void {
  const recorded = callsOf(recording).filter(({ method }) => method !== "connect");
  const names = (calls: readonly { method: string }[]) => calls.map((c) => c.method).join(", ");
  if (names(recorded) !== names(gateway.calls)) {
    findings.differ("calls", names(recorded), names(gateway.calls));
  }
  const rest = [...recorded];
  for (const { method, params } of gateway.calls) {
    const at = rest.findIndex((call) => call.method === method);
    if (at < 0) continue;
    const [call] = rest.splice(at, 1);
    const { idempotencyKey: _theirs, ...wanted } = call!.params ?? {};
    const { idempotencyKey: _ours, ...sent } = params ?? {};
    findings.same(`${method} params`, wanted, sent);
    if ((_theirs === undefined) !== (_ours === undefined)) {
      findings.differ(`${method} idempotency key`, _theirs, _ours);
    }
  }
}

/** As whom both connect, over all connections of the command line. */
function compareConnects(
  findings: Findings,
  recording: Recording,
  gateway: AnsweringGateway,
): void {
  const recorded = callsOf(recording).filter((c) => c.method === "connect").map((c) => c.params);
  const ours = gateway.connects;
  if (ours.length === 0) return findings.differ("connections", recorded.length, 0);
  findings.same("connections", recorded.length, ours.length);
  const set = (all: Any[], of: (params: Any) => Any) =>
    [...new Set(all.map((params) => JSON.stringify(of(params) ?? null)))].sort();
  const compare = (what: string, of: (params: Any) => Any) =>
    findings.same(`connect ${what}`, set(recorded, of), set(ours, of));
  compare("client", ({ client }) => `${client.id}/${client.mode}`);
  compare("role", ({ role }) => role);
  compare("auth", ({ auth }) => auth);
  compare("platform", ({ client }) => client.platform);
  compare("device", ({ device }) => device !== undefined);
  const scopes = (all: Any[]) => new Set(all.flatMap((params) => params.scopes));
  const missing = [...scopes(recorded).difference(scopes(ours))];
  if (missing.length > 0) findings.differ("connect scopes", missing, "not asked for");
  const known = new Set(["minProtocol", "maxProtocol", "client", "role", "scopes", "caps"]);
  for (const key of ["auth", "device"]) known.add(key);
  for (const params of ours) {
    const more = Object.keys(params).filter((key) => !known.has(key));
    if (more.length > 0) findings.differ("connect keys", [...known], more);
    const { minProtocol, maxProtocol } = recorded[0];
    if (params.minProtocol > minProtocol || params.maxProtocol < maxProtocol) {
      findings.differ("connect protocol", maxProtocol, params.maxProtocol);
    }
  }
}

/** What the last answers of the gateway mean for the person: exit code and words. */
function compareEnd(
  findings: Findings,
  recording: Recording,
  ran: { readonly code: number; readonly stdout: string; readonly stderr: string },
): void {
  const last = callsOf(recording).at(-1)!.answer;
  findings.same("exit code", last.ok ? 0 : 1, ran.code);
  if (!last.ok && !`${ran.stderr}${ran.stdout}`.includes(last.error.message)) {
    findings.differ("message", last.error.message, ran.stderr);
  }
  if (ran.stderr.includes("Unexpected failure")) findings.differ("failure", "none", ran.stderr);
}

/** Every request that waits is shown with its id: it is what a person acts on. */
function compareShown(findings: Findings, recording: Recording, stdout: string): void {
  for (const { method, answer } of callsOf(recording)) {
    if (!/^(device|node)\.pair\.list$/.test(method)) continue;
    for (const { requestId } of answer.payload?.pending ?? []) {
      if (!stdout.includes(requestId)) findings.differ("shown", requestId, stdout);
    }
  }
}
