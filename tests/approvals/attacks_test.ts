/**
 * Rows X01-X43 of the security cases: what must be refused, each with the variants of its class. The policy is
 * security=allowlist, ask=off and only the named programs allowed; the runner for each row is the same.
 */
import { assert, assertEquals } from "@std/assert";
import { type Case, judge, sh } from "./fake_machine.ts";

const C = "/tmp/canary";
const ECHO = ["echo", "/usr/bin/echo"];

interface Row extends Case {
  readonly name: string;
  readonly refused: readonly (readonly string[])[];
}

const rows: readonly Omit<Row, "argv">[] = [
  {
    name: "X01: a pipe into an interpreter",
    allow: ECHO,
    refused: [
      sh(`echo x | node -e 'require("fs").writeFileSync("${C}","")'`),
      sh("echo x|node"),
      sh("echo x | sh"),
    ],
  },
  {
    name: "X02: a second command behind && || ; |",
    allow: ECHO,
    refused: ["&&", "||", ";", "|"].flatMap((
      op,
    ) => [
      sh(`echo ok ${op} touch ${C}`),
      sh(`echo ok${op}touch ${C}`),
      sh(`touch ${C} ${op} echo ok`),
    ]),
  },
  {
    name: "X03: a background command",
    allow: ECHO,
    refused: [
      sh(`echo ok & touch ${C}`),
      sh(`echo ok&touch ${C}`),
      sh("echo ok &"),
      sh("echo ok &>/dev/null"),
    ],
  },
  {
    name: "X04: a line break between two commands",
    allow: ECHO,
    refused: ["\n", "\r\n", "\r", "\n\n", " \n ", "\u0000"].map((gap) =>
      sh(`echo ok${gap}touch ${C}`)
    ),
  },
  {
    name: "X04: a line break after a comment",
    allow: ECHO,
    refused: [sh(`echo ok # note\ntouch ${C}`), sh(`# note\ntouch ${C}`)],
  },
  {
    name: "X06: a substitution, also inside double quotes",
    allow: ECHO,
    refused: [
      `echo $(touch ${C})`,
      `echo "$(touch ${C})"`,
      `echo \`touch ${C}\``,
      `echo "\`touch ${C}\`"`,
      `echo "a$(touch ${C})b"`,
      `echo $((1+1))`,
      `echo "\${x:-$(touch ${C})}"`,
      `echo "a\\\\$(touch ${C})"`,
    ].map(sh),
  },
  {
    name: "X07: a process substitution",
    allow: ["cat"],
    refused: [sh(`cat <(touch ${C})`), sh(`cat >(touch ${C})`), sh(`cat < <(touch ${C})`)],
  },
  {
    name: "X09: a line continuation",
    allow: ECHO,
    refused: [
      sh(`echo $\\\n(touch ${C})`),
      sh(`echo "$\\\n(touch ${C})"`),
      sh(`echo a \\\n touch`),
    ],
  },
  {
    name: "X10: a here-document",
    allow: ["cat"],
    refused: [
      sh(`cat <<E\n$(touch ${C})\nE`),
      sh(`cat <<E\n$(touch ${C})`),
      sh("cat <<'E'\nx\nE"),
      sh(`cat <<<"$(touch ${C})"`),
    ],
  },
  {
    name: "X12: env with an assignment is judged as its command",
    allow: ["env", "/usr/bin/env"],
    refused: [
      ["env", "A=1", "touch", C],
      ["/usr/bin/env", "A=1", "touch", C],
      ["env", "touch", C],
      sh(`env A=1 touch ${C}`),
    ],
  },
  {
    name: "X13: env -S in every spelling",
    allow: ["env", "/usr/bin/env"],
    refused: [
      ["-S", `sh -c "touch ${C}"`],
      [`--split-string=touch ${C}`],
      [`-Stouch ${C}`],
      ["-vS", `touch ${C}`],
      ["-i", "touch", C],
      ["-u", "X", "touch", C],
      ["--", "touch", C],
      ["-", "touch", C],
    ].map((rest) => ["env", ...rest]),
  },
  {
    name: "X14: a deep chain of wrappers",
    allow: ["env", "touch", "sh", "/usr/bin/**"],
    refused: [[...Array(12).fill("env"), "sh", "-c", `touch ${C}`], [
      ...Array(5).fill("env"),
      "touch",
      C,
    ]],
  },
  {
    name: "X15: other wrappers are judged by the inner command",
    allow: [...ECHO, "time", "nice", "nohup", "timeout", "stdbuf", "flock", "/usr/bin/*"].filter((
      one,
    ) => one !== "/usr/bin/*"),
    refused: [
      ["time"],
      ["nice", "-n5"],
      ["nice", "-n", "5"],
      ["nohup"],
      ["timeout", "5"],
      ["timeout", "-k", "1", "5"],
      ["stdbuf", "-o0"],
      ["flock", `${C}.l`],
      ["sudo"],
      ["setsid"],
      ["ionice"],
      ["taskset", "1"],
      ["chrt", "1"],
      ["doas"],
    ].map((prefix) => [...prefix, "touch", C]),
  },
  {
    name: "X15: carriers that run programs are blocked even when they are allowed",
    allow: ["/usr/bin/*", "*"],
    refused: [["sudo", "touch", C], ["flock", "l", "touch", C], ["busybox", "touch", C], [
      "timeout",
      "--odd",
      "5",
      "touch",
      C,
    ]],
  },
  {
    name: "X15: commands in arguments are judged too",
    allow: ["find", "xargs", "tar", "git", "/usr/bin/find", "/usr/bin/xargs"],
    refused: [
      ["find", ".", "-exec", "touch", C, ";"],
      ["find", ".", "-execdir", "touch", C, ";"],
      ["xargs", "touch"],
      sh("echo x | xargs touch"),
      ["tar", "-cf", "x", "--to-command", "touch", "y"],
      ["tar", "--checkpoint-action=exec=touch", "-cf", "x", "y"],
      ["git", "-c", "core.pager=touch x", "log"],
      ["git", "-c", "alias.x=!touch x", "x"],
      ["git", "submodule", "foreach", "touch x"],
    ],
  },
  {
    name: "X21: positional carriers",
    allow: [...ECHO, "sh", "/usr/bin/sh"],
    refused: [["sh", "-c", '"$0" "$@"', "touch", C], ["sh", "-c", "$1", "_", "touch"], [
      "sh",
      "-c",
      "$0",
      "touch",
    ], ["sh", "-c", '"${@}"', "x", "touch", C]],
  },
  {
    name: "X22: shell flags",
    allow: [...ECHO, "bash", "/usr/bin/bash"],
    refused: [
      ["-ec"],
      ["-xc"],
      ["-lic"],
      ["-c", "--"],
      ["+O", "extglob", "-c"],
      ["--rcfile", "f", "-c"],
      ["-e", "-c"],
      ["-o", "pipefail", "-c"],
      ["-O", "extglob", "-c"],
      ["-ce"],
      ["-lc"],
      ["--login", "-c"],
      ["-ic"],
      ["--norc", "-c"],
      ["-s"],
      ["-"],
    ].map((flags) => ["bash", ...flags, `touch ${C}`]),
  },
  {
    name: "X22: shells that read their input",
    allow: [...ECHO, "bash", "sh", "*"],
    refused: [
      ["bash"],
      ["sh", "-"],
      ["sh", "-s"],
      sh(`echo touch ${C} | sh`),
      sh(`echo touch ${C} | bash -`),
    ],
  },
  {
    name: "X26: case and a slash in a pattern",
    allow: ["/opt/a?b", "/usr/bin/Git"],
    machine: { executables: ["/opt/a/b"] },
    refused: [["/opt/a/b"], ["git", "status"], ["/usr/bin/git"]],
  },
  {
    name: "X26: dots cannot climb out of a pattern",
    allow: ["/opt/ok/**"],
    machine: { executables: ["/opt/ok/x"] },
    refused: [["/opt/ok/../../usr/bin/touch", C], ["/opt/ok/./../../usr/bin/touch", C]],
  },
  {
    name: "X29: safe bins do not expand or read files",
    refused: [
      sh("head $HOME/.ssh/*"),
      sh("tail *"),
      ["head", "/etc/passwd"],
      ["tail", "*"],
      ["wc", "-c", "/etc/passwd"],
      ["cut", "-f1", "x"],
      ["head", "~/.ssh/id"],
      ["head", "file"],
      ["uniq", "a", "b"],
      ["head", "--", "file"],
    ],
  },
  {
    name: "X30: safe bin options",
    config: { safeBins: ["sort", "grep", "tail", "wc", "head", "awk", "sed", "jq"] },
    refused: [
      ["sort", "--compress-prog=sh"],
      ["sort", "--compress-program", "sh"],
      ["sort", `-o${C}`],
      ["sort", "-o", C],
      ["sort", "-T", "/tmp"],
      ["sort", "--out", C],
      ["grep", "-f", "x"],
      ["grep", "-r", "x"],
      ["grep", "-R", "x"],
      ["grep", "x", "file"],
      ["grep", "-e", "x", "file"],
      ["tail", "-F", "x"],
      ["tail", "-f"],
      ["tail", "--follow"],
      ["tail", "--retry"],
      ["wc", "--files0-from=x"],
      ["sort", "--files0-from=x"],
      ["awk", "BEGIN{system()}"],
      ["sed", "e"],
      ["head", "--line=3"],
    ],
  },
  {
    name: "X32: a planted safe bin",
    machine: { executables: ["/tmp/evil/head"], pathDirs: ["/tmp/evil", "/usr/bin"] },
    refused: [["head", "-n", "1"], sh("head -n 1"), ["/tmp/evil/head"]],
  },
  {
    name: "X32: a planted wrapper",
    allow: ["echo"],
    machine: { executables: ["/tmp/evil/timeout"], pathDirs: ["/tmp/evil", "/usr/bin"] },
    refused: [["timeout", "5", "echo", "hi"]],
  },
  {
    name: "X32: the current directory is never on PATH",
    allow: ["tool"],
    machine: { executables: ["/srv/app/tool"], pathDirs: ["", ".", "/usr/bin"] },
    refused: [["tool"]],
  },
  {
    name: "X33: inline code under strict inline eval",
    allow: ["/usr/bin/*", "*"],
    config: { strictInlineEval: true },
    refused: [
      ["python3", "-c", "1"],
      ["python3", "-Ic", "1"],
      ["python3", "-m", "http.server"],
      ["node", "-e", "1"],
      ["node", "--eval=1"],
      ["node", "-p", "1"],
      ["node", "-r", "./x", "y.js"],
      ["perl", "-Mx", "y"],
      ["perl", "-ne", "1"],
      ["ruby", "-rx", "y"],
      ["ruby", "-e", "1"],
      ["awk", "BEGIN{system()}"],
      ["python3"],
      ["python3", "-"],
      sh("echo 1 | python3"),
      sh("timeout 5 python3 -c 1"),
      ["php", "-r", "1"],
    ],
    machine: { programs: "php" },
  },
  {
    name: "X35: runners",
    allow: ["/usr/bin/*", "*"],
    machine: { programs: "npx npm pnpm yarn bunx uvx bun poetry" },
    refused: [
      ["npx", "x"],
      ["npx", "-y", "x"],
      ["npx", "-p", "x", "y"],
      ["npx", "x@latest"],
      ["npm", "exec", "x"],
      ["npm", "x", "--", "x"],
      ["npm", "--prefix", "/tmp", "exec", "x"],
      ["npm", "exec", "-c", "touch"],
      ["pnpm", "--reporter", "ndjson", "exec", "x"],
      ["pnpm", "dlx", "x"],
      ["pnpm", "-C", "/tmp", "exec", "x"],
      ["pnpm", "--odd", "exec", "x"],
      ["yarn", "dlx", "x"],
      ["bunx", "x"],
      ["bun", "x", "x"],
      ["uvx", "x"],
      ["npm", "init", "x"],
      ["poetry", "run", "x"],
    ],
  },
  {
    name: "X37: look-alike letters",
    allow: ECHO,
    refused: [
      ["ｅｃｈｏ", "hi"],
      ["ec\u200bho", "hi"],
      ["есho", "hi"],
      sh("ｅｃｈｏ hi"),
      sh("ec\u200bho hi"),
      ["echo\u00a0", "hi"],
    ],
  },
  {
    name: "X38: cmd.exe text",
    allow: ["*", "echo", "cmd.exe"],
    machine: {
      platform: "windows",
      executables: ["C:\\Windows\\System32\\cmd.exe"],
      pathDirs: ["C:\\Windows\\System32"],
      cwd: "C:\\w",
    },
    refused: ["echo ok & del x", "echo %COMSPEC%", "echo ^& calc", "echo !X!", "echo ok"].flatMap((
      text,
    ) => [["cmd.exe", "/c", text], ["cmd", "/d", "/s", "/c", text], [
      "C:\\Windows\\System32\\CMD.EXE",
      "/C",
      text,
    ]]),
  },
  {
    name: "X40: PowerShell carriers",
    allow: ["*", "pwsh"],
    machine: { programs: "pwsh powershell" },
    refused: [
      ["-enc", "x"],
      ["-ec", "x"],
      ["-e", "x"],
      ["-EncodedCommand", "x"],
      ["-enco", "x"],
      ["/enc", "x"],
      ["-enc:x"],
      ["-File", "x.ps1"],
      ["-Command", "x"],
      ["\u2013enc", "x"],
      ["x"],
    ].flatMap((rest) => [["pwsh", ...rest], ["powershell", ...rest]]),
  },
];

