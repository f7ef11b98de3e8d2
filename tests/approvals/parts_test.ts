/** The small parts: globs, paths, sed scripts, interpreters, git options, PowerShell words, wrappers. */
import { assert, assertEquals } from "@std/assert";
import { codeOptions } from "../../src/approvals/reading/options/code_options.ts";
import { argPatternDigest } from "../../src/approvals/digest.ts";
import { isBounded } from "../../src/approvals/matching/bounded.ts";
import { argPatternFits } from "../../src/approvals/matching/match.ts";
import { interpreterUse } from "../../src/approvals/reading/interpreters.ts";
import { absolutePath, baseName, cleanPath } from "../../src/approvals/reading/paths.ts";
import {
  globMatches,
  namePatternMatches,
  pathPatternMatches,
  patternKind,
} from "../../src/approvals/matching/pattern.ts";
import { stdioOf } from "../../src/approvals/reading/shell/redirects.ts";
import { sedRunsNothing } from "../../src/approvals/reading/options/sed_script.ts";
import { powershellCarrier, shellUse } from "../../src/approvals/reading/shells.ts";
import { judge } from "./fake_machine.ts";

const globs: readonly [pattern: string, text: string, fits: boolean][] = [
  ["/usr/bin/git", "/usr/bin/git", true],
  ["/usr/bin/*", "/usr/bin/git", true],
  ["/usr/*", "/usr/bin/git", false],
  ["/usr/**", "/usr/bin/git", true],
  ["**/git", "/usr/bin/git", true],
  ["/opt/**/git", "/opt/a/b/git", true],
  ["/opt/a?b", "/opt/a/b", false],
  ["/opt/a?b", "/opt/axb", true],
  ["/opt/*/bin/*", "/opt/a/bin/x", true],
  ["/opt/*/bin/*", "/opt/a/b/bin/x", false],
  ["/usr/bin/Git", "/usr/bin/git", false],
  ["*", "", true],
  ["", "", true],
  ["", "x", false],
  ["/a.c", "/abc", false],
  ["/a+(b)[c]", "/a+(b)[c]", true],
  ["/a***b", "/a/x/b", true],
  ["/é", "/e\u0301", false],
];

Deno.test("X26 X37: globMatches() compares code units, one star stays in a segment", () => {
  for (const [pattern, text, fits] of globs) {
    assertEquals(globMatches(pattern, text), fits, `${pattern} ${text}`);
  }
});

Deno.test("globMatches() is quick for a hostile pattern", () => {
  const started = performance.now();
  assertEquals(globMatches("*a".repeat(500) + "b", "a".repeat(4000)), false);
  assertEquals(globMatches("x".repeat(5000), "x".repeat(5000)), false);
  assert(performance.now() - started < 1000);
});

Deno.test("patternKind() and name patterns", () => {
  assertEquals(
    ["*", "git", "g*t", "/x", "~/x", "a\\b", "=argv:1", "=command:1", "=node-command:1", "=x"].map(
      patternKind,
    ),
    [
      "all",
      "name",
      "name",
      "path",
      "path",
      "path",
      "exact-argv",
      "exact-text",
      "unknown",
      "unknown",
    ],
  );
  assertEquals([
    namePatternMatches("git", "git", "linux"),
    namePatternMatches("git", "/usr/bin/git", "linux"),
    namePatternMatches("git", "Git", "linux"),
    namePatternMatches("git", "GIT.EXE", "windows"),
  ], [true, false, false, true]);
  const home = { platform: "linux", home: "/home/u", homeReal: "/data/u" } as const;
  assertEquals(
    ["/home/u/bin/x", "/data/u/bin/x", "/home/v/bin/x"].map((path) =>
      pathPatternMatches("~/bin/*", [path], home)
    ),
    [true, true, false],
  );
  assertEquals(pathPatternMatches("/home/u/bin/*", ["/data/u/bin/x"], home), true);
  assertEquals(
    pathPatternMatches("c:\\tools\\*", ["C:\\Tools\\X.exe"], { ...home, platform: "windows" }),
    true,
  );
});

