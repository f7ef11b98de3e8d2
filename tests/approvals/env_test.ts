/** Rows E01-E11: which variables a caller may set, and what a child inherits. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { childEnv, isBlockedOverride, judgeEnv } from "../../src/approvals/env.ts";
import { makePlan } from "../../src/approvals/plan.ts";
import { fakeMachine, sh } from "./fake_machine.ts";

const rows: readonly { name: string; keys: string }[] = [
  {
    name: "E01: the dynamic loader",
    keys:
      "LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES GCONV_PATH ld_preload Ld_Preload GLIBC_TUNABLES",
  },
  {
    name: "E02: shell start",
    keys:
      "BASH_ENV ENV BASH_FUNC_echo%% BASH_FUNC_x() SHELLOPTS PS4 PROMPT_COMMAND HOME ZDOTDIR IFS BASHOPTS CDPATH",
  },
  {
    name: "E03: interpreters",
    keys:
      "NODE_OPTIONS PYTHONPATH PYTHONSTARTUP PERL5OPT RUBYOPT JAVA_TOOL_OPTIONS DOTNET_STARTUP_HOOKS COMPlus_X COR_PROFILER CORECLR_ENABLE_PROFILING PYTHONWARNINGS BUN_OPTIONS PERLLIB",
  },
  {
    name: "E05: git",
    keys:
      "GIT_EXTERNAL_DIFF GIT_EXEC_PATH GIT_SSH_COMMAND GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_ASKPASS GIT_CONFIG GIT_TRACE GIT_PAGER",
  },
  {
    name: "E06: network and TLS",
    keys:
      "HTTPS_PROXY https_proxy SSL_CERT_FILE NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED DOCKER_HOST SSLKEYLOGFILE",
  },
  {
    name: "E03: variants that name a program, its options or a place to load code from",
    keys:
      "RESTIC_PASSWORD_COMMAND BORG_RSH KUBECTL_EXTERNAL_DIFF ANSIBLE_SSH_EXECUTABLE GDK_PIXBUF_MODULE_FILE NIX_SSHOPTS GOAUTH GCC_EXEC_PREFIX COMPILER_PATH CLOUDSDK_PYTHON JAVACMD MAVEN_ARGS APP_OPTS GROOVY_OPTS NODE_COMPILE_CACHE PYTEST_ADDOPTS SSH_SK_PROVIDER LESSKEY_CONTENT GROFF_COMMAND_PREFIX PS0 DOCKER_CONFIG APT_CONFIG WINEDLLOVERRIDES ASAN_OPTIONS LD64_PRELOAD _RLD_LIST CMAKE_C_COMPILER_LAUNCHER GIT_SSH_VARIANT ALTERNATE_EDITOR pytest_plugins ZIP pnpm_config_script_shell COREPACK_NPM_REGISTRY RBENV_HOOK_PATH PYENV_HOOK_PATH TOX_OVERRIDE TG_TF_PATH OMPI_MCA_plm_rsh_agent MTR_PACKET PYLINTRC YACC LEX GETCONF_DIR GOCACHEPROG GOPACKAGESDRIVER CARGO_BUILD_RUSTFLAGS CARGO_ENCODED_RUSTDOCFLAGS CARGO_REGISTRY_CREDENTIAL_PROVIDER CARGO_CREDENTIAL_ALIAS_X CC_x86_64_unknown_linux_gnu CFLAGS_aarch64-apple-darwin TARGET_CC HOSTCC HOSTCFLAGS KCFLAGS CGO_LDFLAGS_ALLOW ESBUILD_BINARY_PATH FIREFOX_BIN CHROME_PATH HADOOP_CLASSPATH FLASK_APP TS_NODE_REQUIRE VIRTUALENV_PYTHON SDL_DYNAMIC_API DOTNET_GCName VK_ICD_FILENAMES GI_TYPELIB_PATH",
  },
  { name: "E03: what makes programs read their words in another order", keys: "POSIXLY_CORRECT" },
  { name: "E08: PATH", keys: "PATH Path path PATHEXT PathExt COMSPEC" },
];

for (const row of rows) {
  Deno.test(`${row.name} cannot be set by a caller`, () => {
    for (const key of row.keys.split(" ")) {
      const verdict = judgeEnv({ [key]: "x", FOO: "1" }, { shellWrapper: false });
      assertEquals(verdict.blocked, [key]);
      assertEquals(Object.keys(verdict.accepted), []);
      assertMatch(
        verdict.refusal ?? "",
        /^SYSTEM_RUN_DENIED: environment override rejected \(blocked override keys: /,
      );
      assert(isBlockedOverride(key));
    }
  });
}

Deno.test("A17: refused names are shown as one line, whatever a caller put into them", async () => {
  const odd = "LD_\n\x1b[2K\u202e" + "x".repeat(1000);
  const { refusal = "" } = judgeEnv({ [odd]: "x" }, { shellWrapper: false });
  assertMatch(refusal, /keys: LD_\\n\\x1b\[2K\\u\{202e\}x+…\)$/);
  assert(refusal.length < 400);
  const plan = await makePlan({ argv: ["env", `${odd.replace("\n", "")}=1`, "id"] }, fakeMachine());
  assertMatch(plan.envPrefixRefusal ?? "", /^SYSTEM_RUN_DENIED: [^\n\x1b\u202e]+$/);
});

Deno.test("judgeEnv() accepts what builds need and ignores values that are no text", () => {
  const needed: Record<string, string> = {
    CI: "1",
    NODE_ENV: "test",
    TZ: "UTC",
    DEBUG: "*",
    GIT_AUTHOR_NAME: "x",
    GIT_COMMIT: "abc",
    DOCKER_BUILDKIT: "1",
    CMAKE_BUILD_TYPE: "Debug",
    CARGO_TERM_COLOR: "never",
    CARGO_INCREMENTAL: "0",
    CARGO_BUILD_TARGET: "wasm32-wasip1",
    CGO_ENABLED: "0",
    CC_TEST_REPORTER_ID: "x",
    DOTNET_NOLOGO: "1",
    GOCACHE: "/srv/c",
    MIX_ENV: "test",
    PGHOST: "db",
    AWS_REGION: "eu",
    APP_SRC: "/srv",
    "PROGRAM_FILES(X86)": "x",
  };
  const verdict = judgeEnv({ ...needed, N: 5, __proto__: "x" }, { shellWrapper: false });
  assertEquals({ ...verdict.accepted }, needed);
  assertEquals(verdict.refusal, undefined);
});

Deno.test("judgeEnv() names blocked and invalid keys together", () => {
  const verdict = judgeEnv({ "A-B": "1", LD_PRELOAD: "x", "": "y", "1A": "z", PATH: "p" }, {
    shellWrapper: false,
  });
  assertEquals(
    verdict.refusal,
    "SYSTEM_RUN_DENIED: environment override rejected (blocked override keys: LD_PRELOAD, PATH; invalid non-portable override keys: , 1A, A-B)",
  );
});

Deno.test("judgeEnv() leaves a shell only terminal and language", () => {
  const verdict = judgeEnv({ TERM: "xterm", LANG: "C", LC_ALL: "C", NO_COLOR: "1", FOO: "1" }, {
    shellWrapper: true,
  });
  assertEquals(Object.keys(verdict.accepted), ["TERM", "LANG", "LC_ALL", "NO_COLOR"]);
  assertEquals(verdict.reduced, ["FOO"]);
  assertEquals(verdict.refusal, undefined);
});

Deno.test("E11: a child has no secret of this product, no loader variable and no listed credential", () => {
  const base = {
    PATH: "/usr/bin",
    HOME: "/home/u",
    HTTPS_PROXY: "p",
    CC: "gcc",
    CARGO_HOME: "/c",
    LD_PRELOAD: "x",
    "BASH_FUNC_a%%": "() { :; }",
    OPENCLAW_GATEWAY_TOKEN: "t",
    OPENCLAW_GATEWAY_PASSWORD: "p",
    OPENCLAW_JOIN: "j",
    OPENCLAW_NODE_DEVICE_TOKEN: "d",
    OPENCLAW_STATE_DIR: "/s",
    GITHUB_TOKEN: "g",
    AWS_SECRET_ACCESS_KEY: "a",
    MY_VAULT: "v",
    COMPlus_Enable: "1",
  };
  const env = childEnv({ base, accepted: { FOO: "1" }, secretNames: ["MY_VAULT"] });
  assertEquals(
    env,
    {
      PATH: "/usr/bin",
      HOME: "/home/u",
      HTTPS_PROXY: "p",
      OPENCLAW_STATE_DIR: "/s",
      FOO: "1",
      OPENCLAW_CLI: "1",
    } as Record<string, string>,
  );
});

Deno.test("childEnv() passes listed names on when the configuration says so, but never a secret", () => {
  const base = { CC: "gcc", CARGO_HOME: "/c", OPENCLAW_GATEWAY_TOKEN: "t", MY_VAULT: "v" };
  const env = childEnv({
    base,
    accepted: {},
    pass: ["CC", "cargo_home", "OPENCLAW_GATEWAY_TOKEN", "MY_VAULT"],
    secretNames: ["my_vault"],
  });
  assertEquals(env, { CC: "gcc", CARGO_HOME: "/c", OPENCLAW_CLI: "1" } as Record<string, string>);
});

Deno.test("makePlan() refuses blocked assignments of an env prefix, wherever it stands", async () => {
  const facts = fakeMachine();
  for (
    const argv of [
      ["env", "LD_PRELOAD=x", "uname"],
      ["/usr/bin/env", "-i", "LD_PRELOAD=x", "uname"],
      ["env", "A=1", "LD_PRELOAD=x", "uname"],
      ["timeout", "5", "env", "LD_PRELOAD=x", "uname"],
      ["env", "-u", "X", "LD_PRELOAD=x", "uname"],
      ["env", "-S", "LD_PRELOAD=x uname"],
      ["env", "-SLD_PRELOAD=x uname"],
      ["env", "--split-string=LD_PRELOAD=x uname"],
      ["env", "env", "LD_PRELOAD=x", "uname"],
    ]
  ) {
    const plan = await makePlan({ argv }, facts);
    assertEquals(
      plan.envPrefixRefusal,
      "SYSTEM_RUN_DENIED: command env assignment rejected (blocked env assignment keys: LD_PRELOAD)",
      argv.join(" "),
    );
  }
  assertEquals(
    (await makePlan({ argv: ["env", "A=1", "uname", "LD_PRELOAD=x"] }, facts)).envPrefixRefusal,
    undefined,
  );
});

Deno.test("makePlan() reduces the environment of a shell, also behind a wrapper", async () => {
  const facts = fakeMachine();
  for (const argv of [sh("uname"), ["timeout", "5", "bash", "-c", "uname"]]) {
    const plan = await makePlan({ argv, env: { FOO: "1", TERM: "x" } }, facts);
    assertEquals({ ...plan.env.accepted }, { TERM: "x" });
  }
});

Deno.test("E08: on Windows an override replaces the inherited variable of another case", () => {
  const facts = { base: { FOO: "theirs", BAR: "b" }, accepted: { Foo: "ours" } };
  assertEquals({ ...childEnv({ ...facts, platform: "windows" }) }, {
    BAR: "b",
    Foo: "ours",
    OPENCLAW_CLI: "1",
  });
  assertEquals({ ...childEnv(facts) }, { FOO: "theirs", BAR: "b", Foo: "ours", OPENCLAW_CLI: "1" });
});
