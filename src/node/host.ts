/**
 * The node host: keeps one gateway connection alive, answers its invokes, and ends in good order. Composes the parts of
 * this folder; connecting is `client/`, running is the runner. Source: node-host.md 2, 3; decisions 6, 9, 31, 32.
 */
import { keepConnected, type Problem } from "../client/keep_connected.ts";
import type { Session } from "../client/session.ts";
import type { Env } from "../config/env.ts";
import type { StatePaths } from "../config/paths.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { isOpenclawError, messageOf } from "../lib/errors.ts";
import { limitRepeats, type Logger } from "../lib/log.ts";
import type { Secret } from "../lib/secret.ts";
import { watchNetwork } from "../platform/network.ts";
import { hideFromOthers } from "../platform/own_environment.ts";
import { ApprovalsStore } from "./files/approvals_store.ts";
import type { NodeServices } from "./commands/define.ts";
import { NODE_COMMANDS } from "./commands/mod.ts";
import { Connector } from "./connector.ts";
import { Invokes, type InvokeSession } from "./invokes.ts";
import { Machine } from "./machine.ts";
import type { NodeFlags, NodeSettings } from "./files/node_file.ts";
import { describeProblem, failureText } from "./node_log.ts";
import { PinBook } from "./pin_book.ts";
import { type PreparedNode, prepareNode } from "./prepare.ts";
import { RunnerLink, type SelfCommand, selfCommand } from "./runner/link.ts";
import { RuntimeFile } from "./files/runtime_file.ts";
import { SkillBins } from "./skill_bins.ts";
import { openWay, type Way } from "./way.ts";

/** Environment names whose values a command must never find out (E11). */
const SECRET_NAMES = ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD"];
/** How long running commands may go on after the first stop request (F28). */
const DRAIN_MS = 10_000;

/** How to start a node host. */
export interface NodeOptions {
  readonly paths: StatePaths;
  /** The environment as read once at start. */
  readonly env: Env;
  readonly flags: NodeFlags;
  readonly log: Logger;
  /** Secret of a join line, used while no device token is stored. */
  readonly bootstrapToken?: Secret;
  /** How this program starts itself as a runner. Default: itself with `__runner`. */
  readonly runnerCommand?: SelfCommand;
  /** Default 10 s. */
  readonly drainMs?: number;
  readonly clock?: Clock;
}

/** A running node host. */
export interface RunningNode {
  readonly deviceId: string;
  readonly settings: NodeSettings;
  /** Exit code: 0 after `stop`, 1 when going on is useless. Never rejects. */
  readonly done: Promise<number>;
  /** First call: drain, then end. `force`: kill what runs and end at once (F29). Resolves when everything is closed. */
  stop(options?: { force?: boolean }): Promise<void>;
}

