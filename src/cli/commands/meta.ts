/**
 * Commands about the command line itself: completion, and the hidden ones programs call.
 */
import { arg, command, rest } from "../grammar/command.ts";
import { type Candidate, complete, completionScript, SHELLS } from "../grammar/completion.ts";

/** Where a person should put the completion script. */
const INSTALL: Readonly<Record<string, string>> = {
  bash: "openclaw completion bash > ~/.local/share/bash-completion/completions/openclaw",
  zsh: 'openclaw completion zsh > "${fpath[1]}/_openclaw"',
  fish: "openclaw completion fish > ~/.config/fish/completions/openclaw.fish",
  powershell: "openclaw completion powershell | Out-String | Invoke-Expression",
};

/** `completion` and the hidden commands of shells and tools. */
export const META_COMMANDS = [
  command({
    path: "completion",
    summary: "Print a completion script for your shell",
    args: { shell: arg({ help: SHELLS.join(", "), required: true, choices: SHELLS }) },
    json: "Print {shell, script} instead",
    examples: Object.values(INSTALL).map((line) => [line, "install it"] as const),
    run({ shell, json }, io) {
      const script = completionScript(shell as typeof SHELLS[number]);
      if (json) io.out.document({ shell, script });
      else io.out.verbatim(script);
      return Promise.resolve();
    },
  }),
  command({
    path: "__complete",
    summary: "Candidates for the last word",
    args: { words: rest({ help: "The words typed so far" }) },
    hidden: true,
    json: false,
    async run({ words }, io) {
      const { TREE } = await import("./mod.ts");
      for (const [word, meaning] of complete(words, TREE) as Candidate[]) {
        io.out.verbatim(`${word}\t${meaning}\n`);
      }
    },
  }),
  command({
    path: "__manual",
    summary: "The whole command tree",
    args: { form: arg({ help: "json or markdown", choices: ["json", "markdown"] }) },
    hidden: true,
    json: false,
    async run({ form }, io) {
      const { TREE } = await import("./mod.ts");
      const help = await import("../grammar/help.ts");
      if (form === "markdown") io.out.lines(help.markdownTable(TREE));
      else io.out.document(help.manual(TREE));
    },
  }),
];
