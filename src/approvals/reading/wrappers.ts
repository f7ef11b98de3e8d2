/**
 * Programs that run another program given on their command line. Owns which of them are transparent (judged by the
 * inner command), how their options are read, and which are never accepted in allowlist mode (X12-X15, X17).
 * An option that is not in the table blocks: an unread option could carry a command.
 * Source: node-host.md 7.4 "Transparent dispatch wrappers".
 */
import { type ExecPlatform, type Refusal, refusal } from "../facts.ts";
import { baseName } from "./paths.ts";

/** Deepest chain of wrappers that is followed (X14). */
export const MAX_WRAPPERS = 4;

/** What the first word of an argv is. */
export type Unwrapped =
  | { readonly kind: "plain" }
  /** `length` words belong to the wrapper; the inner command follows. */
  | { readonly kind: "wrapper"; readonly name: string; readonly length: number }
  | { readonly kind: "blocked"; readonly refusal: Refusal };

interface WrapperRule {
  /** Options that stand alone. */
  readonly flags?: RegExp;
  /** Options whose value is the next word, with the shape of the value. */
  readonly valued?: readonly (readonly [option: RegExp, value: RegExp])[];
  /** Shapes of words that stand between the options and the command. */
  readonly operands?: readonly RegExp[];
  /** Only a wrapper on this platform; elsewhere an ordinary program. */
  readonly only?: ExecPlatform;
}

const NUMBER = /^[+-]?\d+$/;
const DURATION = /^\d+(?:\.\d+)?[smhd]?$/;
const BUFFER = /^(?:L|0|\d+[KMG]?B?)$/;
const NAME = /^[A-Za-z0-9+-]+$/;

const WRAPPERS: ReadonlyMap<string, WrapperRule> = new Map<string, WrapperRule>([
  ["env", {}],
  ["nohup", { flags: /^--$/ }],
  ["nice", {
    flags: /^(?:-n?-?\d+|--adjustment=-?\d+|--)$/,
    valued: [[/^(?:-n|--adjustment)$/, NUMBER]],
  }],
  ["time", { flags: /^(?:-[pvl]|--portability|--verbose|--)$/ }],
  ["stdbuf", {
    flags: /^(?:-[ioe](?:L|0|\d+[KMG]?B?)|--(?:input|output|error)=(?:L|0|\d+[KMG]?B?)|--)$/,
    valued: [[/^-[ioe]$/, BUFFER]],
  }],
  ["timeout", {
    flags:
      /^(?:--foreground|--preserve-status|-v|--verbose|--signal=[A-Za-z0-9+-]+|--kill-after=[\d.]+[smhd]?|-s[A-Z0-9]+|-k[\d.]+[smhd]?|--)$/,
    valued: [[/^(?:-s|--signal)$/, NAME], [/^(?:-k|--kill-after)$/, DURATION]],
    operands: [DURATION],
  }],
  ["caffeinate", {
    only: "macos",
    flags: /^-[disum]+$/,
    valued: [[/^-t$/, NUMBER], [/^-w$/, NUMBER]],
  }],
  ["sandbox-exec", { only: "macos", valued: [[/^-[fnp]$/, /^/], [/^-D$/, /=/]] }],
  ["script", { only: "macos", flags: /^-q$/, operands: [/^\/dev\/null$/] }],
  ["arch", { only: "macos", flags: /^-(?:arm64e?|x86_64|i386)$/, valued: [[/^-arch$/, NAME]] }],
  ["xcrun", { only: "macos" }],
]);

