/** A real sshd on a loopback port with throw-away keys, and the ssh configuration that reaches it. */
import { join } from "@std/path";

/** A running sshd. */
export interface TestSshd {
  readonly port: number;
  /** For `ssh -F`: knows the host key and the login key. */
  readonly configFile: string;
  readonly dir: string;
  /** Ends the daemon and every session of it. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same keys. */
  start(): Promise<void>;
  /** How many logins it has accepted since the first start. */
  logins(): Promise<number>;
  /** Replaces the host key; takes effect with the next start. */
  changeHostKey(): Promise<void>;
  close(): Promise<void>;
}

async function run(file: string, args: string[]): Promise<string> {
  const result = await new Deno.Command(file, { args, stdin: "null" }).output();
  if (!result.success) {
    throw new Error(`${file} ${args.join(" ")}: ${new TextDecoder().decode(result.stderr)}`);
  }
  return new TextDecoder().decode(result.stdout);
}

/** Why no sshd can run here; `undefined` when one can. */
export async function sshdMissing(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "the test sshd is set up for Linux";
  for (const file of ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"]) {
    if (!await Deno.stat(file).catch(() => undefined)) return `${file} is not installed`;
  }
  return undefined;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Options of {@linkcode startSshd}. */
export interface SshdOptions {
  /** Extra lines for the client's `Host` block, for instance a ProxyJump. */
  readonly clientLines?: readonly string[];
  /** Extra lines for the daemon's configuration, for instance a ForceCommand. */
  readonly serverLines?: readonly string[];
  /** Another place than a free port on loopback: a network namespace, its address, and port 22 there. */
  readonly elsewhere?: { readonly netns: string; readonly address: string };
}

/** Starts a daemon; the host alias in its configuration is `gw`. */
export async function startSshd(options: SshdOptions = {}): Promise<TestSshd> {
  const dir = await Deno.makeTempDir({ prefix: "sshd" });
  const { elsewhere } = options;
  const address = elsewhere?.address ?? "127.0.0.1";
  const port = elsewhere ? 22 : freePort();
  const at = (name: string) => join(dir, name);
  await Deno.mkdir("/run/sshd", { recursive: true }).catch(() => {});
  await run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at("host_key")]);
  await run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at("login_key")]);
  await Deno.copyFile(at("login_key.pub"), at("authorized_keys"));
  const trust = async () =>
    await Deno.writeTextFile(
      at("known_hosts"),
      `${elsewhere ? address : `[${address}]:${port}`} ${await Deno.readTextFile(
        at("host_key.pub"),
      )}`,
    );
  await trust();
  await Deno.writeTextFile(
    at("sshd_config"),
    [
      `ListenAddress ${address}:${port}`,
      `HostKey ${at("host_key")}`,
      `PidFile none`,
      `AuthorizedKeysFile ${at("authorized_keys")}`,
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication yes",
      "PermitRootLogin yes",
      "PrintMotd no",
      "MaxStartups 100:30:200",
      ...options.serverLines ?? [],
      "",
    ].join("\n"),
  );
  const user = (await run("/usr/bin/id", ["-un"])).trim();
  await Deno.writeTextFile(
    at("ssh_config"),
    [
      elsewhere ? `Host gw ${address}` : "Host gw",
      `  HostName ${address}`,
      `  Port ${port}`,
      `  User ${user}`,
      `  IdentityFile ${at("login_key")}`,
      "  IdentitiesOnly yes",
      "  IdentityAgent none",
      `  UserKnownHostsFile ${at("known_hosts")}`,
      "  GlobalKnownHostsFile /dev/null",
      ...(options.clientLines ?? []).map((line) => `  ${line}`),
      "",
    ].join("\n"),
  );
  let daemon: Deno.ChildProcess | undefined;
  const sshd: TestSshd = {
    port,
    dir,
    configFile: at("ssh_config"),
    async start() {
      const daemonArgs = ["-D", "-E", at("sshd.log"), "-f", at("sshd_config")];
      daemon = new Deno.Command(elsewhere ? "ip" : "/usr/sbin/sshd", {
        args: elsewhere
          ? ["netns", "exec", elsewhere.netns, "/usr/sbin/sshd", ...daemonArgs]
          : daemonArgs,
        stdin: "null",
        stdout: "null",
        stderr: "null",
        detached: true,
      }).spawn();
      await accepts(address, port);
    },
    async kill() {
      if (!daemon) return;
      const session = daemon;
      daemon = undefined;
      // Sessions run in groups of their own; their parent is the daemon.
      for (const pid of await childrenOf(session.pid)) tryKill(pid);
      tryKill(session.pid);
      await session.status;
    },
    async logins() {
      const log = await Deno.readTextFile(at("sshd.log"));
      return log.match(/^Accepted publickey for /gm)?.length ?? 0;
    },
    async changeHostKey() {
      await Deno.remove(at("host_key"));
      await Deno.remove(at("host_key.pub"));
      await run("/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at("host_key")]);
    },
    async close() {
      await sshd.kill();
      await Deno.remove(dir, { recursive: true });
    },
  };
  await sshd.start();
  return sshd;
}

function tryKill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

/** Every descendant of a process, children first. */
export async function childrenOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number[]>();
  for await (const entry of Deno.readDir("/proc")) {
    const id = Number(entry.name);
    if (!id) continue;
    const stat = await Deno.readTextFile(`/proc/${id}/stat`).catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    parents.set(parent, [...parents.get(parent) ?? [], id]);
  }
  const all: number[] = [];
  const walk = (id: number) =>
    (parents.get(id) ?? []).forEach((child) => (walk(child), all.push(child)));
  walk(pid);
  return all;
}

async function accepts(hostname: string, port: number): Promise<void> {
  for (let round = 0; round < 1000; round++) {
    try {
      const conn = await Deno.connect({ hostname, port });
      const banner = new Uint8Array(3);
      await conn.read(banner);
      conn.close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`sshd does not answer on port ${port}`);
}

/** Command lines of running processes that mention `word`. */
export async function processesWith(word: string): Promise<{ pid: number; command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    const pid = Number(entry.name);
    if (!pid) continue;
    const command = (await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "")).replaceAll(
      "\0",
      " ",
    );
    if (command.includes(word)) found.push({ pid, command });
  }
  return found;
}
