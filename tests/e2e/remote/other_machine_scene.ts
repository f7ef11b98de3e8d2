/** A gateway here, bound to the cable, and a node on another machine (network namespace) with a pinned certificate. */
import { assert } from "@std/assert";
import { type OtherMachine, otherMachine } from "../../support/netns.ts";
import { freePort, type Outcome, run, type Running, start, TempHome } from "../program.ts";

/** The scene; `undefined` with a printed reason where it cannot be had. */
export class OtherMachineScene implements AsyncDisposable {
  private constructor(
    readonly machine: OtherMachine,
    readonly home: TempHome,
    readonly gateway: Running,
    readonly node: Running,
    readonly facts: { readonly url: string; readonly pin: string; readonly token: string },
  ) {}

  static async make(): Promise<OtherMachineScene | undefined> {
    const machine = await otherMachine();
    if (!machine) return undefined;
    try {
      return await OtherMachineScene.#on(machine);
    } catch (error) {
      await machine.close();
      throw error;
    }
  }

  static async #on(machine: OtherMachine): Promise<OtherMachineScene> {
    const home = await TempHome.make();
    const port = freePort();
    const env = home.env("gateway", {
      OPENCLAW_GATEWAY_PORT: String(port),
      OPENCLAW_DISABLE_BONJOUR: "1",
    });
    const gateway = start(["gateway", "run", "--tls", "--bind", "lan"], { env });
    await gateway.until(/ready/);
    const pin = (gateway.said.match(/[0-9a-f]{64}/) ?? [])[0] as string;
    const token = (await run(["config", "get", "gateway.auth.token", "--reveal"], { env })).stdout
      .trim();
    const args = ["node", "run", "--host", machine.hereAddress, "--port", String(port)]
      .concat(["--tls-fingerprint", pin, "--display-name", "other-1"]);
    const node = startThere(machine, args, home.env("node", { OPENCLAW_GATEWAY_TOKEN: token }));
    const request = (await node.until(/requestId: ([0-9a-f-]{36})/))[1] as string;
    const approved = await run(["devices", "approve", request], { env });
    assert(approved.code === 0, approved.stderr);
    await node.until(/Connected to gateway/);
    await Deno.writeTextFile(
      `${home.path}/node/exec-approvals.json`,
      JSON.stringify({ version: 1, defaults: { security: "full", ask: "off" }, agents: {} }),
      { mode: 0o600 },
    );
    const url = `wss://${machine.hereAddress}:${port}`;
    return new OtherMachineScene(machine, home, gateway, node, { url, pin, token });
  }

  /** As the gateway's owner. */
  cli(...args: string[]): Promise<Outcome> {
    return run(args, { env: this.home.env("gateway"), timeoutMs: 90_000 });
  }

  /** How many sessions the node has had. */
  get sessions(): number {
    return this.node.said.match(/Connected to gateway/g)?.length ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.end("SIGKILL");
    await this.gateway.end("SIGKILL");
    await this.machine.close();
    await this.home[Symbol.asyncDispose]();
  }
}

/** Starts our program on the other machine. */
export function startThere(
  machine: OtherMachine,
  args: readonly string[],
  env: Record<string, string>,
): Running {
  return start(args, { env, through: ["ip", "netns", "exec", machine.name] });
}
