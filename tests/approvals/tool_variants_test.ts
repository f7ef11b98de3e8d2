/**
 * What ordinary programs can be told to start: one table line for each kind of program, `␣` for a blank inside a word, `¦`
 * between lines. Every program is allowed by its name, and each line would make it start another one. Beside them stand the
 * everyday uses of the same programs.
 */
import { assertEquals } from "@std/assert";
import { judge, runs, sh } from "./fake_machine.ts";

const words = (line: string) =>
  line.split(" ").map((word) => word.replaceAll("␣", " ").replaceAll("⏎", "\n"));

/** A machine that has every program whose name occurs. */
function machineFor(lines: readonly string[]) {
  const names = lines.flatMap(words).filter((word) => /^[a-z][a-z0-9+-]*$/.test(word));
  return { programs: [...new Set([...names, ...lines.map((line) => words(line)[0])])].join(" ") };
}

const starts: Readonly<Record<string, string>> = {
  "X15: sed told to run a program behind a disguise":
    "sed 1e␣id f -- --sandbox¦sed -e 1e␣id --sandbox¦sed s/[/]/p;s/e;p;#/x/ f¦sed /[/]/p;e␣id;#/p f¦sed s/a/b/;1e␣id f¦sed s,[,],p,s,e;p;#,x, f¦sed y/a/b/;e f¦sed s/[[:alpha:]/]/p;s/e;p;#/x/ f",
  "X15: awk that starts a program":
    'awk BEGIN{system("id")}¦awk BEGIN{print|"id"}¦awk BEGIN{"id"|getline}¦awk BEGIN{system␣("id")}¦awk -F, {print␣$1␣|␣"id"}¦awk -v x=1 BEGIN{printf␣"a"␣|&␣"id"}¦gawk BEGIN{f="system";@f("id")}¦gawk -l x 1¦gawk -i x 1¦awk -f -¦awk -f/dev/stdin¦awk -f /proc/self/fd/0¦mawk BEGIN{sys\\\ntem("id")}¦awk -- BEGIN{system("id")}¦mawk -W interactive BEGIN{system("id")}¦awk -Wexec x BEGIN{system("id")}¦awk -d BEGIN{system("id")}¦gawk --source BEGIN{system("id")}¦awk BEGIN{a="}";print␣"a}"|"id"}',
  "X30: options in the shortest form that getopt takes":
    "sort --co=id f¦sort --com id f¦split --f=id f¦split --fi id f¦man --pa=id ls¦install --strip-pr=id -s a b¦tar xf x --to-c=id¦tar xf x --us=id¦wget --use-a=id u¦wget -qe use_askpass=id u¦wget -e robots=off -e use_askpass=id u¦rg --pr=id x",
  "X30: the last of several options counts":
    "ssh -o BatchMode=yes -o ProxyCommand=id h¦ssh -oBatchMode=yes␣-oProxyCommand=id h¦ssh -o User=x⏎ProxyCommand=id h¦ssh -vo BatchMode=yes h¦ssh -E /tmp/x h¦scp -o Port=22 -oProxyCommand=id f h:¦rsync -e ssh␣-o␣ProxyCommand=id a h:b¦cmake -DCMAKE_C_COMPILER=/tmp/gcc .¦cmake -DCMAKE_C_COMPILER_LAUNCHER=id .¦cmake -DCMAKE_C_COMPILER=gcc;id .¦rsync -e ssh -e id a b:¦rsync --rsh=ssh --rsh=id a b:¦rsync --rsh=ssh --rsync-path=id a b:¦rsync -avze ssh --rsh id a b:¦rsync -M--rsh=id a b:¦git -c color.ui=never -c core.pager=id log",
  "X15: xargs and find that hide what they run":
    "xargs -I{} -E cat id¦xargs -I{} -a f id¦xargs --replace={} --eof=x id¦xargs find .¦xargs find . --¦xargs xargs id¦xargs awk -F: --¦xargs sed -n --¦xargs sed --posix --¦xargs git config --add --¦xargs git --¦xargs git submodule --¦xargs npm --¦xargs sudo --version¦xargs env --help¦xargs make --¦xargs docker --¦xargs psql --¦find . -fprintf x y¦find . -fprint x¦find . -fls x¦find . -exec awk BEGIN{system(1)} ;¦find . -exec sed 1e␣id f ;¦find . -exec find . -exec id ; ;",
  "X15: git whose options hide the sub-command":
    "git --attr-source HEAD -c alias.y=!id y¦git --new-option x -c alias.y=!id y¦git -C . -calias.y=!id y¦git --config-env=alias.y=X y¦git log --output=x¦git diff-tree --outp x HEAD¦git format-patch --output=x¦git config --type=path core.fsmonitor id¦git config set --file f core.fsmonitor id¦git fetch --up=id .¦git fetch-pack --exec=id .¦git clone --temp=/tmp/t .¦git clone -qc core.fsmonitor=id .¦git rebase -xid HEAD¦git bisect --x run id¦git submodule -q foreach id",
  "X15: archives on other hosts":
    "tar xf h:x¦tar -xf h:x¦tar -xzfh:x¦tar --file=h:x -x¦cpio -iF h:x¦cpio -iI h:x",
  "X15: make from its input, and compilers told what to run":
    "make -sf- all¦make -sf /dev/stdin¦make -f /proc/self/fd/0¦make -f /./dev/stdin¦make CFLAGS=-wrapper␣id,x¦make x.o TARGET_ARCH=-wrapper␣id,x¦make x LDLIBS=-B/tmp/x¦make x LINK.o=id¦make COMPILE.c=id x.o¦make MAKEFILES=x¦ninja -f /dev/stdin¦gcc -Xlinker -plugin -Xlinker x.so x.c¦g++ -fmodule-mapper=|id x.c¦clang --ld-path=/tmp/x x.c¦clang -ccc-gcc-name id x.c¦nm --plugin x y¦ar --plugin x r y¦strip --plugin=x y¦rustc -Clinker=id x.rs¦rustc --codegen=linker=id x.rs¦rustdoc --test --test-runtool=id x¦go build -ldflags=-extld=id¦go env -w CC=id¦ghc -pgmF id x.hs¦ghc -e x¦bazel run --run_under=id x¦gradle -I x test¦mvn exec:exec -Dexec.executable=id",
  "X15: containers and clusters told to leave":
    "docker run -v /:/h x¦docker run --privileged x¦docker -H tcp://x ps¦docker run --mount type=bind,source=/,target=/h x¦docker run -v /var/run/docker.sock:/s x¦docker run --pid=host x¦podman unshare id¦podman --runtime=/tmp/x run y¦kubectl edit deploy/x¦kubectl config set-credentials x --exec-command=id¦helm template . --post-renderer id¦flatpak run x¦snap run --shell x",
  "X15: backup and transfer tools":
    "restic --password-command=id list¦restic -o sftp.command=id ls¦rclone --password-command id ls¦rclone copy --sftp-ssh id a b¦borg --rsh id list¦borg --remote-path=id x¦duplicity --ssh-options=-oProxyCommand=id a b¦curl --engine /tmp/x.so u¦aria2c --on-download-complete id u¦yt-dlp --exec id u¦yt-dlp --downloader id u¦lftp -c !id¦lftp -e shell␣id h¦smbclient //x/y -c !id¦sftp -b - h¦ssh-copy-id -o ProxyCommand=id h¦sshuttle -e id x¦certbot renew --deploy-hook id¦certbot certonly --pre-hook=id",
  "X15: system administration":
    "rpm --eval %(id)¦rpm -E %(id)¦rpm --pipe id -qa¦rpm --def x␣%(id) -qa¦rpm -qa --qf %{lua:os.execute()}¦dnf --setopt=pluginpath=/tmp/x up¦dnf --setop=tsflags=x up¦apt-get -oAPT::Update::Pre-Invoke::=id update¦apt-get -qo Dpkg::Pre-Invoke::=id update¦apt-get --opt=DPkg::Post-Invoke::=id update¦apt-get -o Dpkg::Options::=--force-confold␣-x update¦yum -c x up¦systemctl edit x¦systemctl link /tmp/x.service¦systemctl enable --now /tmp/x.service¦systemctl -H x status¦systemctl set-environment LD_PRELOAD=x¦service ../../bin/sh¦iptables --modprobe=/tmp/x -L¦iptables -M /tmp/x -L¦busctl call org.freedesktop.systemd1 / x StartTransientUnit¦logrotate -m id c¦update-alternatives --install /usr/bin/x x id 1¦debugfs -R !id¦nginx -c /tmp/x¦tcpdump -G1 -zid¦tshark -X lua_script:x¦openvpn --up id x¦nmap --script=x h",
  "X15: media, documents, mail and browsers":
    "convert |id x.png¦convert x png:|id¦magick -script x¦sox |id x.wav¦gs -o%pipe%id x¦gs -sOutputFile=%pipe%id x¦ps2pdf -dNOSAFER x y¦exiftool -if system('id') x¦exiftool -config x y¦mpv --script=x y¦libreoffice macro:///x¦chromium --renderer-cmd-prefix=id x¦mutt -e source␣x|¦mail -S sendmail=id x¦w3m -config x¦lynx -editor=id x¦scrot -e id¦gpg --photo-viewer id -k¦gpg --agent-program=id -k¦sdiff --diff-program=id a b¦diff3 --diff-prog=id a b c¦texi2dvi --command=id x¦vimdiff -c !id a b¦rview -c !id¦gvim +!id",
  "X15: carriers and runners of other families":
    "crontab f¦crontab -¦sudo -s¦su -l¦gdb --version -ex x¦ccache -s id¦command id¦uname26 id¦gpg-agent --daemon id¦bash /dev/stdin¦sh /proc/self/fd/0¦sh ../../dev/fd/0¦pexec id¦sshpass -p x id¦watchexec id¦execlineb -c id¦stap -e x -c id¦dbus-launch id¦autossh h¦torify id¦msgfilter id¦openvt -- id¦env-cmd -- id¦pm2 start id¦cabal exec id¦stack exec id¦composer exec id¦rustup run x id¦lxc exec x id¦multipass exec x id¦sops exec-env x id¦gem open -e id rdoc¦nix-build x¦dotnet exec x.dll¦cargo watch -x id¦npm set script-shell id¦npm config set script-shell=id¦posh -c id¦oksh -c id¦ctest --test-command id¦some-tool --pager=id¦some-tool --post-hook id¦some-tool -exec id",
  "X15: programs of other families that run what they are given":
    "scriptlive -I f -T f -c id¦pee id¦mispipe id true¦zrun id¦pipesz id¦enosys id¦fakeroot-sysv id¦fakeroot-tcp id¦debconf id¦debconf -f x id¦" +
    "libtool --mode=execute id¦bear -- id¦mpirun -n 1 id¦srun id¦systemd-socket-activate -l 1 id¦systemd-dissect --with x id¦fghack id¦" +
    "pgrphack id¦multilog !id .¦argv0 id x¦flatpak-spawn --host id¦pasta id¦s6-applyuidgid -u 1 id¦nyc id¦zsh5 -c id¦bsd-csh -c id¦" +
    "parallel.moreutils id¦meson devenv id¦opam exec -- id¦mix cmd id¦repo forall -c id¦etcdctl lock x id¦consul lock x id¦pnpm id¦" +
    "pnpm recursive exec id¦pnpm --config.script-shell=id run t¦bun run id¦yarn workspace x exec id¦yarn workspaces foreach exec id",
  "X15: tools told by a setting that stays, or by one option more":
    "npm pkg set scripts.t=id¦npm set-script t id¦pnpm config set script-shell id¦yarn config set script-shell id¦yarn set version ./x.js¦" +
    "yarn plugin import ./x.js¦gh config set pager id¦gh config set browser id¦kubectl config set users.x.exec.command id¦git merge-index id -a¦" +
    "git merge-index -o id f¦git -C . merge-index id f¦git svn --authors-prog=id fetch¦dpkg-architecture -c id¦dpkg-architecture -cid¦" +
    "dpkg-buildpackage -rid¦apt-mark -o Dir::Bin::dpkg=id hold x¦apt-config -oX=y dump¦ctest -S x¦ctest -VS x¦ctest -SP x¦cpack --config x¦" +
    "cmake --build . -- SHELL=/tmp/x¦cmake --build . -- --ev=x:;id¦cmake -S . -D CMAKE_C_COMPILER=id¦cmake -D CMAKE_C_COMPILER_LAUNCHER=id .¦" +
    "cmake . -DCMAKE_C_FLAGS=-wrapper␣id¦cmake . -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=/tmp/x¦cmake . --toolchain x¦cmake . --toolchain=x¦" +
    "cmake . -DCMAKE_LINKER=id¦cmake . -DCMAKE_AR:FILEPATH=id¦cmake . -DCMAKE_USER_MAKE_RULES_OVERRIDE=x¦cmake . -DGIT_EXECUTABLE=/tmp/x¦" +
    "cmake . -D CMAKE_PROJECT_TOP_LEVEL_INCLUDES=x¦cmake . -DCMAKE_C_COMPILE_OBJECT=id¦cmake . -DCMAKE_CXX_CLANG_TIDY=id¦cargo rustc -- -Clinker=id¦" +
    "cargo +/tmp/x build¦kak -e nop␣%sh{id} f¦msmtp --passwordeval=id x¦swaks --pipe id¦enscript --filter=id f¦enscript -p |id f¦mysqlslap --pre-system=id¦" +
    "ssh-add -S x.so¦ftp -o |id http://h/¦exim -be x¦fetchmail -m id¦fetchmail --mda=id¦pdflatex -shell-esc x¦pdflatex -cnf-line=shell_escape=t x¦" +
    "dvips -o!id x¦dnsmasq --dhcp-script=id¦openconnect -s id h¦pg_ctl -p id start¦openssl s_client -ssl_client_engine x¦mount -t fuse id#x /mnt¦" +
    "tc exec bpf import s run id¦ansible-playbook --ssh-common-args=-oProxyCommand=id x.yml¦unison -sshcmd id a b¦cdk synth --app id¦" +
    "terraform init -plugin-dir=/tmp/x¦openocd -c exec␣id¦calc system('id')¦psql -c \\\\i␣x¦duckdb x .shell␣id¦make libx.a ARFLAGS=--plugin␣x.so",
};
for (const [name, text] of Object.entries(starts)) {
  Deno.test(`${name}: refused although the program is allowed`, async () => {
    const lines = text.split("¦");
    for (const line of lines) {
      const argv = words(line);
      const { verdict } = await judge({ argv, allow: ["*"], machine: machineFor(lines) });
      assertEquals(verdict.outcome, "deny", line);
    }
  });
}

