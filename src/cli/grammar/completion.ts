/**
 * Shell completion. The scripts ask the program itself (`openclaw __complete -- words…`), so that all shells
 * share one source: the command tree. Pure.
 */
import { type Command, type CommandTree, flagName } from "./command.ts";
import { GLOBAL_FLAGS } from "./parse.ts";

/** Shells with a completion script. */
export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const;

const SCRIPTS: Readonly<Record<typeof SHELLS[number], string>> = {
  bash: `_openclaw() {
  local IFS=$'\\n'
  COMPREPLY=($(openclaw __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _openclaw openclaw
`,
  zsh: `#compdef openclaw
_openclaw() {
  local -a found
  local line
  while IFS=$'\\t' read -r line text; do
    found+=("\${line//:/\\\\:}:$text")
  done < <(openclaw __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'openclaw' found || _files
}
compdef _openclaw openclaw
`,
  fish:
    `complete -c openclaw -f -a '(openclaw __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
  powershell: `Register-ArgumentCompleter -Native -CommandName openclaw -ScriptBlock {
  param($word, $ast, $position)
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  if ($word -eq '') { $words += '""' }
  & openclaw __complete '--' @words 2>$null | ForEach-Object {
    $parts = $_ -split "\`t", 2
    [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], 'ParameterValue', "$($parts[1]) ")
  }
}
`,
};

/** The script to load in a shell. */
export function completionScript(shell: typeof SHELLS[number]): string {
  return SCRIPTS[shell];
}

/** One completion: a word and what it means. */
export type Candidate = readonly [word: string, meaning: string];

/** What may stand for the last of `words` (which may be empty). */
export function complete(words: readonly string[], tree: CommandTree): Candidate[] {
  const last = (words.at(-1) ?? "").replace(/^""$/, "");
  const before = words.slice(0, -1);
  if (before.includes("--")) return [];
  const command = deepest(before, tree);
  const open = valueOf(before.at(-1), command);
  if (open) return open.map((word): Candidate => [word, ""]).filter(startsWith(last));
  const commands = tree.children(command.path).map((c): Candidate => [
    c.path.at(-1) as string,
    c.summary,
  ]);
  const flags = Object.entries({ ...command.flags, ...GLOBAL_FLAGS })
    .filter(([, f]) => !f.hidden)
    .map(([key, f]): Candidate => [`--${flagName(key, f)}`, f.help])
    .concat(command.json === false ? [] : [["--json", command.json]]);
  return [...commands, ...(last.startsWith("-") ? flags : [])].filter(startsWith(last));
}

const startsWith = (prefix: string) => ([word]: Candidate) => word.startsWith(prefix);

function deepest(words: readonly string[], tree: CommandTree): Command {
  let command = tree.at([]) as Command;
  for (const word of words) command = tree.child(command.path, word) ?? command;
  return command;
}

/** The choices of a flag whose value is being typed; an empty list for a free value. */
function valueOf(word: string | undefined, command: Command): readonly string[] | undefined {
  if (!word?.startsWith("--")) return undefined;
  const flags = { ...GLOBAL_FLAGS, ...command.flags };
  const hit = Object.entries(flags).find(([key, flag]) => `--${flagName(key, flag)}` === word);
  return hit && hit[1].kind !== "bool" ? hit[1].choices ?? [] : undefined;
}
