/**
 * Our node host, as a real process, in place of a recorded one: how it connects, comes back after each close, and answers
 * the recorded invokes.
 */
import { fromHex } from "../../../src/lib/bytes.ts";
import { eventually, start, TempHome } from "../../e2e/program.ts";
import { compareConnect } from "./connect_compare.ts";
import { Findings } from "./findings.ts";
import { NodeScript, type NodeSide } from "./node_script.ts";
import { connectionsOf, KEYS, type Recording, RECORDINGS } from "./recordings.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

const TOKEN = "tok-synthetic-gateway-0123456789abcdef";

/** What our node did. */
export interface NodePlayed {
  readonly differences: Findings["all"];
  /** Its log. */
  readonly said: string;
  readonly exitCode: number;
  readonly refusedOffers: number;
}

/** Plays the recording of a real node host; `policy` is its exec policy at the start. */
export async function playNode(recording: Recording, policy: unknown): Promise<NodePlayed> {
  const scripts = [...connectionsOf(recording)];
  const mismatch = RECORDINGS.get("v3-hs-protocol-other-cli")!.lines;
  await using home = await TempHome.make();
  await writeState(`${home.path}/node`, scripts[0]![1], policy);
  await using gateway = await NodeScript.start(
    scripts.map(([, lines]) => lines),
    recording.name.startsWith("v3-") ? mismatch : undefined,
  );
  await using node = start(
    ["node", "run", "--host", "127.0.0.1", "--port", String(gateway.port)]
      .concat(["--display-name", "Test Node"]),
    { env: home.env("node", { OPENCLAW_GATEWAY_TOKEN: TOKEN, OPENCLAW_DISABLE_BONJOUR: "1" }) },
  );
  const isOver = () => gateway.sides.length === scripts.length && gateway.sides.at(-1)!.done;
  await eventually(`the end of ${recording.name}`, isOver, 40_000)
    .catch((error) => Promise.reject(new Error(`${error.message}\n${node.said}`)));
  const { code } = await node.end();
  const findings = new Findings();
  for (const [n, [conn]] of scripts.entries()) {
    const side = gateway.sides[n]!;
    await compareConnect(findings, conn, side);
    compareWork(findings, conn, side);
  }
  return {
    differences: findings.all,
    said: node.said,
    exitCode: code,
    refusedOffers: gateway.refusedOffers,
  };
}

/** The recorded node's key and policy in a state directory of ours. */
async function writeState(dir: string, lines: readonly Any[], policy: unknown): Promise<void> {
  const { device } = lines.find(({ frame }) => frame.method === "connect").frame.params;
  const row = KEYS.find(({ publicKey }) => publicKey === device.publicKey)!;
  const pem = (label: string, prefix: string, hex: string) => {
    const bytes = fromHex(prefix + hex)!;
    return `-----BEGIN ${label}-----\n${
      btoa(String.fromCharCode(...bytes))
    }\n-----END ${label}-----\n`;
  };
  const raw = [...atob(row.publicKey.replaceAll("-", "+").replaceAll("_", "/"))]
    .map((char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  await Deno.mkdir(`${dir}/identity`, { recursive: true, mode: 0o700 });
  const write = (file: string, value: unknown) =>
    Deno.writeTextFile(`${dir}/${file}`, JSON.stringify(value), { mode: 0o600 });
  await write("identity/device.json", {
    version: 1,
    deviceId: row.deviceId,
    publicKeyPem: pem("PUBLIC KEY", "302a300506032b6570032100", raw),
    privateKeyPem: pem("PRIVATE KEY", "302e020100300506032b657004220420", row.seed),
    createdAtMs: 1_795_243_868_044,
  });
  await write("exec-approvals.json", policy);
}

/** Events of runs: what an agent on the gateway would be told. */
const isRunEvent = (frame: Any) =>
  frame.method === "node.event" && String(frame.params.event).startsWith("exec.");

/** Answers, events of runs, and their order. */
function compareWork(findings: Findings, conn: string, side: NodeSide): void {
  const works = (frame: Any) => frame.method === "node.invoke.result" || isRunEvent(frame);
  const nameOf = ({ method, params }: Any) => params.event ?? `${method} ${params.id}`;
  const recorded = side.lines.filter(({ dir, frame }) => dir === "c2s" && works(frame))
    .map(({ frame }) => frame);
  const ours = side.sent.filter(works);
  findings.same(`${conn} order`, recorded.map(nameOf), ours.map(nameOf));
  for (const { recorded, ours } of side.exchanged.slice(1)) {
    const command = commandOf(side, recorded.params.id);
    const { payloadJSON: theirs, ...wanted } = recorded.params;
    const { payloadJSON: own, ...sent } = ours.params;
    findings.leaves(`${conn} ${command}`, wanted, sent);
    findings.leaves(`${conn} ${command} payload`, parsed(theirs), parsed(own));
  }
  for (const { params } of recorded.filter(isRunEvent)) {
    const facts = parsed(params.payloadJSON);
    const match = ours.filter(isRunEvent).find((frame) =>
      frame.params.event === params.event && parsed(frame.params.payloadJSON).runId === facts.runId
    );
    findings.leaves(`${conn} ${params.event}`, facts, parsed(match?.params.payloadJSON));
  }
}

function commandOf({ lines }: NodeSide, invokeId: string): string {
  return lines.find(({ frame }) => frame.payload?.id === invokeId)?.frame.payload.command;
}

const parsed = (text: unknown): Any => typeof text === "string" ? JSON.parse(text) : {};
