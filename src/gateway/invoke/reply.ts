/**
 * A node's answer as the caller of `node.invoke` gets it, in both protocol generations. The node's JSON text is checked,
 * then passed on as text: parsing and rendering it again would double the cost of every call.
 * Source: gateway-protocol.md 11.4.
 */
import { utf8 } from "../../lib/bytes.ts";
import type { OpenclawError } from "../../lib/errors.ts";
import { DETAIL, refusal } from "../../protocol/errors.ts";
import { RawJson } from "../../protocol/frames.ts";
import { MAX_FRAME_BYTES } from "../../protocol/limits.ts";
import { scanJson } from "../../protocol/json_scan.ts";
import type { ProtocolVersion } from "../../protocol/versions.ts";
import type { InvokeOutcome } from "./desk.ts";

/** What the reply is about. */
export interface ReplyFacts {
  readonly nodeId: string;
  readonly command: string;
  readonly protocol: ProtocolVersion;
}

/** An answer with its payload in both forms. */
export interface NodeAnswer {
  /** JSON text of the payload. */
  readonly text: string;
  readonly value: unknown;
  readonly fromText: boolean;
}

/** Reads the payload of a good outcome; `undefined` when the node sent text that is not JSON. */
export function readAnswer(outcome: InvokeOutcome & { readonly ok: true }): NodeAnswer | undefined {
  if (outcome.payloadJSON === null) {
    return {
      text: JSON.stringify(outcome.payload ?? null),
      value: outcome.payload ?? null,
      fromText: false,
    };
  }
  const text = outcome.payloadJSON;
  // A node must not be able to write anything but one JSON value into the caller's frame.
  if (scanJson(text) !== undefined) return undefined;
  try {
    return { text, value: JSON.parse(text), fromText: true };
  } catch {
    return undefined;
  }
}

/** For the envelope of the response: type, id and the rest. */
const ENVELOPE_BYTES = 4_096;

/**
 * `{ok, nodeId, command, payload, payloadJSON}` as ready JSON. N16: a caller takes no larger frame than was announced and
 * would lose its connection by it: the copy is left out first.
 * @throws `UNAVAILABLE` when the payload alone is too large.
 */
export function invokeReply(facts: ReplyFacts, answer: NodeAnswer): RawJson {
  const head = `{"ok":true,"nodeId":${JSON.stringify(facts.nodeId)},"command":${
    JSON.stringify(facts.command)
  },"payload":${answer.text},"payloadJSON":`;
  if (answer.fromText) {
    const text = `${head}${JSON.stringify(answer.text)}}`;
    if (fitsFrame(text)) return new RawJson(text);
  }
  const lean = `${head}null}`;
  if (fitsFrame(lean)) return new RawJson(lean);
  throw invokeError(facts, {
    ok: false,
    code: "RESULT_TOO_LARGE",
    message: "the node's answer does not fit a frame",
    dispatched: true,
  });
}

function fitsFrame(text: string): boolean {
  const most = MAX_FRAME_BYTES - ENVELOPE_BYTES;
  if (text.length * 3 <= most) return true; // no character takes more
  return text.length <= most && utf8(text).length <= most;
}

/** The error for an outcome that is not good. */
export function invokeError(
  facts: ReplyFacts,
  outcome: InvokeOutcome & { readonly ok: false },
): OpenclawError {
  const { code, message, dispatched } = outcome;
  const nodeError = { code, message };
  const v4 = facts.protocol === 4;
  // A20: a node that answers "not connected" or "gateway is stopping" would make its caller run the command again.
  const own = outcome.byNode !== true;
  if (own && code === "NOT_CONNECTED") {
    return refusal("UNAVAILABLE", message, {
      details: {
        code: DETAIL.notConnected,
        ...(v4 ? { nodeError, nodeCommandDispatched: dispatched } : {}),
      },
    });
  }
  if (own && code === "GATEWAY_STOPPING") {
    return refusal("UNAVAILABLE", message, {
      retryable: true,
      details: { reason: "gateway-restarting" },
    });
  }
  if (own && !v4 && code === "DISCONNECTED") return refusal("UNAVAILABLE", `Error: ${message}`);
  return refusal("UNAVAILABLE", `${code}: ${message}`, {
    details: { nodeError, ...(v4 ? { nodeCommandDispatched: dispatched } : {}) },
  });
}

/** The error for a payload that is not JSON. */
export function badPayload(facts: ReplyFacts): OpenclawError {
  return invokeError(facts, {
    ok: false,
    code: "INVALID_RESULT",
    message: "the node answered with text that is not JSON",
    dispatched: true,
  });
}
