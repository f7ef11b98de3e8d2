/**
 * Does with our client library what a recorded client did, against the recorded gateway, and tells what was sent or
 * understood differently: the connect frame with its signature, every request, answers, events, refusals, the close.
 */
import type { ClientHello } from "../../../src/client/connect_plan.ts";
import { decideRetry } from "../../../src/client/retry_class.ts";
import { newConnectMemory, openSession, type Session } from "../../../src/client/session.ts";
import { closedError } from "../../../src/client/wire.ts";
import { deviceKeyOfSeed } from "../../../src/identity/device_key.ts";
import { fromHex } from "../../../src/lib/bytes.ts";
import { isOpenclawError } from "../../../src/lib/errors.ts";
import { Secret } from "../../../src/lib/secret.ts";
import { eventually } from "../../e2e/program.ts";
import type { Line } from "../../support/replay.ts";
import { compareConnect } from "./connect_compare.ts";
import { type Difference, Findings } from "./findings.ts";
import { connectionsOf, KEYS, type Recording } from "./recordings.ts";
import { isRequest, ScriptedGateway } from "./scripted_gateway.ts";

// deno-lint-ignore no-explicit-any
type Any = any;

/** What a whole recording gave. */
export interface Played {
  readonly differences: readonly Difference[];
  /** How our client would go on after every refusal and close: connection → code and class. */
  readonly verdicts: ReadonlyMap<string, { readonly code: string; readonly kind: string }>;
}

/** Plays a recording; `dials` says how often our client connects where the recorded one did so once. */
export async function playSession(
  recording: Recording,
  dials: Readonly<Record<string, number>> = {},
): Promise<Played> {
  const scripts = connectionsOf(recording);
  const repeated = [...scripts].flatMap(([conn, lines]) => Array(dials[conn] ?? 1).fill(lines));
  await using gateway = await ScriptedGateway.start(repeated);
  const player = new Player(gateway);
  for (const [conn, lines] of scripts) await player.connection(conn, lines);
  if (gateway.surplus > 0) {
    player.findings.differ("connections", `${scripts.size}`, `${gateway.surplus} more`);
  }
  const { findings, verdicts } = player;
  return { differences: findings.all, verdicts };
}

/** The connect frame of a connection, or what stands in its place. */
function connectOf(lines: readonly Line[]): Any {
  return lines.find(({ dir }) => dir === "c2s")?.frame.params ?? {};
}

const secret = (value: unknown) => typeof value === "string" ? new Secret(value) : undefined;

const CLIENT = { id: "cli", mode: "cli", version: "2026.9.6", platform: "linux" } as const;

class Player {
  readonly findings = new Findings();
  readonly verdicts = new Map<string, { code: string; kind: string }>();
  readonly #gateway: ScriptedGateway;

  constructor(gateway: ScriptedGateway) {
    this.#gateway = gateway;
  }

  /** Opens one connection as it was recorded, and everything that follows on it. */
  async connection(conn: string, lines: readonly Line[]): Promise<void> {
    const params = connectOf(lines);
    const events: [string, unknown][] = [];
    let session: Session | undefined;
    let failure: unknown;
    try {
      session = await this.#open(params, (event, payload) => events.push([event, payload]));
    } catch (error) {
      failure = error;
    }
    const side = this.#gateway.last;
    if (side) await compareConnect(this.findings, conn, side);
    const answer = answersOf(lines, firstId(lines))[0];
    if (failure !== undefined) return this.#refused(conn, lines, { answer, failure });
    if (!session) return;
    this.#greeted(conn, answer, session);
    await this.#talk(conn, lines, { session, events });
  }

  async #open(params: Any, onEvent: (event: string, payload: unknown) => void): Promise<Session> {
    const row = KEYS.find(({ publicKey }) => publicKey === params.device?.publicKey) ?? KEYS[0];
    const { token, password, deviceToken, bootstrapToken } = params.auth ?? {};
    return await openSession({
      dial: { url: this.#gateway.url },
      hello: {
        ...params,
        client: params.client ?? CLIENT,
        scopes: params.scopes ?? [],
      } as ClientHello,
      credentials: {
        token: secret(token),
        password: secret(password),
        deviceToken: secret(deviceToken),
        bootstrapToken: secret(bootstrapToken),
      },
      deviceKey: params.device && row ? await deviceKeyOfSeed(fromHex(row.seed)!) : undefined,
      // An older gateway has refused our protocol 4 offer before; what is recorded is the second attempt (2.4).
      memory: { ...newConnectMemory(), legacy: params.maxProtocol === 3 },
      timeoutMs: 5_000,
      onEvent,
    });
  }

