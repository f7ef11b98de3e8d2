/** Faults of this machine: its configuration, files, names and routes, and nothing at the other end. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { lockFile } from "../../../src/platform/files.ts";
import { inside, type TempState } from "../../config/temp_state.ts";
import { freePort, run } from "../program.ts";
import {
  checkFinding,
  examine,
  expectCode,
  type Fault,
  read,
  remote,
  withClient,
  withProcess,
} from "./report.ts";
import { silentPort } from "./servers.ts";

const posix = () => Deno.build.os === "windows" ? "no file modes here" : undefined;

/** One fault in a client's own configuration. */
function inConfig(
  title: string,
  code: string,
  config: string,
  env: Record<string, string> = {},
): Fault {
  return {
    title,
    code,
    inject: () => withClient(config, (state) => expectCode(code, state.env), env),
  };
}

/** One fault in the files of a state directory. */
function inFiles(
  title: string,
  code: string,
  breakIt: (state: TempState) => Promise<unknown>,
): Fault {
  return {
    title,
    code,
    notHere: posix,
    inject: () =>
      withClient("{}", async (state) => {
        await breakIt(state);
        await expectCode(code, state.env);
      }),
  };
}

const own = async (path: string, text: string) => {
  await Deno.mkdir(path.replace(/\/[^/]+$/, ""), { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(path, text, { mode: 0o600 });
};

export const CONFIG_FAULTS: readonly Fault[] = [
  inConfig("a broken configuration file", "CONFIG_INVALID", "{ gateway: { port: "),
  inConfig("a port that cannot be", "CONFIG_INVALID", '{"gateway":{"port":99999}}'),
  inConfig(
    "remote mode without an address",
    "GATEWAY_REMOTE_URL_MISSING",
    '{"gateway":{"mode":"remote"}}',
  ),
  inConfig("an ftp address", "ENDPOINT_MALFORMED", remote("ftp://127.0.0.1:1")),
  {
    title: "a profile named like a path",
    code: "PROFILE_INVALID",
    inject: () =>
      withClient(
        "{}",
        ({ env }) => expectCode("PROFILE_INVALID", { ...env, OPENCLAW_PROFILE: "../x" }),
      ),
  },
  inConfig(
    "N25: plaintext to another machine",
    "PLAINTEXT_REFUSED",
    remote("ws://192.0.2.1:18789"),
  ),
  inConfig("F38: a name nobody knows", "DNS_FAILED", remote("wss://no-such-host.invalid:18789")),
  inConfig(
    "a pin for a plaintext address",
    "TLS_PIN_WITHOUT_TLS",
    remote("ws://127.0.0.1:1", { tlsFingerprint: "a".repeat(64) }),
  ),
  inConfig(
    "a pin that is none",
    "PIN_MALFORMED",
    remote("wss://127.0.0.1:1", { tlsFingerprint: "ab:cd" }),
  ),
  inConfig("no gateway on this machine", "GATEWAY_NOT_RUNNING", "{}", {
    OPENCLAW_GATEWAY_PORT: String(freePort()),
  }),
  inConfig("no tunnel to a remote gateway", "TUNNEL_NOT_OPEN", remote("ws://127.0.0.1:1")),
  inConfig(
    "N24: a URL by hand without its token",
    "GATEWAY_URL_CREDENTIALS_MISSING",
    remote("ws://127.0.0.1:1"),
    { OPENCLAW_GATEWAY_URL: "ws://127.0.0.1:1" },
  ),
  inConfig(
    "a secret reference without a value",
    "GATEWAY_SECRET_REF_UNAVAILABLE",
    remote("ws://127.0.0.1:1", { token: { source: "env", provider: "default", id: "NOT_SET" } }),
  ),
  inFiles(
    "a configuration others can write",
    "FILE_UNSAFE",
    (state) => Deno.chmod(state.paths.configFile, 0o666),
  ),
  {
    title: "a configuration elsewhere that is a link to itself",
    code: "FILE_FAILED",
    notHere: posix,
    inject: () =>
      withClient("{}", async (state) => {
        const folder = inside(state, "elsewhere");
        await Deno.mkdir(folder);
        const file = `${folder}/openclaw.json`;
        await Deno.symlink(file, file);
        const env = { ...state.env, OPENCLAW_CONFIG_PATH: file };
        const { finding } = await expectCode("FILE_FAILED", env);
        assertEquals(finding?.command, `ls -ld ${folder}`);
      }),
  },
  inFiles(
    "half of a certificate pair",
    "TLS_FILES_INCOMPLETE",
    (state) => own(state.paths.tlsCertFile, "x"),
  ),
  inFiles(
    "a device key that is none",
    "DEVICE_KEY_UNUSABLE",
    (state) => own(state.paths.operatorKeyFile, "{}"),
  ),
  {
    title: "a broken file of device tokens",
    code: "TOKEN_STORE_UNREADABLE",
    inject: () =>
      withClient(remote("ws://127.0.0.1:1"), async (state) => {
        await own(`${state.paths.identityDir}/operator-tokens.json`, "{ broken");
        await expectCode("TOKEN_STORE_UNREADABLE", state.env);
      }),
  },
  {
    title: "a state directory that is a file",
    code: "FILE_UNSAFE",
    inject: () =>
      withClient("{}", async (state) => {
        const file = `${state.home}/no-directory`;
        await Deno.writeTextFile(file, "");
        const report = await examine({ ...state.env, OPENCLAW_STATE_DIR: file });
        assertEquals(report.finding?.hop, "config");
        checkFinding(report, "FILE_UNSAFE");
      }),
  },
  {
    title: "a held lock without a listener",
    code: "GATEWAY_LOCK_HELD",
    inject: () =>
      withClient("{}", async (state) => {
        await Deno.mkdir(state.paths.gatewayDir, { recursive: true, mode: 0o700 });
        const lock = await lockFile(state.paths.gatewayLockFile);
        const env = { ...state.env, OPENCLAW_GATEWAY_PORT: String(freePort()) };
        const { finding } = await expectCode("GATEWAY_LOCK_HELD", env);
        assertStringIncludes(finding?.command ?? "", state.paths.gatewayLockFile);
        lock.close();
      }),
  },
  {
    title: "a full disk",
    code: "DISK_FULL",
    notHere: () => inNamespace(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]),
    inject: () =>
      withProcess("{}", async (home, env) => {
        // As root of a namespace a write may use the blocks kept for root; a tmpfs keeps none.
        const script = `mkdir -p "$S" && mount -t tmpfs -o size=64k,mode=700 tmpfs "$S" &&
          printf '{}' > "$S/openclaw.json" && chmod 600 "$S/openclaw.json" &&
          { head -c 200k /dev/zero > "$S/filler" || :; } 2>/dev/null; exec "$@"`;
        const report = await inNewNamespace(["--mount"], script, {
          ...env,
          OPENCLAW_STATE_DIR: `${home.path}/full`,
          S: `${home.path}/full`,
        });
        const { finding } = checkFinding(report, "DISK_FULL");
        assertEquals(finding?.command, `df -h ${home.path}/full`);
      }),
  },
  {
    title: "no route to the address",
    code: "ROUTE_MISSING",
    notHere: () => inNamespace(["--net", "true"]),
    inject: () =>
      withProcess(remote("wss://192.0.2.1:18789", { tlsFingerprint: "a".repeat(64) }), async (
        _home,
        env,
      ) => {
        const report = await inNewNamespace(["--net"], 'exec "$@"', env);
        assertMatch(checkFinding(report, "ROUTE_MISSING").finding?.command ?? "", /ip route get/);
      }),
  },
  {
    title: "a port behind a firewall that drops packets",
    code: "CONNECT_TIMEOUT",
    notHere: () => found("perl") ? undefined : "no perl for a port with a full queue",
    async inject() {
      await using silent = await silentPort();
      await withClient(
        remote(`ws://127.0.0.1:${silent?.port}`),
        (state) => expectCode("CONNECT_TIMEOUT", state.env),
      );
    },
  },
];

function found(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });
}

function inNamespace(args: readonly string[]): string | undefined {
  if (!found("unshare")) return "no unshare here";
  const tried = new Deno.Command("unshare", {
    args: ["-r", ...args],
    stdout: "null",
    stderr: "null",
  })
    .outputSync();
  return tried.success ? undefined : "namespaces are not allowed here";
}

/** Runs the doctor in namespaces of its own, after `script` prepared them. */
async function inNewNamespace(
  kinds: readonly string[],
  script: string,
  env: Record<string, string>,
) {
  const through = ["unshare", "-r", ...kinds, "sh", "-c", script, "sh"];
  return read(await run(["doctor", "--json"], { env, through }));
}