const CARRIERS = new Set(
  ("sudo doas setsid ionice taskset chrt su runuser setpriv pkexec chroot unshare nsenter systemd-run chpst prlimit choom " +
    "numactl cgexec strace ltrace gdb lldb valgrind perf parallel watch flock gosu su-exec fakeroot proot bwrap firejail " +
    "dbus-run-session xvfb-run tini dumb-init start-stop-daemon daemonize entr at batch expect unbuffer rlwrap torsocks " +
    "proxychains proxychains4 wsl wscript cscript mshta rundll32 regsvr32 " +
    "forfiles conhost start runas schtasks wmic setarch linux32 linux64 i386 i686 x86_64 uclampset coresched runcon sg newgrp " +
    "capsh aa-exec cpulimit trickle eatmydata faketime ccache sccache distcc sem chronic ifne run-parts logsave hyperfine " +
    "genv gtimeout gnice gstdbuf gnohup gchroot gtime tmux screen dtach abduco crontab machinectl launchctl rr gdbserver " +
    "bpftrace uftrace ssh-agent keychain envdir envuidgid setuidgid softlimit setlock lckdo run-one keep-one-running tsp nq " +
    "apptainer singularity distrobox guix waypipe prime-run primusrun optirun gamemoderun mangohud truss dtruss catchsegv " +
    "sudoedit sudo-rs please xterm urxvt rxvt konsole gnome-terminal kitty alacritty cgdb ddd nsjail minijail0 schroot " +
    "arch-chroot dchroot fakechroot fakeroot-ng systemd-inhibit systemd-cat systemd-nspawn run0 bfs rush xdg-open run-mailcap " +
    "see exo-open gnome-open kde-open kde-open5 gio wine wine64 box64 box86 pcalua msiexec installutil regasm regsvcs cmstp " +
    "msbuild odbcconf presentationhost hh wt explorer winrs psexec psexec64 sbase-box pexec multitime openvt xinit startx byobu " +
    "zellij grc latrace stap trace-cmd execlineb foreground background with-contenv daemon pm2 forever watchman watchexec " +
    "reflex air modd sshpass autossh torify tsocks tcpserver tcpclient websocketd ttyd gotty pdsh ansible-console tasksh " +
    "tmate gtester dbus-launch dbus-send dbus-run cset env-cmd dotenv-cli envchain teller chamber foreman honcho overmind " +
    "supervisord xinetd inetd inotifyd incrond msgfilter msgexec ksu agetty getty login sulogin openvpn dosbox lxc-attach " +
    "lxc-execute toolbox lockfile runit runsv " +
    "command uname26 gpg-agent ansible-pull salt salt-call chef-shell procmail dhclient udhcpc wpa_cli pppd " +
    "scriptlive pee mispipe zrun pipesz enosys debconf libtool bear intercept-build scan-build compiledb icerun " +
    "fakeroot-sysv fakeroot-tcp pseudo systemd-socket-activate systemd-dissect systemd-vmspawn systemd-pty-forward mpirun mpiexec " +
    "orterun prun prterun srun salloc sbatch qsub bsub horovodrun torchrun argv0 fghack pgrphack supervise svscan multilog svlogd " +
    "recordio sslserver ipcserver flatpak-spawn host-spawn distrobox-host-exec steam-run appimage-run pasta rootlesskit " +
    "lxc-usernsexec seunshare sandbox su-to-root gksu gksudo kdesu kdesudo lxqt-sudo beesu schedtool hugectl operf ocount vglrun " +
    "switcherooctl heaptrack samply nsys ncu compute-sanitizer xfce4-terminal lxterminal terminator tilix foot wezterm st " +
    "switch_root pivot_root vipe vidir inoticoming nyc c8 onchange chokidar start-server-and-test checkinstall strace64 " +
    "x-terminal-emulator netns-exec graftcp mullvad-exclude landrun syd sydbox runc crun youki ch-run udocker xss-lock xautolock swayidle expectk autoexpect uwsgi consul-template gomplate")
    .split(" "),
);

/** The dynamic loader, the processor emulators of qemu and the links of s6 chains run any program given to them. */
const LOADER = /^(?:ld[a-z0-9_.-]*\.so(?:\.\d+)*|qemu-[a-z0-9_-]+|s6-[a-z0-9-]+)$/;

/** Whether a single option only asks: for the version, for help, for a list. */
function asksOnly(name: string, option: string): boolean {
  return /^--(?:version|help)$/.test(option) || (name === "crontab" && option === "-l") ||
    (/^s?ccache$/.test(name) && /^(?:-s|--show-stats)$/.test(option));
}

/** Reads the first word of `argv` as a wrapper. `argv` has at least one word. */
export function stripWrapper(argv: readonly string[], platform: ExecPlatform): Unwrapped {
  const name = baseName(argv[0] ?? "");
  if (name === "busybox" || name === "toybox") return multiplexer(name, argv);
  if (argv.length === 2 && asksOnly(name, argv[1] ?? "")) return { kind: "plain" };
  if (CARRIERS.has(name) || LOADER.test(name) || (name === "script" && platform === "linux")) {
    const why = `"${name}" runs another program in a way that is not judged here`;
    return blocked("carrier", why, "run the inner command itself, or allow exactly this command");
  }
  const rule = WRAPPERS.get(name);
  if (!rule || (rule.only !== undefined && rule.only !== platform)) return { kind: "plain" };
  if (name === "env") return envWrapper(argv);
  return ruledWrapper(name, rule, argv);
}

