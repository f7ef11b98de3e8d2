/**
 * Section 4 on a gateway that runs: a reference that breaks stops what needs it and nothing else; once it is whole again
 * it is in force without a restart.
 */
import { assert, assertEquals } from "@std/assert";
import { type RunningGateway, startGateway } from "../../../src/gateway/server.ts";
import type { LogRecord } from "../../../src/lib/log.ts";
import { inside, type TempState, tempState } from "../../config/temp_state.ts";
import { eventually } from "../../e2e/program.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { connectParams, Wire } from "../../support/wire.ts";

const posix = Deno.build.os !== "windows";
const FIRST = "tok-synthetic-first-0123456789abcdef";
const SECOND = "tok-synthetic-second-0123456789abcdef";

interface Scene {
  readonly gateway: RunningGateway;
  readonly state: TempState;
  readonly logs: LogRecord[];
  /** Where the secret comes from: its file, or the program that prints it. */
  readonly source: string;
  /** Connects as owner; the code of the refusal, or the connection. */
  enter(token: string): Promise<Wire | string>;
  /** Saves the configuration again as it is, and waits for what the gateway says. */
  touch(said: string): Promise<void>;
  /** Waits for a log line from now on. */
  said(text: string, while_: () => void | Promise<void>): Promise<void>;
}

interface SceneOptions {
  readonly provider: (source: string) => Record<string, unknown>;
  readonly id: string;
  readonly content: string;
  readonly clock?: FakeClock;
}

async function withSecret(options: SceneOptions, use: (scene: Scene) => Promise<void>) {
  await using state = await tempState();
  const source = inside(state, "secret");
  await writeSource(source, options.content);
  const provider = options.provider(source);
  await state.write(
    JSON.stringify({
      gateway: { port: 0, auth: { token: { source: provider.source, id: options.id } } },
      secrets: { providers: { default: provider } },
    }).replace('"port":0,', ""),
  );
  const logs: LogRecord[] = [];
  const gateway = await startGateway({
    paths: state.paths,
    env: state.env,
    flags: { port: 0, bind: "loopback" },
    logSinks: [(record) => logs.push(record)],
    ...(options.clock ? { clock: options.clock } : {}),
  });
  const wires: Wire[] = [];
  const said = async (text: string, act: () => void | Promise<void>) => {
    const from = logs.length;
    await act();
    await eventually(
      `${text} in ${JSON.stringify(logs.slice(from))}`,
      () => logs.slice(from).some((line) => JSON.stringify(line).includes(text)),
    );
  };
  try {
    await use({
      gateway,
      state,
      logs,
      source,
      said,
      touch: (text) => said(text, () => Deno.utime(state.paths.configFile, new Date(), new Date())),
      async enter(token) {
        const wire = await Wire.open(gateway.url);
        wires.push(wire);
        await wire.challenge();
        const hello = await wire.request("connect", connectParams({ auth: { token } }));
        return hello.ok ? wire : String(hello.error?.details?.code);
      },
    });
    const all = JSON.stringify(logs);
    assert(!all.includes(FIRST) && !all.includes(SECOND), "no secret in the log");
  } finally {
    for (const wire of wires) wire.terminate();
    const pacer = setInterval(() => options.clock?.advance(1_000), 10);
    await gateway.stop({ drainMs: 0 });
    clearInterval(pacer);
  }
}

async function writeSource(path: string, content: string, mode = 0o600): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
  await Deno.writeTextFile(path, content, { mode });
  if (posix) await Deno.chmod(path, mode);
}

const file = {
  provider: (path: string) => ({ source: "file", path, mode: "singleValue" }),
  id: "value",
  content: `${FIRST}\n`,
};

Deno.test("section 4: a file reference breaks: the running secret is kept, other keys apply, the next secret takes force", () =>
  withSecret(file, async ({ gateway, state, source, enter, touch, said }) => {
    const session = await enter(FIRST);
    assert(session instanceof Wire);
    await Deno.remove(source);
    await touch("gateway.auth.token is a secret reference that is unavailable");
    const more = JSON.stringify({ ...JSON.parse(await state.read()) }).replace(
      '"gateway":{',
      '"gateway":{"trustedProxies":["10.0.0.1"],',
    );
    await said("gateway auth and addresses not changed", () => state.write(more));
    assertEquals(gateway.config.config.gateway.trustedProxies, ["10.0.0.1"], "nothing else stops");
    assert((await session.request("health", {})).ok, "who is in stays in");
    assert(await enter(FIRST) instanceof Wire, "the last good secret lets in");
    assertEquals(await enter(""), "AUTH_TOKEN_MISSING", "and nothing else does");
    await writeSource(source, SECOND);
    await touch("gateway auth changed");
    assertEquals(await session.ended(), { code: 4001, reason: "gateway auth changed" });
    assertEquals(await enter(FIRST), "AUTH_TOKEN_MISMATCH");
    assert(await enter(SECOND) instanceof Wire);
  }));