Deno.test("X15, X17: a shell, wrapper or interpreter under another name is recognised", async () => {
  const aliases = Object.fromEntries(
    Object.entries({
      b: "/usr/bin/bash",
      e: "/usr/bin/env",
      d: "/usr/bin/sudo",
      uname26: "/usr/bin/setarch",
      editor: "/usr/bin/vim.basic",
      pager: "/usr/bin/less",
      f: "/usr/bin/find",
      s: "/usr/bin/sed",
      py: "/usr/bin/python3.11",
      ls: "/bin/busybox",
      gcc: "/usr/bin/ccache",
      cargo: "/home/u/.cargo/bin/rustup",
    }).map(([name, real]) => [`/opt/bin/${name}`, real]),
  );
  const machine = {
    aliases,
    programs: "vim.basic vim.tiny bash-5.2 env.real sudo-1.9 find-4.9 sed-4.8 nvim.gtk3 git-2.40.1",
    pathDirs: ["/opt/bin", "/usr/bin"],
  };
  const config = { strictInlineEval: true };
  for (
    const line of [
      "b -c id",
      "b x.sh",
      "e id",
      "e A=b id",
      "d id",
      "uname26 id",
      "editor -c !id",
      "pager +!id",
      "f . -exec id ;",
      "s 1e␣id x",
      "py -c 1",
      "vim.basic -c !id",
      "vim.tiny -c !id",
      "bash-5.2 -c id",
      "env.real id",
      "sudo-1.9 id",
      "find-4.9 -exec id ;",
      "sed-4.8 e␣id x",
      "git-2.40.1 -c core.pager=id log",
    ]
  ) {
    const argv = words(line);
    const allow = ["/opt/bin/*", argv[0]];
    assertEquals(await runs({ argv, allow, machine, config }), false, line);
  }
  for (
    const line of [
      "ls -la",
      "gcc -c x.c",
      "cargo run",
      "f . -name x",
      "s s/a/b/ x",
      "editor x",
      "py x.py",
      "git-2.40.1 status",
      "vim.basic x",
    ]
  ) {
    const argv = words(line);
    assertEquals(await runs({ argv, allow: ["/opt/bin/*", argv[0]], machine, config }), true, line);
  }
});

