/**
 * The policy in force: settings from all scopes with their sources, the rules of an agent, the decision table of 7.3 as
 * a table, and which of two settings is stricter. Owns no matching; `matching/match.ts` says whether a command is covered.
 * Source: node-host.md 7.2, 7.3.
 */
import {
  type AllowEntry,
  type Ask,
  ASK_MODES,
  type ParsedApprovals,
  type ScopeSettings,
  type Security,
  SECURITY_LEVELS,
} from "./file/approvals_file.ts";
import type { SafeBinProfile } from "./matching/safe_bins.ts";

/** `tools.exec` of the node's configuration, or of one agent in it. */
export interface ExecConfig {
  readonly security?: Security;
  readonly ask?: Ask;
  readonly askFallback?: Security;
  readonly strictInlineEval?: boolean;
  readonly safeBins?: readonly string[];
  readonly safeBinTrustedDirs?: readonly string[];
  readonly safeBinProfiles?: Readonly<Record<string, SafeBinProfile>>;
}

/** A rule with the scope it is stored in, so that its use is recorded where it lives. */
export interface ScopedEntry {
  readonly agent: string;
  readonly entry: AllowEntry;
}

/** Settings in force for one agent. `sources` names the scope of each. */
export interface EffectivePolicy {
  readonly agentId: string;
  readonly security: Security;
  readonly ask: Ask;
  readonly askFallback: Security;
  readonly autoAllowSkills: boolean;
  readonly strictInlineEval: boolean;
  readonly safeBins: readonly string[];
  readonly safeBinTrustedDirs: readonly string[];
  readonly safeBinProfiles: Readonly<Record<string, SafeBinProfile>>;
  readonly allowlist: readonly ScopedEntry[];
  readonly sources: Readonly<
    Record<"security" | "ask" | "askFallback" | "autoAllowSkills", string>
  >;
  /** Problems of the approvals file, for people. */
  readonly problems: readonly string[];
}

/** What the node does without any setting. Source: node-host.md 7.2 "Rule", decisions.md 18. */
export const BUILT_IN = {
  security: "allowlist",
  ask: "on-miss",
  askFallback: "deny",
  autoAllowSkills: false,
} as const;

/** Programs that need no rule when they only read their input. */
export const DEFAULT_SAFE_BINS: readonly string[] = ["cut", "uniq", "head", "tail", "tr", "wc"];

/** Inputs of {@linkcode effectivePolicy}. */
export interface PolicyFacts {
  readonly approvals: ParsedApprovals;
  /** Absent means `main`. */
  readonly agentId?: string | null;
  readonly config?: ExecConfig;
  /** `agents.list[id].tools.exec`. */
  readonly agentConfig?: ExecConfig;
}

/** Settings in force, first scope wins: agent, `*`, defaults, agent configuration, configuration, built-in. */
export function effectivePolicy(
  { approvals, agentId, config = {}, agentConfig = {} }: PolicyFacts,
): EffectivePolicy {
  // The file's agent "default" was merged into "main", so a caller that names it means that one.
  const named = agentId?.trim() || "main";
  const id = named === "default" ? "main" : named;
  const { file, state, problems } = approvals;
  const own = file.agents.get(id);
  const all = file.agents.get("*");
  const scopes: readonly (readonly [string, ScopeSettings])[] = [
    [`agents.${id}`, own ?? {}],
    ["agents.*", all ?? {}],
    ["defaults", file.defaults],
    [`agents.list[${id}].tools.exec`, agentConfig],
    ["tools.exec", config],
    ["built-in", BUILT_IN],
  ];
  const first = <K extends keyof ScopeSettings>(
    key: K,
  ): readonly [NonNullable<ScopeSettings[K]>, string] => {
    for (const [name, scope] of scopes) {
      const value = scope[key];
      if (value !== undefined) return [value as NonNullable<ScopeSettings[K]>, name];
    }
    return [BUILT_IN[key] as NonNullable<ScopeSettings[K]>, "built-in"];
  };
  const [security, securitySource] = state === "unparsable"
    ? ["deny" as const, "unreadable approvals file"] as const
    : first("security");
  const [ask, askSource] = first("ask");
  const [askFallback, fallbackSource] = state === "unparsable"
    ? ["deny" as const, "unreadable approvals file"] as const
    : first("askFallback");
  const [autoAllowSkills, skillsSource] = first("autoAllowSkills");
  return {
    agentId: id,
    security,
    ask,
    askFallback,
    autoAllowSkills,
    strictInlineEval: agentConfig.strictInlineEval ?? config.strictInlineEval ?? false,
    safeBins: agentConfig.safeBins ?? config.safeBins ?? DEFAULT_SAFE_BINS,
    safeBinTrustedDirs: agentConfig.safeBinTrustedDirs ?? config.safeBinTrustedDirs ?? [],
    safeBinProfiles: { ...config.safeBinProfiles, ...agentConfig.safeBinProfiles },
    allowlist: [...scoped("*", all?.allowlist), ...(id === "*" ? [] : scoped(id, own?.allowlist))],
    sources: {
      security: securitySource,
      ask: askSource,
      askFallback: fallbackSource,
      autoAllowSkills: skillsSource,
    },
    problems,
  };
}

