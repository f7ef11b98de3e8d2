/**
 * Every frame that our gateway, node and command line exchange is held against the published schema of protocol 4.
 * The schema package is an oracle at test time only. What differs on purpose stands in {@linkcode OURS}, with a reason.
 */
import { assertEquals } from "@std/assert";
import { createRequire } from "node:module";
import { join } from "@std/path";
import { clientPackages, Home } from "../support/reference.ts";
import { type Recorded, startRecorder } from "../support/recorder.ts";
import { Matrix } from "./matrix.ts";
import { liveNode, openNodeHome, pendingDevice, stageGateway, TOKEN } from "./stage.ts";

/** Methods and events of our own (ours-to-ours, only used when both sides announced them). */
const OURS: Readonly<Record<string, string>> = {
  "device.pair.admit": "one approval for device and surface (decision 3)",
  "node.invoke.output": "live output on the operator's side (decision 12)",
  "node.invoke.output.ack": "flow control of live output (decision 13)",
  "node.invoke.input": "stdin of a running command (decision 14)",
  "node.invoke.cancel": "a caller that stops waiting (decision 13)",
  "gateway.cert": "the next certificate is announced to nodes that asked for it",
  "gateway.cert.show": "certificate in use and the next one",
  "gateway.cert.prepare": "makes and announces the next certificate",
  "gateway.cert.switch": "switches to the announced certificate",
  "node.cert.heard": "a node has stored the next pin",
};

/** Answers whose schema is not called `<Method>Result`. */
const ANSWERS: Readonly<Record<string, string>> = {
  "connect": "HelloOk",
  "config.schema": "ConfigSchemaResponse",
};

/**
 * What real 2026.9.6 peers send although the published schema (2026.9.1) does not know it, and our own opt-in members.
 * They are taken off before the comparison.
 */
const BESIDE_THE_SCHEMA:
  readonly (readonly [name: string, reason: string, strip: (value: Loose) => void])[] = [
    ["HelloOk", "auth.method is on the wire of 2026.9.6", (v) => delete v.auth?.method],
    [
      "HelloOk",
      "presence entries name the client on the wire of 2026.9.6",
      (v) => v.snapshot?.presence?.forEach((entry: Loose) => delete entry.clientId),
    ],
    [
      "NodeInvokeRequestEvent",
      "tells a node of ours that somebody listens to live output (decision 12), and who asks",
      (v) => {
        delete v.live;
        delete v.requester;
      },
    ],
    [
      "NodeEventResult",
      "2026.9.6 answers exec events with {ok:true} alone",
      (v) => Object.keys(v).join() === "ok" && Object.assign(v, { event: "exec", handled: true }),
    ],
  ];

// deno-lint-ignore no-explicit-any -- frames of any kind are looked at here
type Loose = any;

interface Frame {
  readonly type: string;
  readonly id?: string;
  readonly method?: string;
  readonly event?: string;
  readonly ok?: boolean;
  readonly params?: unknown;
  readonly payload?: unknown;
}

type Validate = (name: string, value: unknown) => string | undefined;

async function oracle(): Promise<Validate> {
  const file = join(
    await clientPackages(),
    "node_modules/@openclaw/gateway-protocol/protocol.schema.json",
  );
  const schema = JSON.parse(await Deno.readTextFile(file));
  const Ajv = createRequire(join(await clientPackages(), "package.json"))("ajv").default;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ $id: "protocol", definitions: schema.definitions });
  return (name, value) => {
    if (!Object.hasOwn(schema.definitions, name)) return undefined;
    const validate = ajv.getSchema(`protocol#/definitions/${name}`);
    if (!validate) throw new Error(`cannot compile ${name}`);
    return validate(value) ? undefined : `${name}: ${ajv.errorsText(validate.errors)}`;
  };
}

function typeName(dotted: string, suffix: string): string {
  return dotted.split(/[.-]/).map((word) => word[0]?.toUpperCase() + word.slice(1)).join("") +
    suffix;
}