Deno.test("X35: pnpm and bun run a script of the project, but not a program of the system in its place", async () => {
  const machine = { programs: "pnpm bun", files: { "/srv/app/id": "x" } };
  for (const line of ["pnpm touch x", "pnpm -s touch x", "bun run touch x"]) {
    assertEquals(await runs({ argv: words(line), allow: ["*"], machine }), false, line);
  }
  for (const line of ["pnpm build", "pnpm -s lint", "bun run build", "bun run id"]) {
    assertEquals(await runs({ argv: words(line), allow: ["*"], machine }), true, line);
  }
});

Deno.test("X01: an open file under another name is the input as well", async () => {
  const machine = { programs: "make dc vim", directories: ["/dev", "/dev/shm", "/proc/self/fd"] };
  for (
    const line of [
      "cd /dev && echo 'BEGIN{system(1)}' | awk -f stdin",
      "cd /dev/shm && echo 'BEGIN{system(1)}' | awk -f ../stdin",
      "cd /proc/self/fd && echo 'BEGIN{system(1)}' | awk -f 0",
      "echo 'BEGIN{system(1)}' | awk -f /dev/shm/../stdin",
      "echo 'BEGIN{system(1)}' | awk -f /dev/shm/../fd/./0",
      "cd /dev && echo 'x:;id' | make -sf stdin",
      "cd /dev/shm && echo 'x:;id' | make -sf ../stdin",
      "cd /dev/shm && echo 'x:;id' | make -sf../fd/0",
      "cd /dev && echo id | bash stdin",
    ]
  ) assertEquals(await runs({ argv: sh(line), allow: ["*"], machine }), false, line);
  const awk = { argv: ["awk", "-f", "stdin"], allow: ["*"], machine };
  assertEquals(await runs({ ...awk, request: { cwd: "/dev" } }), false);
  const linked = { ...machine, links: { "/srv/d": "/dev" }, aliases: { "/dev": "/dev" } };
  assertEquals(await runs({ ...awk, machine: linked, request: { cwd: "/srv/d" } }), false);
  const memory = { argv: ["make", "-f", "build.mk"], allow: ["*"], machine };
  assertEquals(await runs({ ...memory, request: { cwd: "/dev/shm" } }), true);
});