Deno.test("paths are cleaned before anything is compared", () => {
  assertEquals(
    ["/a/../b", "/a/./b//c", "/../..", "/a/b/..", "/"].map((path) => cleanPath(path, "linux")),
    ["/b", "/a/b/c", "/", "/a", "/"],
  );
  assertEquals(
    ["C:/a/../b", "C:\\a\\.\\b", "\\\\srv\\share\\a\\..\\b"].map((path) =>
      cleanPath(path, "windows")
    ),
    ["C:\\b", "C:\\a\\b", "\\\\srv\\share\\b"],
  );
  assertEquals(absolutePath("../x", "/a/b", { platform: "linux", home: "/h" }), "/a/x");
  assertEquals(["/usr/bin/Git.EXE", "C:\\x\\CMD.exe", "a.cmd.exe", "x"].map(baseName), [
    "git",
    "cmd",
    "a.cmd",
    "x",
  ]);
});

Deno.test("stdioOf() applies redirections left to right", () => {
  assertEquals(stdioOf([{ fd: 2, to: 1 }, { fd: 1, to: "null" }]), {
    stdin: "inherit",
    stdout: "null",
    stderr: "out",
  });
  assertEquals(stdioOf([{ fd: 1, to: "null" }, { fd: 2, to: 1 }]), {
    stdin: "inherit",
    stdout: "null",
    stderr: "null",
  });
  assertEquals(stdioOf([{ fd: 1, to: 2 }, { fd: 0, to: "null" }]), {
    stdin: "null",
    stdout: "err",
    stderr: "err",
  });
});

Deno.test("argPatternDigest() has the v4 form", async () => {
  // printf '4\0/tmp\0' '2\0' '1\0a\0' '3\0b c\0' | sha256sum
  const digest = await argPatternDigest("/tmp", ["a", "b c"]);
  assertEquals(
    digest,
    "sha256:cwd-argv:v1:f9c069b424c237d7ce0d66785c95674d7941ca3a6a1a053eac8bad49a76cfc34",
  );
  assert(
    digest !== await argPatternDigest("/tmp", ["a b", "c"]) &&
      digest !== await argPatternDigest("/tm", ["pa", "b c"]),
  );
});

Deno.test("sedRunsNothing() accepts editing and printing, and no script that could run or write", () => {
  const good = [
    ["s/a/b/"],
    ["-n", "1,20p"],
    ["-n", "/x/p", "f"],
    ["s#a/b#c#g"],
    ["-e", "s/a/b/", "-e", "3d"],
    ["/^#/d;/^$/d"],
    ["-i", "s/a/b/g", "f"],
    ["-i.bak", "s/a/b/", "f"],
    ["-E", "s/(a|b)+/\\1/"],
    ["5q"],
    ["$d"],
    ["--sandbox", "e"],
    ["1!G;h;$!d"],
    ["y/abc/xyz/"],
  ];
  const bad = [
    ["e"],
    ["1e touch x"],
    ["s/a/b/e"],
    ["s/a/b/w f"],
    ["w f"],
    ["r f"],
    ["-f", "f"],
    ["--file=f"],
    ["s/a/b/;e"],
    ["-n", "1p;e id"],
    ["s/a/b/ge"],
    ["s/a/b/", "-e", "e"],
    ["-e", "s/a/b/", "--expression=e id"],
    ["{e}"],
    ["s/a\nb/c/e"],
    ["a\\\ntext\ne"],
    [":a;e"],
    ["s,a,b,e"],
    ["1~2e"],
    ["/x/e id"],
    ["-ne", "e"],
    ["s/x/y/\ne id"],
  ];
  for (const args of good) assertEquals(sedRunsNothing(["sed", ...args]), true, args.join(" "));
  for (const args of bad) assertEquals(sedRunsNothing(["sed", ...args]), false, args.join(" "));
});

