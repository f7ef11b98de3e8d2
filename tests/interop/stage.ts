/** What the interop scenarios share: a gateway of either kind, nodes of either kind, and waiting for a state. */
import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { freePort, Home, type PeerKind, type Running } from "../support/reference.ts";

/** The shared token of every gateway in these tests. */
export const TOKEN = "interop-shared-token-0123456789abcdef";

/** For commands of ours: gateways of the reference answer their first callers late, on a busy machine very late. */
export const PATIENT = ["--timeout", "60s"];

/** A running gateway with its own home. */
export interface StagedGateway {
  readonly kind: PeerKind;
  readonly home: Home;
  readonly process: Running;
  readonly port: number;
  readonly url: string;
  /** 64 hex digits, only with TLS. */
  readonly fingerprint: string | undefined;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a gateway and waits until it listens. */
export async function stageGateway(
  kind: PeerKind,
  options: { readonly tls?: boolean } = {},
): Promise<StagedGateway> {
  const port = freePort();
  const tls = options.tls ?? false;
  const home = await Home.make(kind, {
    gateway: {
      mode: "local",
      port,
      auth: { mode: "token", token: TOKEN },
      ...(tls ? { tls: { enabled: true } } : {}),
    },
  });
  let process = await startGateway(home, port);
  const fingerprint = tls ? await fingerprintOf(home) : undefined;
  return {
    kind,
    home,
    get process() {
      return process;
    },
    port,
    url: `${tls ? "wss" : "ws"}://127.0.0.1:${port}`,
    fingerprint,
    async restart() {
      await process.stop();
      process = await startGateway(home, port);
    },
    async close() {
      await process.stop();
      await home.remove();
    },
  };
}

async function startGateway(home: Home, port: number): Promise<Running> {
  const process = await home.start(["gateway", "run", "--port", String(port)]);
  await process.until(home.kind === "ours" ? /listening on/ : /listening on|ready/i, 60_000);
  // The reference listens some time before it serves; ours serves when it says so.
  if (home.kind !== "ours") await serves(port);
  return process;
}

async function serves(port: number): Promise<void> {
  await eventually("the gateway to be ready", async () => {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`);
    await response.body?.cancel();
    return response.ok || undefined;
  });
}

async function fingerprintOf(home: Home): Promise<string> {
  const file = `${home.stateDir}/gateway/tls/gateway-cert.pem`;
  const pem = await Deno.readTextFile(file);
  const der = Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (c) => c.charCodeAt(0));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", der));
  return [...digest].map((b) => b.toString(16).padStart(2, "0")).join("");
}

/** Polls until `look` gives something, or fails with the last error. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  withinMs = 30_000,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  let last: unknown;
  while (performance.now() < endMs) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`waited ${withinMs} ms for ${what}`, { cause: last });
}

/** A pairing request as `devices list --json` shows it. */
export interface PendingDevice {
  readonly requestId: string;
  readonly deviceId: string;
  readonly role: string;
}

/** A node as `nodes status --json` shows it. */
export interface NodeRow {
  readonly nodeId: string;
  readonly connected: boolean;
  readonly commands: readonly string[];
}

/** Flags with which a client of either kind reaches a staged gateway. */
export function reach(client: Home, gateway: StagedGateway): string[] {
  const pin = gateway.fingerprint && client.kind === "ours"
    ? ["--tls-fingerprint", gateway.fingerprint]
    : [];
  return ["--url", gateway.url, "--token", TOKEN, ...pin];
}

/** Starts a node host of either kind against a gateway. */
export async function startNode(
  home: Home,
  gateway: StagedGateway,
  extra: readonly string[] = [],
): Promise<Running> {
  const pin = gateway.fingerprint ? ["--tls", "--tls-fingerprint", gateway.fingerprint] : [];
  return await home.start([
    "node",
    "run",
    "--host",
    "127.0.0.1",
    "--port",
    String(gateway.port),
    ...pin,
    ...extra,
  ]);
}

/** The newest pending request of a role. */
export async function pendingDevice(
  operator: Home,
  flags: readonly string[],
  role = "node",
): Promise<PendingDevice> {
  return await eventually(`a pending ${role}`, async () => {
    const { pending } = await operator.json(["devices", "list", "--json", ...flags]) as {
      pending: PendingDevice[];
    };
    return pending.find((request) => request.role === role);
  }, 60_000);
}

/** The node, once it is connected and serves `command`. */
export async function liveNode(
  operator: Home,
  flags: readonly string[],
  command = "system.run",
  withinMs = 60_000,
): Promise<NodeRow> {
  return await eventually("a live node", async () => {
    const { nodes } = await operator.json(["nodes", "status", "--json", ...flags]) as {
      nodes: NodeRow[];
    };
    return nodes.find((node) => node.connected && node.commands.includes(command));
  }, withinMs);
}

/** Ids of the command surfaces that wait for approval. */
export async function pendingSurfaces(
  operator: Home,
  flags: readonly string[] = [],
): Promise<string[]> {
  const requests = await operator.json(["nodes", "pending", "--json", ...flags]) as {
    requestId: string;
  }[];
  return requests.map((request) => request.requestId);
}

/** A home for a node of ours whose policy lets everything run: what is tested here is the wire, not the policy. */
export async function openNodeHome(): Promise<Home> {
  const home = await Home.make("ours", {}, { OPENCLAW_GATEWAY_TOKEN: TOKEN });
  const policy = { version: 1, defaults: { security: "full", ask: "off" }, agents: {} };
  const file = join(home.stateDir, "exec-approvals.json");
  await Deno.writeTextFile(file, JSON.stringify(policy), { mode: 0o600 });
  return home;
}

/** `system.which` finds a shell, asked by an operator of either kind. */
export async function checkWhich(operator: Home, nodeId: string): Promise<void> {
  const params = ["--command", "system.which", "--params", '{"bins":["sh"]}', "--json"];
  const answer = await operator.json(["nodes", "invoke", "--node", nodeId, ...params]) as {
    payload: { bins: Record<string, string> };
  };
  assertMatch(answer.payload.bins["sh"] ?? "", /\/sh$/);
}

/** A command of our operator runs on the node and its output arrives. */
export async function checkEcho(operator: Home, nodeId: string): Promise<void> {
  const result = await operator.run(["nodes", "run", "--node", nodeId, "--", "/bin/echo", "hello"]);
  assertEquals([result.code, result.stdout], [0, "hello\n"], result.stderr);
}