/** Differences of one recording; one line each, repeats left out. */
function differences(
  frames: readonly Recorded[],
  validate: Validate,
): { found: string[]; checked: number } {
  const methods = new Map<string, string>();
  const found = new Set<string>();
  let checked = 0;
  const hold = (where: string, name: string, value: unknown) => {
    checked++;
    const compared = structuredClone(value);
    for (const [of, , strip] of BESIDE_THE_SCHEMA) if (of === name) strip(compared);
    const problem = validate(name, compared);
    if (problem) found.add(`${where}: ${problem}`);
  };
  for (const { conn, text } of frames) {
    const frame = JSON.parse(text) as Frame;
    const kind = { req: "RequestFrame", res: "ResponseFrame", event: "EventFrame" }[frame.type];
    hold(`${frame.type} ${frame.method ?? frame.event ?? ""}`, kind ?? "GatewayFrame", frame);
    if (frame.type === "req") {
      methods.set(`${conn} ${frame.id}`, frame.method ?? "");
      if (frame.method && !(frame.method in OURS)) {
        hold(`request ${frame.method}`, typeName(frame.method, "Params"), frame.params ?? {});
      }
    } else if (frame.type === "res" && frame.ok) {
      const method = methods.get(`${conn} ${frame.id}`) ?? "";
      const name = ANSWERS[method] ?? typeName(method, "Result");
      if (!(method in OURS)) hold(`answer ${method}`, name, frame.payload);
    } else if (frame.type === "event" && frame.event && !(frame.event in OURS)) {
      hold(`event ${frame.event}`, typeName(frame.event, "Event"), frame.payload);
    }
  }
  return { found: [...found], checked };
}

Deno.test({
  name: "every frame of ours is valid by the published schema",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    const matrix = new Matrix("our frames -> published schema", "v4");
    const validate = await oracle();
    const gateway = await stageGateway("ours");
    const recorder = startRecorder(gateway.port);
    const operator = await Home.make("ours", {
      gateway: { mode: "local", port: recorder.port, auth: { mode: "token", token: TOKEN } },
    });
    const nodeHome = await openNodeHome();
    const node = await nodeHome.start([
      "node",
      "run",
      "--host",
      "127.0.0.1",
      "--port",
      String(recorder.port),
    ]);
    try {
      const { requestId, deviceId } = await pendingDevice(operator, []);
      await operator.json(["devices", "approve", requestId, "--yes", "--json"]);
      await liveNode(operator, []);
      const commands = [
        ["health"],
        ["status", "--deep"],
        ["gateway", "probe"],
        ["devices", "list"],
        ["nodes", "list"],
        ["nodes", "describe", "--node", deviceId],
        ["nodes", "rename", "--node", deviceId, "--name", "n"],
        ["approvals", "get", "--gateway"],
        ["approvals", "get", "--node", deviceId],
        ["approvals", "pending"],
        ["logs", "--limit", "5"],
        ["config", "get", "gateway.port"],
        [
          "nodes",
          "invoke",
          "--node",
          deviceId,
          "--command",
          "system.which",
          "--params",
          '{"bins":["sh"]}',
        ],
        ["gateway", "call", "system-presence"],
        ["gateway", "call", "agents.list"],
        ["gateway", "call", "tools.catalog"],
        ["gateway", "call", "update.status"],
        ["gateway", "call", "gateway.identity.get"],
        ["gateway", "call", "config.get"],
        ["gateway", "call", "config.schema"],
        ["gateway", "call", "config.schema.lookup", "--params", '{"path":"gateway.auth"}'],
        ["gateway", "call", "config.patch", "--params", '{"raw":"{session:{idle:5}}"}'],
      ];
      for (const command of commands) await operator.run([...command, "--json"]);
      await operator.run(["nodes", "run", "--node", deviceId, "--", "/bin/echo", "hi"]);
      await operator.run(["devices", "rotate", "--device", deviceId, "--role", "node", "--json"]);
      await matrix.scenario(t, "a session of every kind", () => {
        const { found, checked } = differences(recorder.frames, validate);
        console.log(
          `held ${checked} values of ${recorder.frames.length} frames against the schema`,
        );
        assertEquals(found, []);
        assertEquals(checked > 150, true, `only ${checked} values were checked`);
        return Promise.resolve();
      });
    } finally {
      await node.stop();
      await recorder.close();
      await nodeHome.remove();
      await operator.remove();
      await gateway.close();
      await matrix.write();
    }
  },
});
