/**
 * Package runners (`npx x`, `pnpm exec x`, `poetry run x`): programs that find or fetch another program by name.
 * A JavaScript runner is read as the local bin it would start, and that file is what runs; everything a runner could
 * fetch or look up elsewhere is refused, because it cannot be bound to a file (X35). Source: node-host.md 8 "Script operand".
 */
import { type Refusal, refusal } from "../facts.ts";
import { baseName } from "./paths.ts";

/** How a runner is used. */
export type RunnerUse =
  | { readonly kind: "plain" }
  /** The inner command. `local`: its first word is a bin of the project in the working directory. */
  | {
    readonly kind: "runner";
    readonly name: string;
    readonly inner: readonly string[];
    readonly local: boolean;
  }
  | { readonly kind: "refused"; readonly refusal: Refusal };

interface JsRunner {
  /** Sub-commands that run a local bin; the empty word means the program itself does. */
  readonly exec: readonly string[];
  /** Sub-commands that run the next words with node. */
  readonly node: readonly string[];
  /** Sub-commands that fetch and run a package. */
  readonly fetch: readonly string[];
}

const JS_RUNNERS: ReadonlyMap<string, JsRunner> = new Map([
  ["npx", { exec: [""], node: [], fetch: [] }],
  ["pnpx", { exec: [], node: [], fetch: [""] }],
  ["bunx", { exec: [""], node: [], fetch: [] }],
  ["npm", { exec: ["exec", "x"], node: [], fetch: ["init", "create", "innit", "explore"] }],
  ["pnpm", { exec: ["exec"], node: ["node"], fetch: ["dlx", "create", "env", "runtime"] }],
  ["yarn", { exec: ["exec"], node: ["node"], fetch: ["dlx", "create"] }],
  ["yarnpkg", { exec: ["exec"], node: ["node"], fetch: ["dlx", "create"] }],
  ["bun", { exec: ["x"], node: [], fetch: ["create", "init"] }],
]);

/** Runners whose target is looked up in an environment of their own; an empty list means always. */
const OTHER_RUNNERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["uvx", []],
  ["uv", ["run", "tool", "x"]],
  ["pipx", ["run"]],
  ["poetry", ["run", "shell"]],
  ["pipenv", ["run", "shell"]],
  ["pdm", ["run"]],
  ["rye", ["run"]],
  ["hatch", ["run", "shell"]],
  ["bundle", ["exec"]],
  ["bundler", ["exec"]],
  ["conda", ["run"]],
  ["mamba", ["run"]],
  ["micromamba", ["run"]],
  ["mise", ["exec", "x", "run"]],
  ["asdf", ["exec"]],
  ["rbenv", ["exec"]],
  ["pyenv", ["exec"]],
  ["nodenv", ["exec"]],
  ["nix", ["run", "shell", "develop"]],
  ["nix-shell", []],
  ["corepack", []],
  ["volta", ["run"]],
  ["fnm", ["exec"]],
  ["dotenv", []],
  ["dotenvx", ["run"]],
  ["cross-env", []],
  ["cross-env-shell", []],
  ["direnv", ["exec"]],
  ["op", ["run"]],
  ["doppler", ["run"]],
  ["aws-vault", ["exec"]],
  ["nodemon", []],
  ["cabal", ["exec", "run", "repl"]],
  ["stack", ["exec", "run", "runghc", "runhaskell", "ghci", "repl", "eval", "script"]],
  ["composer", ["exec", "global", "x"]],
  ["rustup", ["run"]],
  ["flatpak", ["run", "enter"]],
  ["snap", ["run", "try"]],
  ["lxc", ["exec"]],
  ["incus", ["exec"]],
  ["multipass", ["exec", "shell"]],
  ["vagrant", ["ssh", "winrm"]],
  ["pixi", ["run", "exec", "x", "shell"]],
  ["guix", ["shell", "environment", "repl"]],
  ["nix-build", []],
  ["nix-instantiate", []],
  ["sops", ["exec-env", "exec-file", "edit"]],
  ["infisical", ["run"]],
  ["heroku", ["local:run", "local"]],
  ["gem", ["open", "exec"]],
  ["dotnet", ["exec", "fsi", "script"]],
  ["chezmoi", ["cd", "edit", "execute-template"]],
  ["task", ["execute"]],
  ["concurrently", []],
  ["firebase", ["emulators:exec"]],
  ["netlify", ["dev:exec"]],
  ["railway", ["run", "shell"]],
  ["gitlab-runner", ["exec"]],
  ["meson", ["devenv", "runpython"]],
  ["opam", ["exec", "config"]],
  ["dune", ["exec", "utop", "ocaml"]],
  ["mix", ["cmd", "do", "run"]],
  ["buildah", ["run", "unshare"]],
  ["ctr", ["run", "exec"]],
  ["lerna", ["exec"]],
  ["nx", ["exec"]],
  ["repo", ["forall"]],
  ["west", ["forall"]],
  ["jj", ["util"]],
  ["homectl", ["with"]],
  ["etcdctl", ["lock", "watch", "elect"]],
  ["consul", ["lock", "watch", "exec"]],
  ["envconsul", []],
  ["devbox", ["run", "shell"]],
  ["flox", ["activate"]],
  ["tox", ["exec"]],
  ["jenv", ["exec"]],
  ["phpenv", ["exec"]],
  ["goenv", ["exec"]],
  ["rtx", ["exec", "x", "run"]],
]);

