/**
 * A gateway on loopback that is only reached through a real sshd, and a second "machine": another home with its own
 * state. Shared by the end-to-end tests of remote access.
 */
import { assert } from "@std/assert";
import { sshdMissing, startSshd, type TestSshd } from "../../support/sshd.ts";
import {
  freePort,
  type Outcome,
  Pair,
  type ProgramOptions,
  run,
  type Running,
  start,
} from "../program.ts";

/** Gateway with a node, and the ssh way to it. */
export class RemoteScene implements AsyncDisposable {
  private constructor(readonly pair: Pair, readonly sshd: TestSshd) {}

  /** `undefined` with a printed reason where no sshd can run. */
  static async make(): Promise<RemoteScene | undefined> {
    const missing = await sshdMissing();
    if (missing) {
      console.log(`skipped: ${missing}`);
      return undefined;
    }
    const sshd = await startSshd();
    try {
      return new RemoteScene(await Pair.make(), sshd);
    } catch (error) {
      await sshd.close();
      throw error;
    }
  }

  /** Environment of the other machine: its own state, and the ssh configuration that knows the host `gw`. */
  env(state: string, more: Record<string, string> = {}): Record<string, string> {
    return this.pair.home.env(state, { OPENCLAW_SSH_CONFIG: this.sshd.configFile, ...more });
  }

  /** Writes the other machine's configuration: remote mode through ssh. */
  async remoteMode(state: string, remote: Record<string, unknown> = {}): Promise<void> {
    const { port, pin, token } = this.pair.facts;
    await Deno.mkdir(`${this.pair.home.path}/${state}`, { recursive: true });
    const config = {
      gateway: {
        mode: "remote",
        remote: {
          transport: "ssh",
          sshTarget: "gw",
          remotePort: port,
          token,
          tlsFingerprint: pin,
          // Each command with an ssh of its own, unless a test is about sharing.
          sshShareSeconds: 0,
          ...remote,
        },
      },
    };
    const file = `${this.pair.home.path}/${state}/openclaw.json`;
    await Deno.writeTextFile(file, JSON.stringify(config), { mode: 0o600 });
  }

  /** Runs a command on the other machine. */
  cli(
    state: string,
    args: readonly string[],
    more: Partial<ProgramOptions> = {},
  ): Promise<Outcome> {
    return run(args, { env: this.env(state), ...more });
  }

  /** Runs a command on the other machine that must succeed; its output. */
  async must(state: string, args: readonly string[]): Promise<string> {
    const done = await this.cli(state, args);
    assert(done.code === 0, `${args.join(" ")}: ${done.code}\n${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  /** Starts a command on the other machine that stays. */
  start(state: string, args: readonly string[], more: Record<string, string> = {}): Running {
    return start(args, { env: this.env(state, more) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
    await this.sshd.close();
  }
}

export { freePort };