const more: readonly Omit<Row, "argv">[] = [
  {
    name: "X15: input or file names that become a program or its options",
    allow: ["*"],
    machine: { executables: ["/srv/app/{}"] },
    refused: [
      ["xargs", "-I", "usr", "/usr/bin/cat", "x"],
      ["xargs", "-I{}", "{}"],
      ["xargs", "-Iu", "uname"],
      ["xargs", "--replace=bin", "/usr/bin/cat"],
      ["xargs", "-i", "cat"],
      ["xargs", "git"],
      ["xargs", "-I{}", "sed", "s/a/{}/", "--"],
      ["xargs", "tar", "-cf", "x"],
      ["find", ".", "-exec", "{}", ";"],
      ["find", ".", "-exec", "./{}", ";"],
    ],
  },
  {
    name: "X15: git, npm and ssh with a program in their options",
    allow: ["*"],
    machine: { programs: "npm ssh scp" },
    refused: [
      ["git", "clone", "-c", "core.sshCommand=touch x", "u"],
      ["git", "clone", "--upload-p=touch", "u"],
      ["git", "push", "--exe=touch", "u"],
      ["git", "remote-ext", "o", "touch x"],
      ["git", "rebase", "-qx", "touch x"],
      ["git", "for-each-repo", "--config=x", "log"],
      ["git", "grep", "-nOtouch", "x"],
      ["git", "config", "--edit"],
      ["npm", "exe", "x"],
      ["npm", "cr", "x"],
      ["npm", "--browser=touch", "docs", "x"],
      ["npm", "install", "--git=touch"],
      ["ssh", "h", "-oProxyCommand=touch x"],
      ["ssh", "-p", "22", "h", "-F", "f", "uname"],
      ["ssh", "-I", "/tmp/x.so", "h"],
      ["scp", "-3o", "ProxyCommand=x", "a", "b"],
    ],
  },
  {
    name: "X15: loaders, personality changers and renamed wrappers",
    allow: ["*"],
    machine: {
      programs: "setarch linux64 genv gtimeout tmux crontab runcon",
      executables: ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", "/lib/ld-2.31.so"],
    },
    refused: [
      ["/lib64/ld-linux-x86-64.so.2", "/usr/bin/touch", C],
      ["/lib/ld-musl-x86_64.so.1", "/usr/bin/touch", C],
      ["/lib/ld-2.31.so", "/usr/bin/touch", C],
      ["setarch", "x86_64", "touch", C],
      ["linux64", "touch", C],
      ["genv", "-S", "touch x"],
      ["gtimeout", "5", "touch", C],
      ["tmux", "new", "-d", "touch x"],
      ["crontab", "f"],
      ["runcon", "x", "touch", C],
    ],
  },
  {
    name: "X38: cmd.exe behind dots and blanks that Windows drops",
    allow: ["*"],
    machine: {
      platform: "windows",
      executables: ["C:\\w\\cmd.exe.", "C:\\w\\cmd.exe "],
      cwd: "C:\\w",
    },
    refused: [["C:\\w\\cmd.exe.", "/c", "dir"], ["C:\\w\\cmd.exe ", "/c", "dir"]],
  },
];

for (const row of [...rows, ...more]) {
  Deno.test(`${row.name} is refused`, async () => {
    for (const argv of row.refused) {
      const { verdict } = await judge({ ...row, argv });
      assertEquals(
        verdict.outcome,
        "deny",
        `allowed: ${JSON.stringify(argv)} by ${verdict.outcome === "run" ? verdict.rule : ""}`,
      );
      assert(
        verdict.outcome === "deny" && /^SYSTEM_RUN_DENIED: allowlist miss\n/.test(verdict.message),
        "typed refusal",
      );
    }
  });
}
