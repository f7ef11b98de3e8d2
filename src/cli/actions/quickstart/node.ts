/**
 * The node of a quickstart: a separate process of this very program. It gets its join line through the pipe to its
 * stdin and ends when that pipe does, so it never outlives the quickstart, not even after kill -9.
 */
import { systemClock } from "../../../lib/clock.ts";
import { withDeadline } from "../../../lib/deadline.ts";
import { isOpenclawError, OpenclawError } from "../../../lib/errors.ts";
import { selfCommand } from "../../../node/runner/link.ts";
import { type Program, startProgram } from "../../../platform/process/start.ts";
import type { Gateway } from "../../connect/connect.ts";
import type { NodeEntry } from "../../shapes.ts";
import { listNodes } from "../nodes/calls.ts";

/** Longest wait for the node to show up and go live. */
const NODE_DEADLINE_MS = 15_000;
/** Pace of looking for the node; the gateway's events end the wait earlier. */
const LOOK_MS = 50;

/** What the node is started with. */
export interface QuickstartNodeFacts {
  readonly name: string;
  readonly port: number;
  readonly fingerprint: string;
  /** One-time secret and addresses, as `devices join-code` makes them. */
  readonly joinLine: string;
  /** Folder to remove when the quickstart is gone. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A running node process. */
export class QuickstartNode {
  #said = "";

  private constructor(private readonly program: Program, private readonly name: string) {
    void this.#listen(program.stdout);
    void this.#listen(program.stderr);
  }

  /** Starts the process and hands it its join line. */
  static async start(facts: QuickstartNodeFacts): Promise<QuickstartNode> {
    const self = selfCommand("node");
    const program = await startProgram({
      file: self.file,
      args: [
        ...self.args,
        "run",
        "--host=127.0.0.1",
        `--port=${facts.port}`,
        `--tls-fingerprint=${facts.fingerprint}`,
        `--display-name=${facts.name}`,
        "--until-stdin-closes",
        `--remove-at-end=${facts.folder}`,
      ],
      env: facts.env,
      stdin: "pipe",
      group: true,
    });
    const writer = program.stdin?.getWriter();
    await writer?.write(new TextEncoder().encode(`${facts.joinLine}\n`));
    writer?.releaseLock();
    return new QuickstartNode(program, facts.name);
  }

  /** Keeps the last words for the case that it fails. */
  async #listen(stream: Program["stderr"]): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#said = (this.#said + text).slice(-2_000);
    }
  }

  /** Waits until the gateway shows the node as connected. @throws OpenclawError `QUICKSTART_NODE_FAILED`. */
  async live(gateway: Gateway): Promise<NodeEntry> {
    let wake = () => {};
    let over = false;
    const off = gateway.onEvent((event) => event === "presence" && wake());
    const search = (async () => {
      for (;;) {
        const found = (await listNodes(gateway)).find((node) => node.connected);
        if (found || over) return found as NodeEntry;
        await new Promise<void>((resolve) => {
          wake = resolve;
          systemClock.after(LOOK_MS, resolve);
        });
      }
    })();
    try {
      return await withDeadline(Promise.race([search, this.gone()]), {
        timeoutMs: NODE_DEADLINE_MS,
        what: "the node to show up",
      });
    } catch (error) {
      if (isOpenclawError(error, "TIMEOUT")) throw this.#failed("did not show up");
      throw error;
    } finally {
      over = true;
      off();
    }
  }

  #failed(what: string): OpenclawError {
    return new OpenclawError("QUICKSTART_NODE_FAILED", `The node ${this.name} ${what}`, {
      details: { context: this.#said.trim().split("\n").slice(-5) },
      hint: "openclaw quickstart --once",
    });
  }

  /** Rejects when the process ends. @throws OpenclawError `QUICKSTART_NODE_FAILED`. */
  async gone(): Promise<never> {
    await this.program.ended;
    throw this.#failed("ended");
  }

  async stop(): Promise<void> {
    await this.program.stop({ graceMs: 2_000 });
  }
}
