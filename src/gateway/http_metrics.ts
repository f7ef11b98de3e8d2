/**
 * The numbers of `GET /metrics`, in the text format of Prometheus. Reads counters that exist anyway; nothing is measured
 * for it. Who may see it is decided in `http.ts`.
 */
import { WIRE_VERSION } from "../protocol/versions.ts";
import type { GatewayServices } from "./services/services.ts";

/** One metric: name, kind, help, and its samples. */
type Metric = readonly [
  name: string,
  kind: "gauge" | "counter",
  help: string,
  value: number | readonly Sample[],
];
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Facts that are not among the services. */
export interface MetricFacts {
  readonly ready: boolean;
  /** Sockets that have not authenticated. */
  readonly unauthenticated: number;
}

/** All metrics as one text. */
export function metricsText(services: GatewayServices, facts: MetricFacts): string {
  return metricsOf(services, facts).map(renderMetric).join("");
}

function metricsOf(services: GatewayServices, facts: MetricFacts): readonly Metric[] {
  const { registry, invoker, approvals, store, clock } = services;
  const roles = { operator: 0, node: 0 };
  for (const { principal } of registry.peers()) roles[principal.role]++;
  const uptimeMs = clock.monotonic() - services.facts.startedAtMs;
  return [
    ["openclaw_build_info", "gauge", "Version of the gateway", [[{ version: WIRE_VERSION }, 1]]],
    ["openclaw_ready", "gauge", "1 while new connections are served", Number(facts.ready)],
    ["openclaw_uptime_seconds", "gauge", "Time since the start", Math.round(uptimeMs / 1000)],
    ["openclaw_connections", "gauge", "Authenticated connections", [
      [{ role: "operator" }, roles.operator],
      [{ role: "node" }, roles.node],
    ]],
    [
      "openclaw_connections_unauthenticated",
      "gauge",
      "Sockets before their handshake",
      facts.unauthenticated,
    ],
    ["openclaw_devices_paired", "gauge", "Paired devices", store.devices.size],
    ["openclaw_pairing_requests", "gauge", "Pairing requests on file", store.requests.size],
    ["openclaw_approvals_open", "gauge", "Exec approvals that wait", approvals.open],
    ["openclaw_invokes_running", "gauge", "Node calls without an answer yet", invoker.pending],
    [
      "process_resident_memory_bytes",
      "gauge",
      "Resident memory of this process",
      Deno.memoryUsage().rss,
    ],
  ];
}

function renderMetric([name, kind, help, value]: Metric): string {
  const samples: readonly Sample[] = typeof value === "number" ? [[{}, value]] : value;
  const lines = samples.map(([labels, number]) => `${name}${labelText(labels)} ${number}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join("")}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