Deno.test("codeOptions() finds options that run programs, also abbreviated or bundled", () => {
  const bad = [
    "git -c alias.x=!y x",
    "git -calias.x=!y x",
    "git --exec-path=/x log",
    "git --config-env=a=b log",
    "git clone -u x y",
    "git clone --upload-pack=x y",
    "git clone ext::sh",
    "git rebase -x make main",
    "git rebase -i main",
    "git grep -Oless x",
    "git bisect run make",
    "git difftool",
    "git config core.pager x",
    "git config alias.x !y",
    "git config --global core.hooksPath /x",
    "git -C /x submodule foreach y",
    "git -c user.name=a -c core.editor=b commit",
    "git fetch --upload-pack x",
    "tar -I sh -xf x",
    "tar xIf sh x",
    "tar --use-compress=sh -xf x",
    "tar --to-c=sh -xf x",
    "tar -cf x --checkpoint-act=exec=sh y",
    "tar -xFsh x",
    "ssh -oProxyCommand=x h",
    "ssh -o ProxyCommand=x h",
    "ssh -F f h",
    "ssh -Tvo ProxyCommand=x h",
    "scp -S x a b",
    "rsync -e sh a b",
    "rsync --rsh=sh a b",
    "rsync -ave x a b",
    "rsync --rsync-path=x a b",
    "sort --compress-prog=x",
    "split --filter=x f",
    "zip -TT x a",
    "zip -T a",
    "man -P x y",
    "man --pag=x y",
    "less +!x f",
    "vim -c x f",
    "vim +x f",
    "gcc -wrapper x a.c",
    "go test -exec x",
    "go vet -vettool=x",
    "cargo --config x build",
    "make SHELL=/x",
    "make --eval=x",
    "rg --pre x y",
    "fd -x rm",
    "fd --exec rm",
    "install --strip-program=x a b",
    "wget --use-askpass=x u",
    "ip netns exec n x",
    "tcpdump -z x",
    "npm --script-shell=x run y",
    "find . -ok x ;",
    "find . -exec",
    "xargs",
    "xargs -a f x",
    "xargs --arg-file=f x",
    "sqlite3 a .shell",
    "psql -c \\!x",
  ];
  const good = [
    "git log",
    "git -C /x log",
    "git -c user.name=a commit",
    "git commit -c HEAD",
    "git config user.name",
    "git config --get core.pager",
    "git checkout -u",
    "git push -u origin x",
    "tar -xzf x",
    "tar xzf x",
    "tar --exclude=x -cf y z",
    "ssh h uname",
    "ssh -p 22 -i k h",
    "rsync -av a b",
    "rsync -e ssh a b",
    "sort -k 2",
    "zip -r a b",
    "vim f",
    "gcc -o a b.c",
    "go test ./...",
    "cargo build",
    "make CC=gcc",
    "rg x",
    "fd x",
    "wget u",
    "npm run x",
    "less f",
  ];
  for (const text of bad) assert(codeOptions(text.split(" ")).refusal, text);
  for (const text of good) assertEquals(codeOptions(text.split(" ")), { nested: [] }, text);
  assertEquals(
    codeOptions(["find", ".", "-exec", "a", "{}", ";", "-exec", "b", "{}", "+"]).nested,
    [{ start: 3, end: 5 }, { start: 7, end: 9 }],
  );
  assertEquals(codeOptions(["xargs", "-0", "-n", "1", "rm", "-f"]).nested, [{ start: 4, end: 6 }]);
});

Deno.test("nested commands run by path and must be plain programs", async () => {
  const { verdict } = await judge({
    argv: ["find", ".", "-exec", "cat", "{}", ";"],
    allow: ["find", "cat"],
  });
  assert(verdict.outcome === "run" && verdict.execution.kind === "list");
  assertEquals(verdict.execution.items[0]?.stages[0]?.args, [
    ".",
    "-exec",
    "/usr/bin/cat",
    "{}",
    ";",
  ]);
  for (
    const inner of [["sh", "-c", "x"], ["env", "cat"], ["python3", "x"], ["sudo", "cat"], [
      "xargs",
      "cat",
    ], ["nope"]]
  ) {
    for (const argv of [["find", ".", "-exec", ...inner, ";"], ["xargs", ...inner]]) {
      assertEquals((await judge({ argv, allow: ["*"] })).verdict.outcome, "deny", argv.join(" "));
    }
  }
});