const FED = "echo cat vim ex dc sqlite3 psql mysql sftp lftp ed make xargs npm docker openssl";

Deno.test("X01: commands are not piped into a program that starts others", async () => {
  for (
    const line of [
      "echo '.shell id' | sqlite3",
      "echo '.shell id' | sqlite3 x.db",
      "echo '.shell id' | sqlite3 -separator , x.db",
      "echo '.shell id' | sqlite3 -nullvalue -safe x.db",
      "echo '\\\\! id' | psql",
      "cat x | mysql db",
      "echo '!id' | sftp h",
      "echo '!id' | lftp",
      "echo '!id' | timeout 5 ed",
      "echo 'x:;id' | make -sf-",
      "echo --eval=x:id | xargs make",
      "echo 'x .shell' | xargs sqlite3 x.db",
      "echo 'exec x' | xargs npm --",
      "echo 'run -v /:/h x' | xargs docker",
      "echo engine | xargs openssl",
      "echo engine | openssl",
      "echo ':!id' | vim f",
      "echo '!id' | vim -es f",
      "echo '!id' | ex f",
      "echo '!id' | dc",
      "echo '!id' | dc -e 1 -",
      "cat x | sqlite3 x.db 'select 1' -",
    ]
  ) {
    const one = { argv: sh(line), allow: FED.split(" "), machine: { programs: FED } };
    assertEquals(await runs(one), false, line);
  }
  const attached = { request: { stdin: true }, machine: { programs: FED }, allow: FED.split(" ") };
  assertEquals(await runs({ argv: ["sqlite3", "x.db"], ...attached }), false);
  assertEquals(await runs({ argv: ["sqlite3", "x.db", "select 1"], ...attached }), true);
  assertEquals(await runs({ argv: ["cat"], ...attached }), true);
  assertEquals(
    await runs({ argv: sh("cat x | sqlite3 x.db 'select 1'"), ...attached, request: {} }),
    true,
  );
});