function blocked(code: string, message: string, hint?: string): Unwrapped {
  return { kind: "blocked", refusal: refusal(code, message, hint === undefined ? {} : { hint }) };
}

/** `env` alone prints the environment and is an ordinary program; with options or assignments it is blocked (X12, X13). */
function envWrapper(argv: readonly string[]): Unwrapped {
  const next = argv[1];
  if (next === undefined) return { kind: "plain" };
  if (next.startsWith("-")) {
    return blocked(
      "env-option",
      `env is given the option "${next}"`,
      "run the inner command directly",
    );
  }
  if (next.includes("=")) {
    return blocked(
      "env-assignment",
      `env sets "${next.split("=")[0]}"`,
      "leave env and the shell out and give --env NAME=value",
    );
  }
  return { kind: "wrapper", name: "env", length: 1 };
}

function ruledWrapper(name: string, rule: WrapperRule, argv: readonly string[]): Unwrapped {
  let at = 1;
  for (let word = argv[at]; word !== undefined && word.startsWith("-"); word = argv[at]) {
    const value = rule.valued?.find(([option]) => option.test(word as string));
    if (value) {
      if (!value[1].test(argv[at + 1] ?? "")) {
        return blocked("wrapper-option", `${name} has an odd value for "${word}"`);
      }
      at += 2;
    } else if (rule.flags?.test(word)) {
      at++;
      if (word === "--") break;
    } else {return blocked(
        "wrapper-option",
        `${name} is given the option "${word}", which is not known here`,
      );}
  }
  for (const shape of rule.operands ?? []) {
    if (!shape.test(argv[at] ?? "")) {
      return blocked("wrapper-operand", `${name} has an odd operand "${argv[at] ?? ""}"`);
    }
    at++;
  }
  if (argv[at] === undefined) return blocked("wrapper-empty", `${name} has no command to run`);
  return { kind: "wrapper", name, length: at };
}

const SHELL_APPLETS = new Set(["sh", "ash", "bash", "hush"]);

/** A multiplexer with a shell applet is read as that shell; any other applet is blocked (X17). */
function multiplexer(name: string, argv: readonly string[]): Unwrapped {
  const applet = argv[1] ?? "";
  if (SHELL_APPLETS.has(applet)) return { kind: "wrapper", name, length: 1 };
  return blocked(
    "multiplexer",
    `"${name}" is many programs in one; the applet "${applet}" is not bound to a file`,
    "use the system's own program of that name",
  );
}

/** The command behind transparent wrappers; stops at anything else. */
export function behindWrappers(argv: readonly string[], platform: ExecPlatform): readonly string[] {
  let rest = argv;
  for (let step = stripWrapper(rest, platform); step.kind === "wrapper";) {
    rest = rest.slice(step.length);
    step = stripWrapper(rest, platform);
  }
  return rest;
}

/** Names assigned by an `env` in front of the command, through transparent wrappers (5.4 step 3). `-S` text counts too. */
export function envAssignments(argv: readonly string[], platform: ExecPlatform): string[] {
  let rest = argv;
  for (let depth = 0; depth <= 16 && rest.length > 0; depth++) {
    if (baseName(rest[0] ?? "") === "env") {
      const names = assignmentsOfEnv(rest.slice(1));
      if (names.length > 0 || (rest[1] ?? "").startsWith("-")) return names;
    }
    const step = stripWrapper(rest, platform);
    if (step.kind !== "wrapper") return [];
    rest = rest.slice(step.length);
  }
  return [];
}

function assignmentsOfEnv(words: readonly string[]): string[] {
  const names: string[] = [];
  for (const word of words) {
    const split = /^(?:-S|--split-string=|-[a-zA-Z]*S)(.*)$/s.exec(word)?.[1];
    const candidates = split === undefined ? [word] : split.split(/\s+/);
    for (const candidate of candidates) {
      const name = /^([^=\s-][^=\s]*)=/.exec(candidate)?.[1];
      if (name !== undefined) names.push(name);
      else if (
        candidate !== "" && !candidate.startsWith("-") && split === undefined &&
        !takesValue(words, word)
      ) return names;
    }
  }
  return names;
}

/** Whether `word` is the value of an env option that stands before it, so that it is not yet the command. */
function takesValue(words: readonly string[], word: string): boolean {
  return /^(?:-u|-C|-S|--unset|--chdir|--split-string)$/.test(words[words.indexOf(word) - 1] ?? "");
}
