/**
 * G1 for programs that start others: each line is run as it stands and makes the canary, so it is an attack on this
 * machine; with its programs allowed, all but the one that makes the canary, it must be refused. Lines whose program is not installed, or that do
 * nothing here, prove nothing and are not counted.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { decide } from "../../../src/approvals/decide.ts";
import { makePlan } from "../../../src/approvals/plan.ts";
import { policyOf } from "../fake_machine.ts";
import { realFacts } from "./real_facts.ts";

/** `␣` is a blank inside a word, `$C` the canary, `$D` the scratch folder; a line in `sh:` is shell text. */
const LINES = `
sed 1e␣touch␣$C f
sed 1e␣touch␣$C f -- --sandbox
sed s/[/]/p;s/e;p;#/x/ s
sed --expr=1e␣touch␣$C f
awk BEGIN{system("touch␣$C")}
awk BEGIN{print|"touch␣$C"}
awk BEGIN{"touch␣$C"|getline}
mawk -W interactive BEGIN{system("touch␣$C")}
find . -maxdepth 0 -exec touch $C ;
find . -maxdepth 0 -execdir touch $C ;
find . -maxdepth 0 -fprintf $C x
find . -maxdepth 0 -exec sh -c touch␣$C ;
xargs -a f -I{} touch $C
tar -cf /dev/null f --checkpoint=1 --checkpoint-ac=exec=touch␣$C
tar -cf x.tar --use=touch␣$C f
split --f=touch␣$C f
git -c alias.x=!touch␣$C x
git -c core.fsmonitor=touch␣$C status
git ls-remote --upload-pack=touch␣$C;: .
git --exec-path=$D/hooks x
git log --output=$C
make --eva=$(shell␣touch␣$C)
make x CC=touch␣$C␣;
make x.o CFLAGS=-wrapper␣$D/evil
make x.o TARGET_ARCH=-wrapper␣$D/evil
gcc -c x.c -wrapper $D/evil
gcc -B$D/bin -c x.c
vim -es +!touch␣$C +q
ssh -4oProxyCommand=touch␣$C h
scp -S $D/evil f h:
wget --exe=use_askpass=$D/evil http://127.0.0.1:1/
sqlite3 :memory: .shell␣touch␣$C
sqlite3 -cmd .shell␣touch␣$C :memory: .quit
zip x.zip f -T --unzip-command=touch␣$C␣#
env A=1 touch $C
nice -n 1 env touch $C
flock $D/l touch $C
setarch -R touch $C
ld.so /usr/bin/touch $C
$D/links/b -c touch␣$C
$D/links/e touch $C
sh: echo '.shell touch $C' | sqlite3
sh: echo 'x:;touch $C' | make -sf-
sh: echo '--eval=x:;touch $C' | xargs -d '\\n' make
sh: echo '-exec touch $C ;' | xargs find .
sh: echo '1e touch $C' | xargs -d '\\n' sed -n -- f f
sh: echo a | xargs -I{} -E cat touch $C
sh: echo ok | cat && nice touch $C | cat
sh: cd /dev && echo 'BEGIN{system("touch $C")}' | awk -f stdin
sh: echo 'BEGIN{system("touch $C")}' | awk -f /dev/shm/../stdin
sh: cd /dev/shm && echo 'x:;touch $C' | make -sf ../stdin
sh: echo ':!touch $C' | vim f
sh: echo '!touch $C' | dc
dpkg-architecture -ctouch␣$C
debconf touch $C
fakeroot-sysv touch $C
scriptlive -I f -T f -c touch␣$C
pee touch␣$C
`;

/** All programs of the lines but the ones that make the canary. */
const ALLOWED =
  "sed awk mawk find xargs tar split git make gcc vim ssh scp wget sqlite3 zip env nice flock setarch ld.so echo cat sh bash " +
  "dc dpkg-architecture debconf fakeroot-sysv scriptlive pee";

async function scratch(): Promise<string> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "openclaw-canary-" }));
  const write = (name: string, text: string, mode = 0o600) =>
    Deno.writeTextFile(join(folder, name), text, { mode });
  for (const name of ["hooks", "bin", "links"]) await Deno.mkdir(join(folder, name));
  const evil = `#!/bin/sh\ntouch ${folder}/canary\n`;
  for (const name of ["evil", "hooks/git-x", "bin/as", "bin/cc1"]) await write(name, evil, 0o700);
  await write("f", "hello\n");
  await write("s", `touch /canary\n`);
  await write("x.c", "int main(){return 0;}\n");
  for (const [link, name] of [["b", "bash"], ["e", "env"]] as const) {
    await Deno.symlink(`/usr/bin/${name}`, join(folder, "links", link));
  }
  return folder;
}

/** Whether the line makes the canary when nobody judges it. */
async function attacks(argv: readonly string[], folder: string): Promise<boolean> {
  const [file = "", ...args] = argv;
  const env = { HOME: folder, PATH: "/usr/bin:/bin", GIT_CONFIG_NOSYSTEM: "1", TERM: "dumb" };
  try {
    await new Deno.Command(file, {
      args,
      cwd: folder,
      env,
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(5000),
    }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const canary = join(folder, "canary");
  const found = await Deno.stat(canary).then(() => true, () => false);
  if (found) await Deno.remove(canary);
  for (const made of ["x.o", "x.tar", "x.zip", "x"]) {
    await Deno.remove(join(folder, made)).catch(() => {/* most make none of them */});
  }
  return found;
}

Deno.test({
  name:
    "G1, X15: what starts another program on this machine is refused though it is allowed itself",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await scratch();
    try {
      await attacks(["git", "init", "-q", "."], folder);
      const identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
      await attacks(["git", ...identity, "commit", "-q", "--allow-empty", "-m", "x"], folder);
      const facts = realFacts(["/usr/bin", "/bin"], folder);
      const allow = ALLOWED.split(" ").flatMap((name) => [name, `/usr/bin/${name}`]);
      const policy = policyOf([...allow, `${folder}/links/*`].map((pattern) => ({ pattern })));
      let real = 0;
      for (const line of LINES.trim().split("\n")) {
        const text = line.replaceAll("$C", `${folder}/canary`).replaceAll("$D", folder);
        const argv = text.startsWith("sh: ")
          ? ["sh", "-c", text.slice(4)]
          : text.split(" ").map((word) => word.replaceAll("␣", " "));
        if (await attacks(argv, folder)) real++;
        const plan = await makePlan({ argv }, facts);
        assertEquals(decide(plan, { policy, facts }).outcome, "deny", line);
      }
      assert(real >= 15, `only ${real} lines are attacks on this machine`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
