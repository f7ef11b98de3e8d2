/**
 * A node's answer as the caller of `node.invoke` gets it, in both protocol generations. The node's JSON text is checked,
 * then passed on as text: parsing and rendering it again would double the cost of every call.
 * Source: gateway-protocol.md 11.4.
 */
import type { OpenclawError } from "../../lib/errors.ts";
import { DETAIL, refusal } from "../../protocol/errors.ts";
import { RawJson } from "../../protocol/frames.ts";
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

/** `{ok, nodeId, command, payload, payloadJSON}` as ready JSON. */
export function invokeReply(facts: ReplyFacts, answer: NodeAnswer): RawJson {
  const head = `{"ok":true,"nodeId":${JSON.stringify(facts.nodeId)},"command":${
    JSON.stringify(facts.command)
  }`;
  const copy = answer.fromText ? JSON.stringify(answer.text) : "null";
  return new RawJson(`${head},"payload":${answer.text},"payloadJSON":${copy}}`);
}

/** The error for an outcome that is not good. */
export function invokeError(
  facts: ReplyFacts,
  outcome: InvokeOutcome & { readonly ok: false },
): OpenclawError {
  const { code, message, dispatched } = outcome;
  const nodeError = { code, message };
  const v4 = facts.protocol === 4;
  if (code === "NOT_CONNECTED") {
    return refusal("UNAVAILABLE", message, {
      details: {
        code: DETAIL.notConnected,
        ...(v4 ? { nodeError, nodeCommandDispatched: dispatched } : {}),
      },
    });
  }
  if (code === "GATEWAY_STOPPING") {
    return refusal("UNAVAILABLE", message, {
      retryable: true,
      details: { reason: "gateway-restarting" },
    });
  }
  if (!v4 && code === "DISCONNECTED") return refusal("UNAVAILABLE", `Error: ${message}`);
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
