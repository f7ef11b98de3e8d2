/**
 * Command lines that would start a program nobody allowed, as a person who means harm would try them one after another:
 * options of harmless programs, shell syntax, paths, wrappers, open files under another name.
 * `␣` is a blank inside a word, `⏎` a line break, `‵` a backquote, `﹛` an opening brace after a dollar, `$C` the canary, `$D` the
 * scratch folder; `@dir ` in front is the working directory, `sh: ` makes the rest shell text.
 */
const TEXT = String.raw`
sh: cd /dev && echo 'BEGIN{system("touch $C")}' | awk -f stdin
sh: echo 'BEGIN{system("touch $C")}' | awk -f /dev/shm/../stdin
sh: cd /proc/self && echo 'BEGIN{system("touch $C")}' | awk -f fd/0
sh: cd /proc/self/fd && echo 'BEGIN{system("touch $C")}' | awk -f 0
sh: cd /dev && echo 'x:;touch $C' | make -sf stdin
sh: cd /dev/shm && echo 'x:;touch $C' | make -sf ../stdin
sh: cd /dev && echo 'touch $C' | bash stdin
sh: echo '!touch $C' | vim -e f
sh: echo ':!touch $C' | vim f
sh: echo '!touch $C' | vi -es f
sh: echo '!touch $C' | ex f
sh: echo '!touch $C' | dc
sh: echo ':!touch $C' | kak f
sh: echo '--checkpoint-action=exec=touch $C' | tar cf /dev/null --checkpoint=1 -T - f
sh: echo '\\! touch $C' | psql
sh: echo 'system touch $C' | mysql
git merge-index $D/evil -a
git merge-index -o $D/evil f
git -C . merge-index -o touch f
dpkg-architecture -c touch␣$C
dpkg-architecture -ctouch␣$C
dpkg-architecture --command touch␣$C
debconf touch $C
debconf -f noninteractive touch $C
apt-mark -o Dir::Bin::dpkg=$D/evil hold x
apt-config -o x=y shell a b
scriptlive -I f -T f -c touch␣$C
pipesz touch $C
enosys touch $C
pee touch␣$C
mispipe touch␣$C true
zrun touch $C
fakeroot-sysv touch $C
fakeroot-tcp touch $C
systemd-socket-activate -l 9999 touch $C
systemd-dissect --with x touch $C
cmake --build . -- --eval=$(shell␣touch␣$C)
cmake -S . -B r -D CMAKE_C_COMPILER_LAUNCHER=$D/evil
cmake -S . -B r -D CMAKE_C_COMPILER=$D/evil
cmake -S . -B r -DCMAKE_C_FLAGS=-wrapper␣$D/evil
cmake -S . -B r -DCMAKE_TOOLCHAIN_FILE=$D/t.cmake
cmake -S . -B r --toolchain $D/t.cmake
cmake -S . -B r --toolchain=$D/t.cmake
cmake -S . -B r -DCMAKE_USER_MAKE_RULES_OVERRIDE=$D/t.cmake
cmake -S . -B r -DCMAKE_MODULE_PATH=$D
cmake -S . -B r -DCMAKE_LINKER=$D/evil
cmake -S . -B r -DCMAKE_C_COMPILER_ID_RUN=1
cmake -S . -B r --fresh -DCMAKE_PROJECT_x_INCLUDE=$D/t.cmake
cmake -S . -B r --fresh -DCMAKE_PROJECT_TOP_LEVEL_INCLUDES=$D/t.cmake
cmake -S . -B r --fresh -D CMAKE_PROJECT_TOP_LEVEL_INCLUDES=$D/t.cmake
ctest -S $D/t.cmake
ctest -VS $D/t.cmake
ctest -SP $D/t.cmake
cpack --config $D/t.cmake
cmake -P$D/t.cmake
cmake -D X=1 -P $D/t.cmake
meson devenv touch $C
libtool --mode=execute touch $C
libtool --mode=exec touch $C
libtool execute touch $C
kak -e nop␣%sh{touch␣$C} f
kak -n -ui dummy -e nop␣%sh{touch␣$C};quit f
msmtp --passwordeval=touch␣$C --host=127.0.0.1 x
swaks --pipe touch␣$C -t x
enscript --filter=touch␣$C -p /dev/null f
enscript -p |touch␣$C f
pidstat -e touch $C
npm pkg set scripts.t=touch␣$C
npm set-script t touch␣$C
gh config set pager touch␣$C
gh config set editor x
hg --config=alias.x=!touch␣$C x
hg --conf alias.x=!touch␣$C x
hg --confi=alias.x=!touch␣$C x
mysqlslap --pre-system=touch␣$C
mariadb-slap --pre-system=touch␣$C
flatpak-spawn --host touch $C
bear -- touch $C
mpirun --allow-run-as-root -n 1 touch $C
mpiexec -n 1 touch $C
orterun touch $C
argv0 touch x $C
pasta touch $C
zsh5 -c touch␣$C
bsd-csh -c touch␣$C
csh -c touch␣$C
ksh93 -c touch␣$C
ksh -c touch␣$C;touch␣x
multilog !touch␣$C .
fghack touch $C
pgrphack touch $C
supervise r
svscan .
setlock l touch $C
ssh-add -S $D/x.so
ftp -o |touch␣$C http://127.0.0.1:1/
busybox touch $C
busybox ash -c touch␣$C
gawk @include"$D/a.awk";BEGIN{}
gawk -E $D/a.awk
gawk --exec=$D/a.awk
gawk --fil=$D/a.awk
gawk --load=x 1
gawk BEGIN{"touch␣$C"␣|&␣getline}
gawk BEGIN{print␣1␣|&␣"touch␣$C"}
mawk BEGIN{printf("x")|"touch␣$C"}
mawk {printf"x"|"touch␣$C"} f
cargo rustc -- -Clinker=$D/evil
less --lesskey-content=x f
rg --pre=$D/evil x
rg --pr=$D/evil x f
batcat --pager=touch␣$C --paging=always f
batcat --pa=touch␣$C --paging=always f
fdfind . -x touch $C
fdfind -Hx touch $C
fdfind . --exec-ba touch $C
nsenter touch $C
lftp -c !touch␣$C
lftp -c help;!touch␣$C
lftp -f /dev/stdin
ncat -e $D/evil 127.0.0.1 1
ncat -c touch␣$C -l 19999
socat -u SYSTEM:touch␣$C -
socat -u exec:$D/evil -
socat -u sHeLl:touch␣$C -
tcpdump -i lo -G1 -w x -z $D/evil
cpio --rsh-c=$D/evil -iF h:x
sort --compress-program=$D/evil f -S 1
rsync -e $D/evil f h:f
rsync --rsh $D/evil f h:f
rsync -e $D/evil rsync://h/x .
rsync f h:f -e$D/evil
rsync --rsync-path=x -essh f h:
vim -es -u $D/f +q
vim -T dumb -c !touch␣$C -c q
vim -Nes --cmd !touch␣$C +q
vim -qf -es f
vim -es -S f
vim --servername x --remote-expr system('touch␣$C')
view -es +!touch␣$C +q
rvim -es +!touch␣$C +q
git log --ext-dif
git diff --no-index --ext-diff f x.c
git grep --open-files=touch x
git -c pager.log=touch log
git -p -c core.pager=touch␣$C log
git archive --remote=. --exec=touch␣$C;: HEAD
git clone --upload-pack=touch␣$C;: . r/y
git clone -u touch␣$C;: . r/y2
git fetch --upload-pac=touch␣$C;: .
git push --receive-pack=touch␣$C;: . HEAD:x
git push --exec=touch␣$C;: . HEAD:x
git pull --upload-pa touch␣$C;: .
git ls-remote --exec=touch␣$C;: .
git ls-remote ext::sh␣-c␣touch␣$C
git remote add x ext::touch␣$C
git fetch-pack --uplo=touch␣$C;: .
git send-pack --rec=touch␣$C;: . HEAD:y
git rebase HEAD --exec touch␣$C
git rebase --root --exec=touch␣$C
git rebase --root -xtouch␣$C
git rebase -qxtouch␣$C --root
git bisect run touch $C
git difftool -yx touch␣$C HEAD
git filter-branch --tree-filter touch␣$C HEAD
git for-each-repo --config=x touch
git hook run x
git config --local alias.x !touch␣$C
git config set alias.x !touch␣$C
git config --add core.pager touch␣$C
git config core.hooksPath $D/bin
git config --replace-all core.editor touch␣$C
git config -f f core.sshcommand x
git submodule set-url x ext::touch
git mergetool -y
git credential fill
git web--browse -t touch -b touch $C
git shell -c x
git daemon --export-all
git remote-ext x touch␣$C
find . -maxdepth 0 -exec nice touch $C ;
find . -maxdepth 0 -exec env touch $C ;
find . -maxdepth 0 -exec {} ;
find evil -exec ./{} ;
find evil -exec $D/{} ;
find . -maxdepth 1 -name evil -exec {} +
find . -maxdepth 0 -okdir touch $C ;
find . -maxdepth 0 -exec xargs -a f touch $C ;
find . -maxdepth 0 -exec git -c alias.x=!touch␣$C x ;
find . -maxdepth 0 -exec timeout 1 touch $C ;
xargs -a f -I touch touch $C
xargs -a f -n1 -P2 touch $C
xargs -a f --process-slot-var=X touch $C
xargs -a f -- touch $C
xargs -a f busybox touch $C
xargs -a f -o touch $C
xargs --arg-file=f touch $C
sh: printf '%s\\0' '-exec' | xargs -0 find . -maxdepth 0
sh: echo ./evil | xargs -I{} {}
sh: echo evil | xargs -I% ./%
sh: echo $D/evil | xargs
sh: echo $D/evil | xargs nohup
sh: echo $D/evil | xargs timeout 5
sh: echo $D/evil | xargs -n 1 nice -n 1
npm pkg set scripts.t␣=x
pnpm touch $C
pnpm recursive exec touch $C
pnpm -r exec touch $C
pnpm --config.script-shell=/x run t
bun run touch $C
yarn workspace x exec touch $C
yarn set version ./x.js
yarn plugin import ./x.js
mount -t fuse touch#x /mnt
tc exec bpf import s run touch $C
mypy --python-executable=$D/evil x
psql -c \i␣/dev/stdin
git svn --authors-prog=x fetch
find . -maxdepth 0 -execdir sh -c touch␣$C ;
tar cf /dev/null f --checkpoint=1 --checkpoint-action exec=touch␣$C
tar c -f /dev/null f --checkpoint=1 --checkpoint-action=exec␣touch
tar --checkpoint=1 --checkp=exec=touch␣$C -cf /dev/null f
tar -cf x.tar -Itouch␣$C f
tar cIf touch x.tar f
tar -cvIf touch x.tar f
bsdtar --use-compress-program=touch -cf x f
ssh -o␣ProxyCommand=touch␣$C h
ssh -oProxyUseFdpass=no -oproxycommand=touch␣$C h
ssh -vo ProxyCommand=touch␣$C h
ssh h -oProxyCommand=touch␣$C
ssh -p 22 h -o ProxyCommand=touch␣$C
ssh -F f h
ssh -o Match␣exec=x h
ssh -o KnownHostsCommand=touch␣$C h
ssh -o StrictHostKeyChecking=no⏎ProxyCommand=touch␣$C h
ssh -oUserKnownHostsFile=|x h
ssh-keygen -D $D/x.so
scp -oProxyCommand=touch␣$C f h:
scp -3 -S$D/evil f h:
sftp -S $D/evil h
sftp -D $D/evil h
sftp -oProxyCommand=touch␣$C h
openssl req -engine $D/x.so
openssl s_client -ssl_client_engine x
strace touch $C
ltrace touch $C
valgrind touch $C
gdb -batch -ex shell␣touch␣$C
setpriv touch $C
setsid touch $C
nohup setsid touch $C
nice -n 0 setsid touch $C
timeout 3 flock l touch $C
stdbuf -oL script -qc touch␣$C /dev/null
unshare touch $C
unshare -r touch $C
nsenter -t 1 touch $C
chroot / touch $C
chroot --skip-chdir / touch $C
systemd-run touch $C
systemd-run --user --scope touch $C
flock -c touch␣$C l
flock l -c touch␣$C
watch -n1 touch $C
taskset 1 touch $C
chrt -o 0 touch $C
ionice touch $C
prlimit --nofile=10 touch $C
setarch x86_64 touch $C
linux64 touch $C
x86_64 touch $C
runuser -u root touch $C
su root -c touch␣$C
fakeroot touch $C
tmux new -d touch␣$C
rlwrap touch $C
expect -c exec␣touch␣$C
/lib64/ld-linux-x86-64.so.2 /usr/bin/touch $C
/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --preload x /usr/bin/touch $C
/usr/bin/ld.so /usr/bin/touch $C
/proc/self/exe x
/proc/self/root/usr/bin/touch $C
/usr/bin/../bin/touch $C
//usr//bin//touch $C
/usr/./bin/touch $C
/usr/bin/env/../touch $C
./../../../../usr/bin/touch $C
../usr/bin/touch $C
@/usr/bin ./touch $C
@/usr/bin touch $C
@/proc/self/cwd /usr/bin/touch $C
env touch $C
env -- touch $C
env -vS touch␣$C
env -u X touch $C
env -C / touch $C
env --ignore-signal touch $C
env --argv0=x touch $C
env -a x touch $C
env  touch $C
sh: ''touch $C
sh: t''ouch $C
sh: t\ouch $C
sh: "to"'uch' $C
sh: echo a;touch $C
sh: echo a;;touch $C
sh: echo a|touch $C
sh: echo a&&touch $C
sh: echo a||touch $C
sh: false||touch $C
sh: echo a& touch $C
sh: echo a&touch $C
sh: echo a #;⏎touch $C
sh: echo a \⏎touch $C
sh: echo $(touch $C)
sh: echo $﹛x:=$(touch $C)}
sh: echo "$﹛x:-‵touch $C‵}"
sh: echo $((‵touch $C‵))
sh: cat <<< $(touch $C)
sh: cat << E⏎‵touch $C‵⏎E
sh: cat <<"E" ; touch $C
sh: {touch,$C}
sh: { touch $C; }
sh: (touch $C)
sh: ! touch $C
sh: time touch $C
sh: command touch $C
sh: builtin echo x; touch $C
sh: exec touch $C
sh: eval touch $C
sh: eval 'touch $C'
sh: . ./evil
sh: source ./evil
sh: ./evil
sh: trap 'touch $C' EXIT
sh: alias a=touch; a $C
sh: f() { touch $C; }; f
sh: function f { touch $C; }; f
sh: if true; then touch $C; fi
sh: while touch $C; do break; done
sh: for i in 1; do touch $C; done
sh: case a in a) touch $C;; esac
sh: [[ -n $(touch $C) ]]
sh: x=touch; $x $C
sh: x=(touch $C); "$﹛x[@]}"
sh: coproc touch $C
sh: echo x > >(touch $C)
sh: echo x >$C
sh: echo x >>$C
sh: echo x >|$C
sh: echo x 1>$C
sh: echo x 2>$C
sh: echo x &>$C
sh: echo x >&$C
sh: >$C
sh: <>$C echo x
sh: >$C echo x
sh: echo x >/dev/null >$C
sh: echo x >/dev/null/../..$C
sh: echo x >/dev/nullx
sh: echo x > /dev//null
sh: echo x >'/dev/null' 2>$C
sh: echo x 9>$C
sh: echo x >"$C"
sh: tee $C </dev/null | sh
sh: printf 'touch $C' | sh
sh: echo touch $C | bash
sh: echo touch $C | bash -s
sh: echo touch $C | bash /dev/stdin
sh: echo touch $C | bash -
sh: echo touch $C | dash
sh: echo $'touch' $C
sh: $'touch' $C
sh: $"touch" $C
sh: ~/../../usr/bin/touch $C
sh: ~root/x
sh: /usr/bin/t?uch $C
sh: /usr/bin/touc[h] $C
sh: /usr/bin/touc* $C
sh: @(touch) $C
sh: cd /usr/bin && ./touch $C
sh: cd /usr && cd bin && ./touch $C
sh: cd $D/links && ./b -c 'touch $C'
sh: nice sh -c 'nice sh -c "touch $C"'
sh: sh -c 'sh -c "sh -c \"touch $C\""'
sh: env sh -c 'touch $C'
sh: xargs -a f sh -c 'touch $C'
sh: echo $C | xargs touch
sh: echo $C | xargs -I% touch %
sh: echo touch $C | xargs env
sh: echo touch $C | xargs nice
sh: echo touch $C | xargs xargs
sh: echo $C | xargs busybox touch
sh: echo x | tee /proc/self/fd/1 | sh
bash -c echo⏎touch␣$C
bash -O extglob -c touch␣$C
bash -o posix -c touch␣$C
bash +e -c touch␣$C
bash --posix -c touch␣$C
bash --init-file $D/evil -i
bash --rcfile $D/evil -ic true
bash -ic touch␣$C
bash -vc touch␣$C
bash -c touch␣$C --
bash -cl touch␣$C
bash evil
bash ./evil
sh $D/evil
dash -c touch␣$C
zsh -fc touch␣$C
fish -c touch␣$C
fish -C touch␣$C -c true
fish --init-command=touch␣$C -c true
csh -fc touch␣$C
ksh -c touch␣$C
busybox sh -c touch␣$C
git -C $D -c alias.z=!touch␣$C z
git --config-env alias.z=HOME z
git -c filter.x.clean=touch add f
git -c diff.external=$D/evil diff
git -c core.sshCommand=$D/evil ls-remote ssh://x/y
git -c gpg.program=$D/evil commit -S -m x --allow-empty
git -c commit.gpgsign=true -c gpg.program=$D/evil commit -m x --allow-empty
git -c credential.helper=!touch␣$C credential fill
git -c core.editor=$D/evil commit --allow-empty
git -c sequence.editor=$D/evil rebase -i --root
git -c uploadpack.packObjectsHook=$D/evil upload-pack .
git -c protocol.ext.allow=always ls-remote ext::$D/evil
git -c http.proxy=x ls-remote http://127.0.0.1:1
git -c core.gitProxy=$D/evil ls-remote git://127.0.0.1/x
git -c core.askPass=$D/evil ls-remote http://127.0.0.1:1
git -c core.hooksPath=$D/bin commit --allow-empty -m x
git -c init.templateDir=$D init r/q
git -c browser.x.cmd=$D/evil help -w log
git -c man.viewer=x -c man.x.cmd=$D/evil help log
git -c tar.x.command=$D/evil archive --format=x HEAD
git -c trailer.x.command=touch␣$C interpret-trailers f
git -c trailer.x.cmd=$D/evil interpret-trailers --trailer x=1 f
git -c merge.tool=x -c mergetool.x.cmd=touch mergetool
git -c submodule.x.update=!touch␣$C submodule update
git -c color.ui=always -c core.pager=$D/evil -p log
git -ccore.fsmonitor=$D/evil status
git --git-dir=.git -c core.fsmonitor=$D/evil status
git -c include.path=$D/f status
git -c Core.FsMonitor=$D/evil status
git -c user.name -c core.fsmonitor=$D/evil status
`;

/** One line, read. */
export interface RedTeamLine {
  readonly line: string;
  readonly argv: readonly string[];
  readonly cwd: string | undefined;
}

/** The lines with their places filled in. */
export function redTeamLines(folder: string): RedTeamLine[] {
  return TEXT.trim().split("\n").map((line) => {
    const text = line.replaceAll("⏎", "\n").replaceAll("‵", "\u0060").replaceAll("﹛", "{")
      .replaceAll("$C", `${folder}/canary`).replaceAll("$D", folder);
    const [, cwd, rest = ""] = /^(?:@(\S+) )?(.*)$/s.exec(text) ?? [];
    const argv = rest.startsWith("sh: ")
      ? ["sh", "-c", rest.slice("sh: ".length)]
      : rest.split(" ").map((word) => word.replaceAll("␣", " "));
    return { line, argv, cwd };
  });
}