function scoped(agent: string, entries: readonly AllowEntry[] = []): ScopedEntry[] {
  return entries.map((entry) => ({ agent, entry }));
}

/** The stricter of two security levels. */
export function stricterSecurity(a: Security, b: Security): Security {
  return SECURITY_LEVELS.indexOf(a) <= SECURITY_LEVELS.indexOf(b) ? a : b;
}

/** The stricter of two ask modes. */
export function stricterAsk(a: Ask, b: Ask): Ask {
  return ASK_MODES.indexOf(a) <= ASK_MODES.indexOf(b) ? a : b;
}

/** The policy tightened by what a caller asked for; a caller can never loosen it. */
export function tightened(
  policy: EffectivePolicy,
  by: { security?: Security; ask?: Ask },
): EffectivePolicy {
  return {
    ...policy,
    security: stricterSecurity(policy.security, by.security ?? policy.security),
    ask: stricterAsk(policy.ask, by.ask ?? policy.ask),
  };
}

/** Inputs of the decision table. */
export interface DecisionFacts {
  readonly security: Security;
  readonly ask: Ask;
  /** Set by the gateway after it matched a stored approval. */
  readonly approved: boolean;
  /** An exact rule or a grant covers this very command. */
  readonly durable: boolean;
  /** The command was understood and every segment is covered. */
  readonly hit: boolean;
}

/** Outcome of the table. */
export type Decision = "run" | "security=deny" | "approval-required" | "allowlist-miss";

interface Row {
  readonly security?: Security;
  readonly ask?: readonly Ask[];
  readonly approved?: boolean;
  readonly durable?: boolean;
  readonly hit?: boolean;
  readonly outcome: Decision;
}

/** Table 7.3, first fitting row decides; what is absent fits anything. The last row refuses what no row names. */
export const DECISION_TABLE: readonly Row[] = [
  { security: "deny", outcome: "security=deny" },
  { ask: ["always"], approved: false, outcome: "approval-required" },
  { ask: ["always"], approved: true, outcome: "run" },
  { security: "full", ask: ["off", "on-miss"], outcome: "run" },
  {
    security: "allowlist",
    ask: ["off"],
    approved: false,
    durable: false,
    hit: false,
    outcome: "allowlist-miss",
  },
  {
    security: "allowlist",
    ask: ["on-miss"],
    approved: false,
    durable: false,
    hit: false,
    outcome: "approval-required",
  },
  { security: "allowlist", ask: ["off", "on-miss"], approved: true, outcome: "run" },
  { security: "allowlist", ask: ["off", "on-miss"], durable: true, outcome: "run" },
  { security: "allowlist", ask: ["off", "on-miss"], hit: true, outcome: "run" },
  { outcome: "security=deny" },
];

/** Looks the facts up in {@linkcode DECISION_TABLE}. */
export function decisionOf(facts: DecisionFacts): Decision {
  const fits = (row: Row) =>
    (row.security === undefined || row.security === facts.security) &&
    (row.ask === undefined || row.ask.includes(facts.ask)) &&
    (row.approved === undefined || row.approved === facts.approved) &&
    (row.durable === undefined || row.durable === facts.durable) &&
    (row.hit === undefined || row.hit === facts.hit);
  return DECISION_TABLE.find(fits)?.outcome ?? "security=deny";
}
