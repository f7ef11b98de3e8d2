/**
 * The settings of `openclaw.json` that concern execution on this node. Read again when the file changed, so that a
 * stricter rule counts from the next command on.
 */
import { isObject } from "../../lib/objects.ts";
import type { ExecConfig } from "../../approvals/policy.ts";
import type { Env } from "../../config/env.ts";
import { issueText, loadConfig, type LoadedConfig } from "../../config/file/load.ts";
import type { ConfigIssue } from "../../config/schema/schema_kit.ts";
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { followedStamp } from "../../platform/file_facts.ts";

/** What execution needs from the configuration. */
export interface NodePolicyConfig {
  /** `tools.exec`. */
  readonly exec: ExecConfig;
  /** `agents.list[].tools.exec` by agent id. */
  readonly agents: Readonly<Record<string, ExecConfig>>;
  /** `nodeHost.env.pass`: blocked names that children inherit all the same (decision 20). */
  readonly passEnv: readonly string[];
  /** Environment names that hold configured secrets; never inherited (E11). */
  readonly secretNames: readonly string[];
  /** `nodeHost.maxConcurrentRuns` (decision 16). */
  readonly maxRuns: number;
}

/** Inputs of {@linkcode ConfigReader}. */
export interface ConfigReaderOptions {
  readonly paths: { readonly configFile: string };
  readonly env: Env;
  readonly log: Logger;
}

/** The configuration as it is now. */
export class ConfigReader {
  readonly #options: ConfigReaderOptions;
  #cached: { stamp: string; policy: NodePolicyConfig } | undefined;

  constructor(options: ConfigReaderOptions) {
    this.#options = options;
  }

  /** The whole configuration, read now. */
  load(): Promise<LoadedConfig> {
    return loadConfig(this.#options.paths, this.#options.env);
  }

  /** Never rejects: a file that cannot be read denies what the approvals file does not allow. */
  async policy(): Promise<NodePolicyConfig> {
    // A configuration that is a link of ours is followed (decision 29).
    const stamp = followedStamp(this.#options.paths.configFile);
    if (this.#cached?.stamp === stamp) return this.#cached.policy;
    const { log } = this.#options;
    const policy = await this.load().then((loaded) => {
      const problem = policyProblem(loaded);
      if (problem) log.warn("nothing runs by the configuration", { problem: issueText(problem) });
      return policyConfigOf(loaded);
    }, (error) => {
      log.warn("configuration cannot be read", { error: messageOf(error) });
      return NOTHING_ALLOWED;
    });
    this.#cached = { stamp, policy };
    return policy;
  }
}

const NOTHING_ALLOWED: NodePolicyConfig = {
  exec: { security: "deny" },
  agents: {},
  passEnv: [],
  secretNames: [],
  maxRuns: 16,
};

/** What makes the policy of a file doubtful: a text that is none, or a wrong value where it says what may run. */
function policyProblem({ issues }: LoadedConfig): ConfigIssue | undefined {
  return issues.find(({ path }) => /^(?:$|tools\b|agents\b|nodeHost\b)/.test(path));
}

/** The part of a loaded configuration. A mistyped `security` must not mean less than what was meant: nothing is allowed. */
export function policyConfigOf(loaded: LoadedConfig): NodePolicyConfig {
  if (loaded.broken) return NOTHING_ALLOWED;
  const { tools, agents, nodeHost } = loaded.config;
  if (policyProblem(loaded)) {
    return { ...NOTHING_ALLOWED, secretNames: secretNames(loaded.parsed) };
  }
  return {
    exec: definedOnly(tools.exec),
    agents: Object.fromEntries(
      (agents.list ?? []).flatMap(({ id, tools }) => id ? [[id, definedOnly(tools.exec)]] : []),
    ),
    passEnv: nodeHost.env.pass,
    secretNames: secretNames(loaded.parsed),
    maxRuns: nodeHost.maxConcurrentRuns,
  };
}

/** Without members that are `undefined`. */
function definedOnly(settings: object): ExecConfig {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** Environment names that secret references and `${NAME}` texts of the file read. */
export function secretNames(value: unknown): string[] {
  if (typeof value === "string") {
    return [...value.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map((match) => match[1] ?? "");
  }
  if (Array.isArray(value)) return value.flatMap(secretNames);
  if (!isObject(value)) return [];
  const own = value["source"] === "env" && typeof value["id"] === "string" ? [value["id"]] : [];
  return [...own, ...Object.values(value).flatMap(secretNames)];
}