Deno.test("section 4: a missing secret is asked for again without a hand on the gateway, and told once", () => {
  const clock = new FakeClock();
  return withSecret({ ...file, clock }, async ({ source, state, logs, enter }) => {
    await Deno.remove(source);
    const warnings = () => logs.filter(({ message }) => message.includes("not changed")).length;
    await Deno.utime(state.paths.configFile, new Date(), new Date());
    await eventually("the warning", () => {
      clock.advance(400);
      return warnings() === 1;
    });
    for (let n = 0; n < 5; n++) clock.advance(10_000);
    await writeSource(source, SECOND);
    await eventually("the new secret", () => {
      clock.advance(1_000);
      return logs.some(({ message }) => message === "gateway auth changed");
    });
    assert(await enter(SECOND) instanceof Wire);
    assertEquals(warnings(), 1);
  });
});

const answer = (token: string) =>
  `#!/bin/sh\necho '{"protocolVersion":1,"values":{"gateway/token":"${token}"}}'\n`;

/** How a program can fail while the gateway runs, and what is said. */
const FAILURES: Readonly<Record<string, readonly [(path: string) => Promise<unknown>, string]>> = {
  "prints garbage": [
    (path) => writeSource(path, `#!/bin/sh\necho ${SECOND}\n`, 0o700),
    "the answer is not JSON",
  ],
  "prints without end": [
    (path) => writeSource(path, `#!/bin/sh\nwhile :; do echo ${SECOND}; done\n`, 0o700),
    "more than 5000 bytes of output",
  ],
  "exits with 3": [
    (path) => writeSource(path, `${answer(SECOND)}exit 3\n`, 0o700),
    "ended with exit code 3",
  ],
  "can be written by others": [
    (path) => writeSource(path, answer(SECOND), 0o722),
    "others can write it",
  ],
  "is a link": [async (path) => {
    await writeSource(`${path}-real`, answer(SECOND), 0o700);
    await Deno.remove(path);
    await Deno.symlink(`${path}-real`, path);
  }, "is a symbolic link"],
  "is gone": [(path) => Deno.remove(path), "does not exist"],
  "is a FIFO": [async (path) => {
    await Deno.remove(path).catch(() => {});
    await new Deno.Command("mkfifo", { args: ["-m", "700", path] }).output();
  }, "is no file"],
};

/** No program that answers needs as long; what hangs gets {@linkcode SHORT_MS}. */
const LONG_MS = 60_000;
const SHORT_MS = 300;

Deno.test(
  "section 4: every way a program can fail on a running gateway keeps the secret and is told without it",
  {
    ignore: !posix,
  },
  async (t) => {
    const exec = {
      // The program must be one before the gateway asks it.
      provider: (command: string) => {
        Deno.chmodSync(command, 0o700);
        return { source: "exec", command, timeoutMs: LONG_MS, maxOutputBytes: 5_000 };
      },
      id: "gateway/token",
      content: answer(FIRST),
    };
    await withSecret(exec, async ({ source, state, enter, touch, said }) => {
      const isKept = async () => {
        const session = await enter(FIRST);
        assert(session instanceof Wire);
        assertEquals(await enter(SECOND), "AUTH_TOKEN_MISMATCH");
        session.terminate();
      };
      for (const [name, [break_, reason]] of Object.entries(FAILURES)) {
        await t.step(name, async () => {
          await break_(source);
          await touch(reason);
          await isKept();
        });
      }
      await t.step("hangs", async () => {
        await writeSource(source, "#!/bin/sh\nexec sleep 600\n", 0o700);
        const text = await state.read();
        await said(
          `no answer within ${SHORT_MS} ms`,
          () => state.write(text.replace(String(LONG_MS), String(SHORT_MS))),
        );
        await isKept();
        await writeSource(source, answer(SECOND), 0o700);
        await said("gateway auth changed", () => state.write(text));
      });
      assert(await enter(SECOND) instanceof Wire);
    });
  },
);
