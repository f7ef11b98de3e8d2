/** A real gateway on a free loopback port with its own state directory, for tests. */
import { type RunningGateway, startGateway } from "../../src/gateway/server.ts";
import type { LogRecord } from "../../src/lib/log.ts";
import type { ServerFlags } from "../../src/config/server/server_plan.ts";
import { Secret } from "../../src/lib/secret.ts";
import { type TempState, tempState } from "../config/temp_state.ts";
import { type Change, connectParams, Wire, type WireOptions } from "./wire.ts";

/** The token every test gateway takes. */
export const TOKEN = "tok-synthetic-gateway-0123456789abcdef";

/** What a test may change. */
export interface TestGatewayOptions {
  readonly flags?: ServerFlags;
  /** Content of `openclaw.json`. */
  readonly config?: Change;
  readonly env?: Record<string, string>;
  /** Stands for the local tailscale daemon. */
  readonly whois?: (address: string) => Promise<string | undefined>;
}

/** A running gateway and what tests do with it. */
export interface TestGateway {
  readonly gateway: RunningGateway;
  readonly state: TempState;
  readonly url: string;
  readonly http: string;
  readonly logs: LogRecord[];
  /** A socket that only got the challenge. */
  open(options?: WireOptions): Promise<Wire>;
  /** A connected owner without a device. */
  owner(change?: Change): Promise<Wire>;
}

/** Starts a gateway, runs `test`, stops everything. */
export async function withGateway(
  test: (gateway: TestGateway) => Promise<void>,
  options: TestGatewayOptions = {},
): Promise<void> {
  await using state = await tempState(options.env ?? {}, JSON.stringify(options.config ?? {}));
  const logs: LogRecord[] = [];
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    flags: { port: 0, bind: "loopback", token: new Secret(TOKEN), ...options.flags },
    logSinks: [(record) => logs.push(record)],
    logLevel: "debug",
    ...(options.whois ? { whois: options.whois } : {}),
  });
  const wires: Wire[] = [];
  const url = gateway.url;
  const open = async (wireOptions?: WireOptions) => {
    const wire = await Wire.open(url, { insecureTls: true, ...wireOptions });
    wires.push(wire);
    return wire;
  };
  try {
    await test({
      gateway,
      state,
      url,
      http: url.replace("ws", "http"),
      logs,
      open,
      async owner(change = {}) {
        const wire = await open();
        await wire.challenge();
        const hello = await wire.request(
          "connect",
          connectParams({ auth: { token: TOKEN }, ...change }),
        );
        if (!hello.ok) throw new Error(JSON.stringify(hello.error));
        return wire;
      },
    });
  } finally {
    for (const wire of wires) wire.terminate();
    await gateway.stop({ drainMs: 0 });
  }
}
