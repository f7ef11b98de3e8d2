/** `status` as rows of a table. What is known is collected in `status.ts`. */
import type { NodeRuntime } from "../../node/files/runtime_file.ts";
import { type ServiceReport, serviceText } from "./services/status.ts";
import type { Reach } from "../connect/reach.ts";
import { isObject } from "../../lib/objects.ts";

/** The gateway part of `status --json`. Source: cli.md 8. */
export interface GatewayFacts {
  readonly mode: string;
  readonly url: string | null;
  readonly urlSource: string | null;
  readonly host: string | null;
  readonly misconfigured: boolean;
  readonly reach: Reach;
  readonly reachable: boolean;
  readonly connectLatencyMs: number | null;
  /** How this machine got in: `token`, `password`, `device-token`, … */
  readonly authMethod: string | null;
  readonly self: unknown;
  readonly code: string | null;
  readonly error: string | null;
  readonly authWarning: string | null;
}

/** What the rows are made of. */
export interface StatusFacts {
  readonly runtimeVersion: string;
  readonly os: { readonly label: string };
  readonly dashboard: string | null;
  readonly tailscale: { readonly mode: string };
  readonly gateway: GatewayFacts;
  readonly gatewayService: ServiceReport;
  readonly nodeService: ServiceReport;
  readonly node: NodeRuntime | null;
  readonly nodes: string | null;
  readonly credentials: readonly string[];
  readonly secretDiagnostics: readonly string[];
  /** Only with `--deep`. */
  readonly health?: unknown;
  readonly security?: readonly string[];
  /** Only with `--all`. */
  readonly configFile?: string;
  readonly stateDir?: string;
}

/** Rows `Item`, `Value`. */
export function statusRows(facts: StatusFacts): string[][] {
  const { gateway, node, security, configFile, stateDir } = facts;
  return [
    ["OS", facts.os.label],
    ["Version", facts.runtimeVersion],
    ["Dashboard", facts.dashboard ?? "no gateway of this state directory runs"],
    ["Tailscale", facts.tailscale.mode],
    ["Gateway", gatewayText(gateway)],
    ["Gateway service", serviceText(facts.gatewayService)],
    ["Node service", serviceText(facts.nodeService)],
    ...(node ? [["Node here", nodeText(node)]] : []),
    ["Nodes", facts.nodes ?? "unknown"],
    ...facts.credentials.map((line) => ["Credentials", line]),
    ...facts.secretDiagnostics.map((line) => ["Secret", line]),
    ...(facts.health === undefined ? [] : [["Health", healthText(facts.health)]]),
    ...(security === undefined ? [] : securityRows(security)),
    ...(configFile === undefined ? [] : [["Config", configFile]]),
    ...(stateDir === undefined ? [] : [["State", stateDir]]),
  ];
}

const securityRows = (notes: readonly string[]) =>
  (notes.length > 0 ? notes : ["nothing found"]).map((note) => ["Security", note]);

function gatewayText(gateway: GatewayFacts): string {
  const { mode, url, urlSource, host } = gateway;
  return `${mode} · ${url ?? "no url"} (${urlSource ?? "-"}) · ${reachText(gateway)}` +
    (gateway.authMethod === null ? "" : ` · auth ${gateway.authMethod} · ${host ?? ""}`);
}

/** What each way to fail is called. */
const REACH_WORDS: Readonly<Record<Reach, string>> = {
  "reachable": "reachable",
  "refused": "reached, but refused",
  "no session": "something answers, but no session came of it",
  "unreachable": "unreachable",
  "not tried": "not tried",
};

function reachText({ reach, connectLatencyMs, error }: GatewayFacts): string {
  const words = REACH_WORDS[reach];
  const why = (error ?? "").replace(/^Gateway (not reachable at \S+|connect failed): /, "");
  if (reach !== "reachable") return `${words} (${why || "unknown"})`;
  return `${words} ${connectLatencyMs}ms` + (why === "" ? "" : `, but a read failed (${why})`);
}

function nodeText({ gateway, state, requestId }: NodeRuntime): string {
  return `${state} · ${gateway}` + (requestId ? ` · request ${requestId}` : "");
}

function healthText(health: unknown): string {
  if (!isObject(health)) return "not asked: no session";
  return health["ok"] === false ? "not well" : "ok";
}