/** Runners whose programs lie in the virtual environment of the project. */
const PYTHON_RUNNERS = /^(?:uvx?|pipx|poetry|pipenv|pdm|rye|hatch|tox)$/;

const GLOBAL_FLAGS = /^(?:-s|-q|--silent|--quiet|--color|--no-color|--bun)$/;
const GLOBAL_VALUED =
  /^(?:--reporter|--loglevel|--prefix|-C|--dir|--cwd|--filter|-F|--workspace|-w)$/;
const EXEC_FLAGS = /^(?:--no-install|--no|-y|--yes|--bun)$/;

/** Reads an argv whose first word may be a package runner. */
export function runnerUse(argv: readonly string[]): RunnerUse {
  const name = baseName(argv[0] ?? "");
  const other = OTHER_RUNNERS.get(name);
  if (other) {
    const verb = argv.slice(1).find((word) => other.includes(word));
    if (other.length === 0 || verb !== undefined) {
      return unbound(name, [name, verb ?? ""].join(" ").trim());
    }
    return { kind: "plain" };
  }
  const rule = JS_RUNNERS.get(name);
  return rule ? jsRunner(name, rule, argv) : { kind: "plain" };
}

function unbound(name: string, text: string): RunnerUse {
  return {
    kind: "refused",
    refusal: refusal(
      "runner",
      `"${text}" starts a program that ${name} finds or fetches, which cannot be bound to a file`,
      {
        hint: `name the program by its own path, for instance ${
          PYTHON_RUNNERS.test(name) ? ".venv/bin" : "node_modules/.bin"
        }/<name>`,
      },
    ),
  };
}

function jsRunner(name: string, rule: JsRunner, argv: readonly string[]): RunnerUse {
  if (rule.fetch.includes("")) return unbound(name, name);
  const direct = rule.exec.includes("");
  let at = 1;
  let movedOrUnread = false;
  for (
    let word = argv[at];
    !direct && word !== undefined && word.startsWith("-");
    word = argv[at]
  ) {
    movedOrUnread ||= !GLOBAL_FLAGS.test(word) &&
      !/^--reporter(?:=|$)|^--loglevel(?:=|$)/.test(word);
    at += GLOBAL_VALUED.test(word) ? 2 : 1;
  }
  const verb = direct ? "" : argv[at] ?? "";
  // "pnpm recursive exec x", "yarn workspace a exec x": the sub-command stands further back.
  movedOrUnread ||= /^(?:recursive|multi|m|workspaces?|global)$/.test(verb);
  const verbs = [...rule.exec, ...rule.node, ...rule.fetch];
  if (movedOrUnread && argv.slice(1).some((word) => word !== "" && verbs.includes(word))) {
    return unbound(name, argv.slice(0, 3).join(" "));
  }
  if (rule.fetch.includes(verb) || isShortForm(name, verb, verbs)) {
    return unbound(name, `${name} ${verb}`);
  }
  if (!rule.exec.includes(verb) && !rule.node.includes(verb)) return { kind: "plain" };
  at += direct ? 0 : 1;
  if (rule.node.includes(verb)) {
    return { kind: "runner", name, inner: ["node", ...argv.slice(at)], local: false };
  }
  for (let word = argv[at]; word !== undefined && word.startsWith("-"); word = argv[++at]) {
    if (word === "--") {
      at++;
      break;
    }
    if (!EXEC_FLAGS.test(word)) return unbound(name, `${name} ${word}`);
  }
  const target = argv[at];
  if (target === undefined) return { kind: "plain" };
  // A path, a version or a scope names something to fetch, not a bin of this project.
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(target)) return unbound(name, `${name} ${target}`);
  return { kind: "runner", name, inner: argv.slice(at), local: true };
}

const PNPM_VERBS = new Set(
  ("add i install update up upgrade remove rm uninstall un link ln unlink import rebuild rb prune fetch install-test it patch " +
    "patch-commit patch-remove audit list ls ll la outdated why licenses test t tst start run run-script pack publish store root " +
    "bin setup config c get set deploy doctor cat-file cat-index find-hash dedupe approve-builds ignored-builds self-update init " +
    "server help version view info show search whoami login logout").split(" "),
);

/** The word that pnpm and bun would look for on PATH as well when the project has no script of that name. */
export function pathCommand(argv: readonly string[]): string | undefined {
  const name = baseName(argv[0] ?? "");
  if (name !== "pnpm" && name !== "bun") return undefined;
  const words = argv.slice(1).filter((word) => !word.startsWith("-"));
  if (name === "bun") return words[0] === "run" ? words[1] : undefined;
  return words.find((word) => !PNPM_VERBS.has(word)) === words[0] ? words[0] : undefined;
}

/** npm takes any unambiguous start of a sub-command: `npm exe x` is `npm exec x`. */
function isShortForm(name: string, verb: string, verbs: readonly string[]): boolean {
  return name === "npm" && verb.length >= 2 && verb !== "in" && !verbs.includes(verb) &&
    verbs.some((one) => one.startsWith(verb));
}