/**
 * Starts the node host. Returns before the first connection stands.
 * @throws {OpenclawError} for everything that waiting cannot mend: `NODE_FILE_UNREADABLE`, `PIN_MALFORMED`,
 *   `PIN_WITHOUT_TLS`, `DEVICE_KEY_UNUSABLE`, `CONFIG_INVALID` and errors of the state directory.
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { paths, env, log } = options;
  const prepared = await prepareNode(options);
  const { config } = prepared;
  const { secretNames } = await config.policy();
  const visible = hideFromOthers([...SECRET_NAMES, ...secretNames]);
  if (visible.length > 0) {
    log.warn("secrets in the environment stay visible to processes of this user", { visible });
  }
  const runtime = new RuntimeFile({
    path: paths.runtimeFile,
    facts: runtimeFacts(prepared),
    clock: options.clock ?? systemClock,
    log,
  });
  const way = await openWay({
    ...prepared,
    paths,
    env,
    log,
    onDown: ({ code, message }) => {
      const atMs = (options.clock ?? systemClock).now();
      runtime.publish({ state: "waiting", lastError: { code, message, atMs } });
    },
  });
  return new NodeHost({ ...prepared, options, runtime, way });
}

function runtimeFacts({ settings, key }: PreparedNode) {
  const gateway = settings.via ? `${settings.url} through ${settings.via}` : settings.url;
  return { gateway, deviceId: key.deviceId, displayName: settings.displayName };
}

interface HostParts extends PreparedNode {
  readonly options: NodeOptions;
  readonly runtime: RuntimeFile;
  readonly way: Way;
}

class NodeHost implements RunningNode {
  readonly deviceId: string;
  readonly settings: NodeSettings;
  readonly done: Promise<number>;
  readonly #parts: HostParts;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  readonly #services: NodeServices & { readonly approvals: ApprovalsStore };
  readonly #skills: SkillBins;
  readonly #invokes: Invokes;
  readonly #runtime: RuntimeFile;
  readonly #pins: PinBook;
  readonly #report: (message: string, fields?: Record<string, unknown>) => void;
  #stopping: Promise<void> | undefined;

  constructor(parts: HostParts) {
    const { options, settings, config, key } = parts;
    const { paths, env, log } = options;
    this.#parts = parts;
    this.settings = settings;
    this.deviceId = key.deviceId;
    this.#clock = options.clock ?? systemClock;
    this.#log = log;
    const clock = this.#clock;
    const machine = new Machine(definedValues(env));
    this.#skills = new SkillBins(machine, clock);
    this.#services = {
      machine,
      approvals: new ApprovalsStore({ ...paths, clock, log }),
      runner: new RunnerLink({
        command: options.runnerCommand ?? selfCommand("__runner"),
        env,
        log,
        clock,
      }),
      policyConfig: () => config.policy(),
      skillBins: () => this.#skills.get(),
      log,
      clock,
    };
    this.#invokes = new Invokes({
      services: this.#services,
      commands: NODE_COMMANDS,
      deviceId: key.deviceId,
    });
    this.#runtime = parts.runtime;
    this.#pins = new PinBook({ ...parts, path: paths.nodeFile, log });
    this.#report = limitRepeats((message, fields) => log.warn(message, fields), 60_000, clock);
    const names = NODE_COMMANDS.map((command) => command.name).join(", ");
    log.info(`[node-host] advertised commands: ${names}`, { node: key.deviceId });
    this.done = this.#run();
  }

  async #run(): Promise<number> {
    this.#runtime.publish({ state: "connecting" });
    const connector = new Connector({
      ...this.#parts,
      pins: this.#pins,
      env: this.#parts.options.env,
      bootstrapToken: this.#parts.options.bootstrapToken,
      pathEnv: this.#services.machine.pathEnv,
      clock: this.#clock,
      log: this.#log,
    });
    let code = 0;
    const network = watchNetwork(this.#clock);
    try {
      await keepConnected({
        open: (signal) => connector.open(signal),
        onSession: (session) => this.#onSession(session),
        onProblem: (problem) => this.#onProblem(problem),
        signal: this.#abort.signal,
        network,
        staysUp: Boolean(this.#parts.options.env["OPENCLAW_SERVICE_KIND"]),
        clock: this.#clock,
      });
    } catch (error) {
      code = 1;
      this.#log.error(failureText(error, isOpenclawError(error) ? error.code : "UNKNOWN"));
    }
    network.stop();
    await (this.#stopping ??= this.#close(true));
    return code;
  }

  #onSession(session: Session): void {
    const { features } = session.hello;
    const invokeSession: InvokeSession = {
      protocol: session.protocol === 3 ? 3 : 4,
      liveOutput: features.methods.includes("node.invoke.progress") &&
        features.capabilities.includes("invoke-output-v1"),
      request: (method, params, options) => session.request(method, params, options),
    };
    this.#skills.use(invokeSession);
    this.#log.info(`Connected to gateway ${this.settings.url}`, {
      protocol: session.protocol,
      server: session.hello.server.version,
    });
    this.#runtime.publish({ state: "connected", protocol: session.protocol });
    session.onEvent((event, payload) => {
      if (event === "gateway.cert") this.#pins.take(session, payload);
      else this.#invokes.take(invokeSession, event, payload);
    });
    void session.closed.then(() => this.#invokes.sessionClosed(invokeSession));
  }

  #onProblem(problem: Problem): void {
    const report = describeProblem(problem);
    if (!report) return;
    const { error } = problem;
    this.#report(report.message);
    this.#runtime.publish({
      state: report.state,
      ...(report.requestId === undefined ? {} : { requestId: report.requestId }),
      lastError: {
        code: isOpenclawError(error) ? error.code : "UNKNOWN",
        message: messageOf(error),
        atMs: this.#clock.now(),
      },
    });
  }

  async stop(options: { force?: boolean } = {}): Promise<void> {
    if (options.force) await this.#invokes.stopAll();
    this.#stopping ??= this.#close(options.force ?? false);
    await this.#stopping;
    await this.done;
  }

  async #close(force: boolean): Promise<void> {
    const { running } = this.#invokes;
    if (running > 0 && !force) {
      this.#log.info("stopping: waiting for running commands, a second request kills them", {
        running,
      });
      this.#runtime.publish({ state: "stopping" });
      const drainMs = this.#parts.options.drainMs ?? DRAIN_MS;
      if (!await this.#invokes.drain(drainMs)) {
        this.#log.warn("commands were stopped at the deadline", { drainMs });
      }
    } else await this.#invokes.stopAll();
    this.#abort.abort(new DOMException("node stopping", "AbortError"));
    await this.#parts.way.close();
    await this.#pins.close();
    await this.#services.runner.close();
    await this.#services.approvals.close();
    await this.#runtime.close();
  }
}

function definedValues(env: Env): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