Deno.test("everyday uses of these programs run by their rule", async () => {
  const lines = (
    "awk {print␣$1} f¦awk -F: {print␣$1} f¦awk NR==1||NR==3 f¦awk /error|warn/{print} f¦awk {s+=$1}END{print␣s} f¦awk !seen[$0]++ f¦" +
    "awk -v n=3 NR<=n f¦awk BEGIN{x=1}{print␣x} f¦sed s/[0-9]*/N/g f¦sed s/[[:space:]]*$// f¦sed -E s/^[^=]+=// f¦sed -i s/[.]old/new/ f¦" +
    "sed -n /^[a-z]/p f¦sed s|/usr|/opt|g f¦sed s/x/[y]/ f¦rsync -avz -e ssh␣-p␣2222 a h:b¦rsync -a --delete a/ b/¦tar -czf a.tgz --exclude=x d¦" +
    "tar --exclude-vcs -cJf a.txz d¦tar xzf a.tgz -C /srv¦sort --reverse f¦sort -k2,2n -t, f¦split -l 100 f¦split --bytes=1M f¦" +
    "make CFLAGS=-O2␣-g all¦make -j4 CXXFLAGS=-std=c++20¦make V=1 DESTDIR=/tmp/x install¦gcc -Wl,-rpath,/opt/lib x.c¦gcc -fPIC -shared -o x.so x.c¦" +
    "ninja -C build¦ninja test¦go build -ldflags=-s␣-w -o x¦go env GOPATH¦rustc -O x.rs¦ar rcs x.a x.o¦strip --strip-unneeded x¦nm -D x.so¦" +
    "docker run --rm -v /srv/data:/data img¦docker ps -a --filter name=x¦docker compose -f c.yml up -d¦docker exec web nginx -s reload¦" +
    "docker build -t x . --build-arg A=1¦docker logs -f --tail 50 x¦podman ps¦kubectl get pods -n x¦kubectl exec deploy/x -- ls¦kubectl apply -f x.yml¦" +
    "kubectl rollout restart deploy/x¦helm upgrade --install x ./x -f v.yml¦restic backup /srv --tag x¦rclone sync a r:b¦borg create r::a /srv¦" +
    "curl -fsSL https://x/y¦curl -X POST -H Content-Type:␣x -d {} u¦wget -q u¦systemctl status nginx¦systemctl restart nginx.service¦" +
    "systemctl --no-pager list-units¦systemctl is-active x¦service nginx reload¦journalctl -u x -n 50 --no-pager¦iptables -L -n¦rpm -qa¦rpm -q --queryformat %{VERSION} x¦" +
    "dnf install -y x¦certbot renew --dry-run¦nginx -t¦logrotate -d /etc/logrotate.conf¦openssl dgst -sha256 f¦gpg --verify x.sig x¦gpg --batch -d f¦" +
    "convert a.png -resize 50% b.jpg¦ffmpeg -i a.mp4 b.mp3¦exiftool a.jpg¦sqlite3 x.db select␣1¦sqlite3 x.db .tables¦mysql -e show␣tables db¦" +
    "mysqldump --single-transaction db¦psql -c select␣1¦psql --command=select␣1¦psql -At -c select␣count(*)␣from␣t db¦pg_dump db¦" +
    "npm run build¦npm set registry https://x¦npm config get prefix¦cargo build --release¦cargo test -- --nocapture¦pip install -r r.txt¦" +
    "ansible all -m ping¦terraform plan¦gh pr list¦gh run view 1 --log¦aws s3 ls¦kubectl logs -f x¦useradd --shell /bin/false x¦grep -rn -- --exec src¦" +
    "echo --command¦git log --oneline --no-merges¦git clone git@github.com:a/b.git¦git clone ssh://git@h:22/a.git¦git push --tags origin¦git config user.email a@b¦" +
    "patch -p1 -i x.diff¦smbclient //x/y -c ls¦lftp -c mirror␣a␣b¦sftp -b batch h¦aria2c -x4 u¦yt-dlp -f best u¦mail -s hi a@b¦mount /dev/sdb1 /mnt¦" +
    "find . -type f¦xargs -I{} -n1 ls {}¦xargs rm --¦xargs git add --¦xargs sed -n 5p --¦xargs docker rm¦xargs grep -l x¦git --no-pager -C x log¦git archive --output=a.tar HEAD¦" +
    "sed s/[^/]*$// f¦sed 1i␣header f¦sed $a␣footer f¦awk -f prog.awk data¦ssh -o BatchMode=yes -o StrictHostKeyChecking=no u@h uptime¦scp -o ConnectTimeout=5 f h:¦" +
    "rsync -e ssh␣-i␣/home/u/.ssh/k␣-o␣BatchMode=yes a h:b¦git -c http.extraHeader=AUTHORIZATION:␣bearer␣x fetch¦cmake -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER_LAUNCHER=ccache .¦cmake --preset release¦crontab -l¦ccache -s¦sccache --show-stats¦gdb --version¦strace --help¦sudo --version¦" +
    "apt-get install -y -o Dpkg::Options::=--force-confold x¦apt-get install --only-upgrade x¦apt-get -qq -oAcquire::Retries=3 update¦dnf install -y --setopt=install_weak_deps=False x¦dnf update --security¦ssh-copy-id -i k.pub h¦" +
    "kubectl --kubeconfig=k.yml get pods¦kubectl --context prod get pods¦google-chrome --headless --user-data-dir=/tmp/x u¦rake test¦rake -T¦just build¦just --list¦docker run --hostname x --rm i¦" +
    "systemctl show -p MainPID x¦restic -r /x snapshots --password-file p¦rclone copy --retries 3 a b¦update-alternatives --list java¦rustup update¦dotnet test¦dotnet publish -c Release¦composer install¦gem install x¦flatpak list¦snap list¦vagrant status¦" +
    "cmake -S . -B b -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/srv/x -DBUILD_TESTING=OFF¦cmake -D CMAKE_CXX_STANDARD=20 .¦" +
    "cmake . -DCMAKE_CXX_FLAGS=-O2␣-Wall -DCMAKE_PREFIX_PATH=/opt/qt -DPython3_EXECUTABLE=/usr/bin/python3¦cmake --build b -- -j4 VERBOSE=1¦" +
    "cmake --install b --prefix /srv/x¦ctest --output-on-failure -j4¦ctest --test-dir b -R unit¦cpack -G TGZ¦pnpm run build¦pnpm -r test¦" +
    "pnpm install --frozen-lockfile¦bun install¦yarn workspace web build¦" +
    "npm pkg get version¦npm pkg set version=1.2.3¦npm config set fund false¦gh release view v1¦gh config get git_protocol¦apt-mark hold x¦" +
    "dpkg-architecture -qDEB_HOST_ARCH¦cargo clippy -- -D warnings¦cargo +nightly fmt¦git svn fetch¦ssh-add -l¦mount -o ro /dev/sdb1 /mnt¦" +
    "meson setup b¦meson test -C b¦opam install x¦terraform init -input=false¦vim stdin.txt¦wget -e robots=off -q u¦base64 -d f¦sha256sum f¦tc qdisc show"
  ).split("¦");
  for (const line of lines) {
    const argv = words(line);
    assertEquals(await runs({ argv, allow: argv, machine: machineFor(lines) }), true, line);
  }
});
