/**
 * Frames against the published schema of protocol 4, an oracle at test time only. What differs on purpose stands here,
 * each with its reason.
 */
import { createRequire } from "node:module";
import { join } from "@std/path";
import { clientPackages } from "../support/reference.ts";

/** Methods and events of our own (ours-to-ours, only used when both sides announced them). */
const OURS: Readonly<Record<string, string>> = {
  "device.pair.admit": "one approval for device and surface (decision 3)",
  "device.pair.setupList": "join codes that still work (decision 35)",
  "device.pair.setupRevoke": "ends a join code (decision 35)",
  "audit.list": "what ran on nodes (decision 24)",
  "node.invoke.output": "live output on the operator's side (decision 12)",
  "node.invoke.output.ack": "flow control of live output (decision 13)",
  "node.invoke.input": "stdin of a running command (decision 14)",
  "node.invoke.cancel": "a caller that stops waiting (decision 13)",
  "node.identity.duplicate": "one identity on two machines (F32)",
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

const OWN_PLAN = ["stdin", "cwdIdentity", "scriptOperands", "programOperands"];
const OWN_SETUP = ["urls", "name", "labels", "commands", "scopes", "uses", "ttlMs"];
const PEOPLE = "a code for a person's device, which the reference does not make (decision 35)";
const forPeople = (value: Loose) => value.access === "operator" && (value.access = "node");

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
      "NodeInvokeRequestEvent",
      "no params are null on the wire of both references",
      (v) => v.paramsJSON === null && delete v.paramsJSON,
    ],
    [
      "ExecApprovalRequestParams",
      "members of a plan that only a node of ours writes (decision 14, A07, A09)",
      (v) => OWN_PLAN.forEach((key) => delete v.systemRunPlan?.[key]),
    ],
    [
      "DevicePairSetupCodeParams",
      "what a join code of ours grants beyond the reference's (decision 35)",
      (v) => {
        OWN_SETUP.forEach((key) => delete v[key]);
        if (v.bootstrapProfile === "operator") delete v.bootstrapProfile;
      },
    ],
    ["DevicePairSetupCodeResult", PEOPLE, forPeople],
    ["DevicePairSetupCompletedEvent", PEOPLE, forPeople],
    ["DevicePairSetupStatusResult", PEOPLE, (v) => v.completion && forPeople(v.completion)],
    [
      "DevicePairSetupStatusResult",
      "the short code both sides compare (decision 35)",
      (v) => delete v.verificationCode,
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

/** Problems of a value by the definition of this name; `undefined` when it fits or there is no such definition. */
export type Validate = (name: string, value: unknown) => string | undefined;

/** Reads the schema from the published package. */
export async function oracle(): Promise<Validate> {
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

/** What a peer sent; hostile ones send what is no JSON. */
function parsed(text: string): Partial<Frame> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function typeName(dotted: string, suffix: string): string {
  return dotted.split(/[.-]/).map((word) => word[0]?.toUpperCase() + word.slice(1)).join("") +
    suffix;
}

/** One frame of one connection. Frames that are not `held` only tell which answer belongs to which method. */
export interface HeldFrame {
  readonly conn: string | number;
  readonly text: string;
  readonly held: boolean;
}

/** Holds frames against the schema; connections of protocol 3 by the envelope only. */
export class Comparison {
  /** Differences; one line each, repeats left out. */
  readonly found = new Set<string>();
  checked = 0;
  readonly #validate: Validate;
  readonly #methods = new Map<string, string>();
  readonly #older = new Set<string | number>();

  constructor(validate: Validate) {
    this.#validate = validate;
  }

  add({ conn, text, held }: HeldFrame): void {
    if (!held) return this.#noteRequest(conn, text);
    const frame = JSON.parse(text) as Frame;
    if (frame.type === "req") this.#noteRequest(conn, text);
    const kind = { req: "RequestFrame", res: "ResponseFrame", event: "EventFrame" }[frame.type];
    this.#hold(`${frame.type} ${frame.method ?? frame.event ?? ""}`, kind ?? "GatewayFrame", frame);
    if (this.#older.has(conn)) return;
    if (frame.type === "req") {
      if (frame.method) this.#part("request", frame.method, "Params", frame.params ?? {});
    } else if (frame.type === "res" && frame.ok) {
      const method = this.#methods.get(`${conn} ${frame.id}`);
      if (method) this.#part("answer", method, "Result", frame.payload);
    } else if (frame.type === "event" && frame.event) {
      this.#part("event", frame.event, "Event", frame.payload);
    }
  }

  #noteRequest(conn: string | number, text: string): void {
    const frame = parsed(text);
    const { id, method, params } = frame ?? {};
    if (typeof id !== "string" || typeof method !== "string") return;
    this.#methods.set(`${conn} ${id}`, method);
    const max = (params as { maxProtocol?: unknown } | undefined)?.maxProtocol;
    if (method === "connect" && max === 3) this.#older.add(conn);
  }

  #part(what: string, name: string, suffix: string, value: unknown): void {
    if (name in OURS) return;
    const definition = suffix === "Result" ? ANSWERS[name] : undefined;
    this.#hold(`${what} ${name}`, definition ?? typeName(name, suffix), value);
  }

  #hold(where: string, name: string, value: unknown): void {
    this.checked++;
    const compared = structuredClone(value);
    for (const [of, , strip] of BESIDE_THE_SCHEMA) if (of === name) strip(compared);
    const problem = this.#validate(name, compared);
    if (problem) this.found.add(`${where}: ${problem}`);
  }
}
