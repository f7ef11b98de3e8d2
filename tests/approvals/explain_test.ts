/**
 * Forty representative misses. For each the explanation alone must lead to the fix: the suggested rules are added and the
 * same command then runs; where no rule can help, the text says what to do, and doing it helps.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { explanationText } from "../../src/approvals/explain.ts";
import { parseApprovals } from "../../src/approvals/file/approvals_file.ts";
import { decide } from "../../src/approvals/decide.ts";
import { makePlan } from "../../src/approvals/plan.ts";
import { effectivePolicy } from "../../src/approvals/policy.ts";
import { type Case, fakeMachine, judge, newId, sh } from "./fake_machine.ts";

interface Miss extends Case {
  readonly name: string;
  /** What the explanation must say. */
  readonly says: RegExp;
  readonly fix: "add-rules" | "exact-rule" | "approve" | "policy" | "rewrite";
  /** What a person does after reading, when no rule is suggested. */
  readonly then?: Partial<Case>;
}

const machine = {
  programs: "make npx jq psql",
  executables: ["/opt/tools/git", "/srv/app/run.sh", "/usr/local/bin/node"],
  files: { "/srv/app/s.sh": "x", "/srv/app/a.py": "y" },
};

const misses: readonly Miss[] = [
  {
    name: "a program without a rule",
    argv: ["make", "test"],
    says: /\[1\] make test -> \/usr\/bin\/make: not allowed, no rule covers "\/usr\/bin\/make"/,
    fix: "add-rules",
  },
  {
    name: "the second command of a list",
    argv: sh("git pull && make"),
    allow: ["git"],
    says: /\[1\] git pull -> \/usr\/bin\/git: allowed by agents\.\* "git"\n\[2\] make/,
    fix: "add-rules",
  },
  {
    name: "two commands without a rule",
    argv: sh("git pull && make"),
    says: /fix: .*\/usr\/bin\/git\nfix: .*\/usr\/bin\/make/,
    fix: "add-rules",
  },
  {
    name: "the end of a pipeline",
    argv: sh("git log | jq ."),
    allow: ["git"],
    says: /\[2\] jq \. -> \/usr\/bin\/jq: not allowed/,
    fix: "add-rules",
  },
  {
    name: "a bare-name rule and a command with a path",
    argv: ["/usr/bin/git", "status"],
    allow: ["git"],
    says:
      /closest rule: agents\.\* "git", a bare name, which only fits a command written without a path/,
    fix: "add-rules",
  },
  {
    name: "a rule that differs in case",
    argv: ["git", "status"],
    allow: ["/usr/bin/Git"],
    says: /differs in upper and lower case/,
    fix: "add-rules",
  },
  {
    name: "a rule for another directory",
    argv: ["git", "status"],
    allow: ["/opt/tools/git"],
    says: /closest rule: agents\.\* "\/opt\/tools\/git", which is in another directory/,
    fix: "add-rules",
  },
  {
    name: "a rule for a program with a similar name",
    argv: ["git", "status"],
    allow: ["/usr/bin/gix"],
    says: /closest rule: agents\.\* "\/usr\/bin\/gix", which names another program/,
    fix: "add-rules",
  },
  {
    name: "an argPattern that does not fit",
    argv: ["git", "push"],
    allow: [{ pattern: "/usr/bin/git", argPattern: "^(status|diff)$" }],
    says: /whose argPattern does not fit the arguments/,
    fix: "add-rules",
  },
  {
    name: "a learned rule for other arguments",
    argv: ["git", "push"],
    allow: [{ pattern: "/usr/bin/git", argPattern: `sha256:cwd-argv:v1:${"0".repeat(64)}` }],
    says: /bound to other arguments or another directory/,
    fix: "add-rules",
  },
  {
    name: "a rule with an unknown key",
    argv: ["git", "push"],
    allow: [{ pattern: "/usr/bin/git", hosts: ["a"] }],
    says: /has a key that is not known here/,
    fix: "add-rules",
  },
  {
    name: "a wrapper in front",
    argv: ["timeout", "5", "make"],
    says: /\[1\] timeout 5 make -> \/usr\/bin\/make: not allowed/,
    fix: "add-rules",
  },
  {
    name: "the inner command of find",
    argv: ["find", ".", "-exec", "git", "add", "{}", ";"],
    allow: ["find"],
    says: /no rule covers "\/usr\/bin\/git", which this command starts/,
    fix: "add-rules",
  },
  {
    name: "the inner command of xargs",
    argv: ["xargs", "git", "add", "--"],
    allow: ["xargs"],
    says: /no rule covers "\/usr\/bin\/git", which this command starts/,
    fix: "add-rules",
  },
  {
    name: "a script run by a shell",
    argv: ["bash", "s.sh"],
    says: /no rule covers the script "\/srv\/app\/s\.sh"/,
    fix: "add-rules",
  },
  {
    name: "a script run by its path",
    argv: ["./run.sh"],
    says: /\/srv\/app\/run\.sh: not allowed/,
    fix: "add-rules",
  },
  {
    name: "a login shell",
    argv: ["bash", "-lc", "git status"],
    allow: ["git"],
    says: /login shell, which runs profile files first\n {4}hint: use -c without -l/,
    fix: "add-rules",
  },
  {
    name: "a safe bin with a file",
    argv: ["head", "/etc/passwd"],
    says: /as a safe bin head may not be given the file "\/etc\/passwd"/,
    fix: "add-rules",
  },
  {
    name: "a safe bin with a dangerous option",
    argv: ["tail", "-f"],
    says: /as a safe bin tail may not be given "-f"/,
    fix: "add-rules",
  },
  {
    name: "a safe bin from an untrusted place",
    argv: ["/opt/x/wc"],
    machine: { executables: ["/opt/x/wc"] },
    says: /"\/opt\/x\/wc" is not in a trusted directory/,
    fix: "add-rules",
  },
  {
    name: "an interpreter with a script",
    argv: ["python3", "a.py"],
    says: /\/usr\/bin\/python3: not allowed/,
    fix: "exact-rule",
  },
  {
    name: "inline code",
    argv: ["python3", "-c", "1"],
    says: /\/usr\/bin\/python3: not allowed/,
    fix: "exact-rule",
  },
  {
    name: "inline code under strict inline eval",
    argv: ["python3", "-c", "1"],
    allow: ["python3"],
    config: { strictInlineEval: true },
    says: /it carries code inline and strictInlineEval is on/,
    fix: "exact-rule",
  },
  {
    name: "an unquoted variable",
    argv: sh("git add $FILE"),
    allow: ["git"],
    says:
      /not read: the shell text has an unquoted "\$", an expansion at offset 8 \(put the word in single quotes/,
    fix: "exact-rule",
  },
  {
    name: "a glob",
    argv: sh("git add *.ts"),
    allow: ["git"],
    says: /an unquoted "\*", a file name pattern at offset 8/,
    fix: "exact-rule",
  },
  {
    name: "a substitution",
    argv: sh('git log "$(git rev-parse HEAD)"'),
    allow: ["git"],
    says: /"\$" inside double quotes, an expansion at offset 9/,
    fix: "exact-rule",
  },
  {
    name: "a redirection to a file",
    argv: sh("git log > log.txt"),
    allow: ["git"],
    says: /the redirection "> log\.txt" at offset 8/,
    fix: "exact-rule",
  },
  {
    name: "a background command",
    argv: sh("git fetch &"),
    allow: ["git"],
    says: /starts a command in the background/,
    fix: "exact-rule",
  },
  {
    name: "a line break",
    argv: sh("git fetch\ngit pull"),
    allow: ["git"],
    says: /a line break between commands at offset 9 \(join the commands with && or ;\)/,
    fix: "exact-rule",
  },
  {
    name: "an assignment in front",
    argv: sh("GIT_TRACE2=1 git log"),
    allow: ["git"],
    says:
      /the assignment "GIT_TRACE2=" at offset 0 \(leave the shell out and give --env NAME=value/,
    fix: "exact-rule",
  },
  {
    name: "a builtin",
    argv: sh("export A=1"),
    says: /"export" is a shell builtin, not a program/,
    fix: "exact-rule",
  },
  {
    name: "a shell option",
    argv: ["bash", "-x", "-c", "git log"],
    allow: ["git"],
    says: /bash is given the option "-x" \(leave out the trace\)/,
    fix: "exact-rule",
  },
  {
    name: "env with an assignment",
    argv: ["env", "A=1", "git", "log"],
    allow: ["git"],
    says: /env sets "A"/,
    fix: "exact-rule",
  },
  {
    name: "sudo",
    argv: ["sudo", "git", "log"],
    allow: ["git", "sudo"],
    says: /"sudo" runs another program in a way that is not judged here/,
    fix: "exact-rule",
  },
  {
    name: "an option that runs programs",
    argv: ["git", "-c", "core.pager=less", "log"],
    allow: ["git"],
    says: /"-c core\.pager=less" can make git run another program/,
    fix: "exact-rule",
  },
  {
    name: "a list behind a wrapper",
    argv: ["timeout", "5", "bash", "-c", "git pull && git gc"],
    allow: ["git"],
    says: /hint: put the wrapper inside the list/,
    fix: "exact-rule",
  },
  {
    name: "a runner without the package",
    argv: ["npx", "tsc"],
    allow: ["npx"],
    says: /"tsc" is not installed in node_modules\/\.bin, so npx would fetch it/,
    fix: "exact-rule",
  },
  {
    name: "a program that does not exist",
    argv: ["maek", "test"],
    says: /fix: "maek" was not found; install it or name it by its absolute path/,
    fix: "rewrite",
    then: { argv: ["make", "test"], allow: ["make"] },
  },
  {
    name: "security=deny",
    argv: ["git", "log"],
    allow: ["git"],
    settings: { security: "deny" },
    says: /fix: security=deny is set in defaults; set it to "allowlist" there/,
    fix: "policy",
    then: { settings: { security: "allowlist" } },
  },
  {
    name: "ask=always",
    argv: ["git", "log"],
    allow: ["git"],
    settings: { ask: "always" },
    says: /fix: each run needs an approval: ask=always is set in defaults/,
    fix: "approve",
    then: { facts: { approved: true } },
  },
  {
    name: "a directory that cd cannot reach",
    argv: sh("cd nowhere && git log"),
    allow: ["git"],
    says: /"cd nowhere" does not lead to a directory/,
    fix: "exact-rule",
  },
  {
    name: "cd in the middle",
    argv: sh("git log && cd sub && git log"),
    allow: ["git"],
    says: /"cd" is only run in front: cd <directory> && …/,
    fix: "exact-rule",
  },
];

assert(misses.length >= 40);

for (const miss of misses) {
  Deno.test(`explain() leads to the fix: ${miss.name}`, async () => {
    const one = { machine, ...miss };
    const { verdict } = await judge(one);
    assert(verdict.outcome === "deny");
    const text = explanationText(verdict.explanation);
    assertMatch(text, miss.says);
    assert(verdict.message.endsWith(text), "the refusal carries the same text");
    assertEquals(verdict.explanation.fix?.kind, miss.fix, text);
    const patterns = verdict.explanation.fix?.patterns ?? [];
    for (const pattern of patterns) assert(text.includes(pattern), "the rule is in the text");
    assertEquals(patterns.length > 0, miss.then === undefined);
    const after = await judge({ ...one, allow: [...miss.allow ?? [], ...patterns], ...miss.then });
    assertEquals(after.verdict.outcome, "run", explanationText(after.verdict.explanation));
  });
}

/** What people of a build server type, what the refusal says, and the same work as it then runs. */
const rewrites: readonly [refused: string, says: RegExp, then: readonly string[]][] = [
  ["[ -f x ] && make", /write test … for \[ … \]/, sh("test -f x && make")],
  ["make > build.log 2>&1", /tee <file>/, sh("make 2>&1 | tee build.log")],
  ["sha256sum x >> sums", /tee <file>/, sh("sha256sum x | tee -a sums")],
  ["jq . < x.json", /cat <file> \|/, sh("cat x.json | jq .")],
  ["CI=1 make test", /leave the shell out and give --env/, ["make", "test"]],
  ["export CI=1 && make test", /leave the shell out and give --env/, ["make", "test"]],
  ["env CI=1 make test", /leave env and the shell out and give --env/, ["make", "test"]],
  ["set -e; make; make test", /join the commands with &&/, sh("make && make test")],
  ["command -v make", /which <name>/, sh("which make")],
  ["git log && cd sub && make", /run what stands before it on its own/, sh("cd sub && make")],
  ["for f in a b; do cat $f; done", /sh <file>/, ["sh", "ci.sh"]],
  ["jq . <<E\n1\nE", /sh <file>/, ["sh", "ci.sh"]],
  ["diff <(cat a) <(cat b)", /sh <file>/, ["sh", "ci.sh"]],
  [". ./env.sh && make", /sh <file>/, ["sh", "ci.sh"]],
  ["sudo make install", /run the inner command itself/, sh("make install")],
  ["poetry run pytest", /\.venv\/bin\/<name>/, sh(".venv/bin/pytest")],
  ["echo $HOME", /single quotes if it is meant literally/, sh("echo '$HOME'")],
];
for (const [refused, says, then] of rewrites) {
  Deno.test(`explain() says what runs instead of ${refused.replaceAll("\n", " ")}`, async () => {
    const one = {
      machine: {
        programs: "make tee sha256sum jq which poetry diff",
        files: { "/srv/app/ci.sh": "make" },
        executables: ["/srv/app/.venv/bin/pytest"],
        directories: ["/srv/app/sub"],
      },
      allow: "make tee sha256sum jq which poetry diff cat test git echo sudo env /srv/app/**".split(
        " ",
      ),
    };
    const { verdict } = await judge({ ...one, argv: sh(refused) });
    assert(verdict.outcome === "deny");
    assertMatch(explanationText(verdict.explanation), says);
    const after = await judge({ ...one, argv: then, request: { env: { CI: "1" } } });
    assertEquals(after.verdict.outcome, "run", explanationText(after.verdict.explanation));
  });
}

Deno.test("explain() says which rule allowed each command", async () => {
  const { verdict } = await judge({
    argv: sh("git log | head -n 1"),
    allow: ["git"],
    request: { env: { CI: "1", TERM: "x" } },
  });
  assertEquals(
    explanationText(verdict.explanation),
    [
      'command: /bin/sh -c "git log | head -n 1"',
      "directory: /srv/app",
      '[1] git log -> /usr/bin/git: allowed by agents.* "git"',
      '[2] head -n 1 -> /usr/bin/head: allowed by safe bin "head"',
      "environment: set TERM",
      "environment: dropped for a shell: CI",
      "policy: security=allowlist (defaults), ask=off (defaults), agent main",
    ].join("\n"),
  );
});

Deno.test("explain() names the broken approvals file as the reason for deny", async () => {
  const facts = fakeMachine();
  const policy = effectivePolicy({ approvals: parseApprovals("{", newId) });
  const verdict = decide(await makePlan({ argv: ["git"] }, facts), { policy, facts });
  assert(verdict.outcome === "deny" && verdict.reason === "security=deny");
  assertMatch(
    verdict.message,
    /^SYSTEM_RUN_DISABLED: security=deny\n[^]*fix: repair the approvals file: the approvals file cannot be read/,
  );
});