Deno.test("interpreterUse() tells inline code, script and input apart", () => {
  const kinds = (text: string) => interpreterUse(text.split(" "))?.kind;
  for (
    const text of [
      "python3 -c x",
      "python -Ec x",
      "python3.11 -m x",
      "node -e x",
      "node --require=x y",
      "node --import x y",
      "perl -e x",
      "perl -i -pe x",
      "ruby -rx y",
      "php -r x",
      "awk x",
      "gawk -i x y",
      "lua -e x",
      "deno eval x",
      "bun -e x",
      "tsx -e x",
      "osascript -e x",
      "Rscript -e x",
      "node --test",
      "node --inspect=0.0.0.0 x",
    ]
  ) assertEquals(kinds(text), "inline", text);
  for (
    const text of [
      "python3 x.py",
      "python3 -u -B x.py",
      "python3 -W error x.py",
      "node x.js -e",
      "node -- -e",
      "perl -w x.pl",
      "ruby -w x.rb",
      "php x.php",
      "deno run -A x.ts",
      "deno x.ts",
      "bun run x.ts",
      "tsx x.ts",
      "bash x",
    ].slice(0, -1)
  ) assertEquals(kinds(text), "file", text);
  for (const text of ["python3", "python3 -", "node", "node --odd x", "perl -"]) {
    assertEquals(kinds(text), "unbound", text);
  }
  assertEquals([kinds("python3 --version"), kinds("git x")], ["info", undefined]);
});

Deno.test("X22: shellUse() reads every spelling of -c or refuses", () => {
  const use = (text: string) => shellUse(text.split(" "));
  for (
    const text of [
      "sh -c x",
      "bash -ec x",
      "bash -c -- x",
      "bash -e -c x",
      "bash -c -e x",
      "/bin/BASH -c x",
      "bash.exe -c x",
      "zsh -lc x",
      "bash --login -c x",
    ]
  ) {
    const found = use(text);
    assert(found?.kind === "inline" && found.script === "x", text);
  }
  for (
    const text of [
      "bash -xc x",
      "bash -lic x",
      "bash +O extglob -c x",
      "bash --rcfile f -c x",
      "bash -O x -c y",
      "sh -s",
      "sh",
      "sh -",
      "bash -l",
      "-bash",
      "-sh -c x",
      "csh -c x",
      "nu -c x",
      "cmd /c x",
      "pwsh x",
      "bash -c",
      "bash -l x",
    ]
  ) {
    assertEquals(use(text)?.kind, "refused", text);
  }
  assertEquals(use("git x"), undefined);
});

Deno.test("X40: powershellCarrier() sees every prefix, dash and value form", () => {
  for (
    const word of [
      "-enc",
      "-ec",
      "-e",
      "-EncodedCommand",
      "-enco",
      "/enc",
      "-enc:x",
      "\u2013enc",
      "\u2014e",
      "\u2015EC",
      "--encodedcommand",
      "-E",
    ]
  ) assertEquals(powershellCarrier([word, "x"]), "encoded", word);
  assertEquals(powershellCarrier(["-NoProfile", "-enc", "x"]), "encoded");
  for (const word of ["-Command", "-c", "/c", "-com", "-cwa", "Get-Process"]) {
    assertEquals(powershellCarrier([word, "x"]), "command", word);
  }
  for (const word of ["-File", "-f", "/file", "x.ps1"]) {
    assertEquals(powershellCarrier([word]), "file", word);
  }
  assertEquals([powershellCarrier([]), powershellCarrier(["-"])], ["input", "input"]);
});

Deno.test("isBounded() keeps expressions that go back for ever away from the engine", () => {
  const endless =
    "(a+)+$ ^(a|a)*$ ^(a|ab)+$ (.*)* ^((a*)b?)*$ ^(?:a{1,9})+$ ^(x+x+)+y (a)\\1+ ^(a?){50}$ ^.*.*.*.*.*x$ ((a?)b)+ ^(?:(?:a|b){1,30}){30}$";
  for (const pattern of endless.split(" ")) assertEquals(isBounded(pattern, 4000), false, pattern);
  const fine = [
    "^status$",
    "^(get|list)( .*)?$",
    "^--flag=.*$",
    "^install -y [a-z0-9 .-]+$",
    "^a\\0b\\0$",
    "^[(+*]+$",
    "^(-[a-z] )*x$",
    "a*",
    "^\\w{3}-\\d{4}$",
  ];
  for (const pattern of fine) assertEquals(isBounded(pattern, 4000), true, pattern);
});

Deno.test("argPatternFits() covers nothing with an expression that would not end", () => {
  const entry = { id: "1", pattern: "git", argPattern: "^(a+)+$" };
  assertEquals(argPatternFits(entry, ["a".repeat(60) + "!"], ""), false);
  assertEquals(argPatternFits({ ...entry, argPattern: "^a+$" }, ["aaa"], ""), true);
});