  /** A connect that did not succeed. */
  #refused(
    conn: string,
    lines: readonly Line[],
    { answer, failure }: { answer: Any; failure: unknown },
  ): void {
    if (!isOpenclawError(failure)) throw failure;
    this.verdicts.set(conn, { code: failure.code, kind: decideRetry(failure).kind });
    if (answer) return this.#compareError(`${conn} connect`, answer, failure);
    const close = lines.find(({ dir }) => dir === "close")?.frame;
    const { closeCode, closeReason, status } = failure.details ?? {};
    this.findings.same(
      `${conn} close`,
      close?.http ? { http: close.http } : { code: close?.code, reason: close?.reason ?? "" },
      close?.http ? { http: status } : { code: closeCode, reason: closeReason ?? "" },
    );
  }

  #compareError(where: string, answer: Any, failure: unknown): void {
    if (answer.ok) return this.findings.differ(where, "hello-ok", String(failure));
    if (!isOpenclawError(failure)) {
      return this.findings.differ(where, answer.error, String(failure));
    }
    const { code, message, details = {}, retryable, retryAfterMs } = answer.error;
    this.findings.same(where, {
      code: details.code ?? code,
      message,
      details: { ...details, wireCode: code },
      retryable: retryable === true || details.retryable === true,
      retryAfterMs: retryAfterMs ?? details.retryAfterMs,
    }, {
      code: failure.code,
      message: failure.message,
      details: withoutSent(failure.details),
      retryable: failure.retryable,
      retryAfterMs: failure.retryAfterMs,
    });
  }

  #greeted(conn: string, answer: Any, session: Session): void {
    if (!answer?.ok) {
      return this.findings.differ(`${conn} hello`, answer?.error ?? "nothing", "hello-ok");
    }
    const { payload } = answer;
    this.findings.same(`${conn} hello protocol`, payload.protocol, session.protocol);
    const issued = session.hello.issued.map(({ role, token }) => [role, token.reveal()]);
    const { auth } = payload;
    const own = auth?.deviceToken ? [[auth.role, auth.deviceToken]] : [];
    const handed = (auth?.deviceTokens ?? []).map((t: Any) => [t.role, t.token]);
    this.findings.same(`${conn} hello tokens`, [...own, ...handed], issued);
    this.findings.same(`${conn} hello scopes`, auth?.scopes ?? [], session.hello.auth.scopes);
  }

  /** Requests in their order, then answers, events and the end. */
  async #talk(
    conn: string,
    lines: readonly Line[],
    { session, events }: { session: Session; events: [string, unknown][] },
  ): Promise<void> {
    const requests = lines.filter(({ dir, frame }) => dir === "c2s" && isRequest(frame)).slice(1);
    const open = requests.map(({ frame }) =>
      this.#request(conn, session, {
        frame,
        answers: answersOf(lines, frame.id),
      })
    );
    await Promise.all(open);
    await this.#end(conn, lines, session);
    const wanted = lines.filter(({ dir, frame }) =>
      dir === "s2c" && frame.type === "event" && frame.event !== "connect.challenge"
    ).map(({ frame }) => [frame.event, frame.payload]);
    await eventually("all recorded events", () => events.length >= wanted.length, 3_000)
      .catch(() => {/* the comparison says which one is missing */});
    this.findings.same(`${conn} events`, wanted, events);
  }

  async #request(
    conn: string,
    session: Session,
    { frame, answers }: { frame: Any; answers: Any[] },
  ) {
    const where = `${conn} ${frame.method}`;
    const accepted: unknown[] = [];
    const isPhase = (a: Any) => a.ok && a.payload?.status === "accepted";
    const phases = answers.filter(isPhase).map((a) => a.payload);
    const final = answers.find((a) => !isPhase(a));
    const twoPhase = phases.length > 0;
    const answer = session.request(frame.method, frame.params, {
      timeoutMs: 5_000,
      ...(twoPhase ? { onAccepted: (payload: unknown) => accepted.push(payload) } : {}),
    });
    if (!final) {
      // Nothing (more) was recorded: the end of the connection ends it.
      answer.catch(() => {});
      if (twoPhase) await eventually("the first answer", () => accepted.length > 0, 3_000);
    } else {
      try {
        const payload = await answer;
        if (!final.ok) this.findings.differ(where, final.error, payload);
        else this.findings.same(where, final.payload, payload);
      } catch (error) {
        this.#compareError(where, final, error);
      }
    }
    this.findings.same(`${where} first answer`, phases, accepted);
  }

  async #end(conn: string, lines: readonly Line[], session: Session): Promise<void> {
    const side = this.#gateway.last!;
    const close = lines.find(({ dir }) => dir === "close")?.frame;
    const byGateway = close?.by === "server" && close.code !== 1005 && close.code !== 1006;
    if (!byGateway) session.close();
    const info = await session.closed;
    if (byGateway) {
      this.findings.same(`${conn} close`, { code: close.code, reason: close.reason }, info);
      const error = closedError(info, "the session");
      this.verdicts.set(conn, { code: error.code, kind: decideRetry(error).kind });
    }
    await eventually("the gateway sees the end", () => side.closed !== undefined, 3_000);
    for (const { recorded, ours } of side.exchanged.slice(1)) {
      this.findings.same(`${conn} ${recorded.method} frame`, [
        recorded.method,
        recorded.params ?? null,
      ], [
        ours.method,
        ours.params ?? null,
      ]);
    }
  }
}

const firstId = (lines: readonly Line[]) => lines.find(({ dir }) => dir === "c2s")?.frame.id;

function answersOf(lines: readonly Line[], id: unknown): Any[] {
  return lines.filter(({ dir, frame }) => dir === "s2c" && frame.type === "res" && frame.id === id)
    .map(({ frame }) => frame);
}

/** Which credential was sent is our own note (see `refused_credential.ts`). */
function withoutSent(details: Readonly<Record<string, unknown>> | undefined): unknown {
  const { sent: _own, ...rest } = details ?? {};
  return rest;
}
