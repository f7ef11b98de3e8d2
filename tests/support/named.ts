/** A real name server (BIND) on an address of the tests' own, serving zone files. */
import { join } from "@std/path";

/** A running server. */
export interface TestNamed {
  readonly port: number;
  /** Reads its zone files again. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

/** Why none can run here; `undefined` when one can. */
export async function namedMissing(): Promise<string | undefined> {
  for (const file of ["/usr/sbin/named", "/usr/bin/named-checkzone"]) {
    if (!await Deno.stat(file).catch(() => undefined)) return `${file} is not installed`;
  }
  return undefined;
}

/** Serves `zones` (domain → file) until stopped. */
export async function startNamed(
  facts: {
    readonly dir: string;
    readonly address: string;
    readonly port: number;
    readonly zones: Readonly<Record<string, string>>;
  },
): Promise<TestNamed> {
  const { dir, address, port, zones } = facts;
  const config = join(dir, "named.conf");
  await Deno.writeTextFile(
    config,
    [
      `options { directory "${dir}"; listen-on port ${port} { ${address}; }; listen-on-v6 { none; };`,
      `  pid-file none; recursion no; session-keyfile "${dir}/session.key";`,
      `  managed-keys-directory "${dir}"; };`,
      "controls {};",
      ...Object.entries(zones).map(([name, file]) =>
        `zone "${name}" { type master; file "${file}"; };`
      ),
      "",
    ].join("\n"),
  );
  const child = new Deno.Command("/usr/sbin/named", {
    args: ["-g", "-c", config],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let ready = Promise.withResolvers<void>();
  let said = "";
  const reading = (async () => {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      said += chunk;
      // Said after every start and every reload.
      if (/\brunning\n/.test(said)) ready.resolve();
    }
    ready.reject(new Error(`named ended: ${said.slice(-2000)}`));
  })();
  await ready.promise;
  return {
    port,
    async reload() {
      said = "";
      ready = Promise.withResolvers<void>();
      child.kill("SIGHUP");
      await ready.promise;
    },
    async stop() {
      ready.promise.catch(() => {});
      child.kill("SIGKILL");
      await child.status;
      await reading;
    },
  };
}
