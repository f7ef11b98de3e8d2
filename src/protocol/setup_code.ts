/**
 * Setup codes, the join lines of this project: `base64url(JSON)`, alone or as `oc-pair://<code>`. Pure.
 * Source: gateway-protocol.md 15.1, decision 35.
 */
import { fromBase64, toBase64Url, utf8 } from "../lib/bytes.ts";
import { OpenclawError } from "../lib/errors.ts";
import { check, type Infer, list, num, obj, opt, str } from "../lib/schema.ts";
import { jsonValue } from "../lib/objects.ts";

const setupSchema = obj({
  url: str({ min: 1, max: 2048 }),
  urls: opt(list(str({ min: 1, max: 2048 }), { max: 16 })),
  bootstrapToken: str({ min: 1, max: 4096 }),
  expiresAtMs: opt(num({ min: 0 })),
  tlsFingerprint: opt(str({ max: 256 })),
}, { unknown: "drop" });

/** What a join line carries. `bootstrapToken` is a secret: wrap it at once. */
export type SetupCode = Infer<typeof setupSchema>;

const PREFIX = "oc-pair://";
/** A line longer than this is no join line (N14). */
const MAX_CHARS = 32_768;

/** The line to paste. */
export function renderJoinLine(setupCode: string): string {
  return PREFIX + setupCode;
}

/** Whether a text is a join URL: `https://host/j/<code>`, to be fetched once. Source: gateway-protocol.md 15.3. */
export function isJoinUrl(text: string): boolean {
  return /^https?:\/\/[^/\s]+\/(?:[^\s]*\/)?j\/[A-Za-z0-9_-]{22}$/.test(text.trim());
}

/**
 * Reads a join line, also one that a mail or a chat has wrapped.
 * @throws OpenclawError `JOIN_LINE_INVALID`; the line itself is never repeated.
 */
export function parseJoinLine(line: string): SetupCode {
  const text = line.replace(/\s+/g, "");
  if (text === "") throw invalid("it is empty");
  const bytes = text.length <= MAX_CHARS
    ? fromBase64(text.replace(/^oc-pair:\/\//i, ""))
    : undefined;
  if (!bytes) throw invalid("it holds characters that no such line has");
  return readSetupJson(new TextDecoder().decode(bytes));
}

/** Reads the JSON of a join line or of a join URL. @throws OpenclawError `JOIN_LINE_INVALID`. */
export function readSetupJson(json: string): SetupCode {
  const value = jsonValue(json);
  if (value === undefined) throw invalid("it is cut off or changed");
  const checked = check(setupSchema, value);
  if (!checked.ok) throw invalid("address or secret is missing");
  return checked.value;
}

/** The code of a setup object, as `oc-pair://` carries it. */
export function renderSetupCode(setup: SetupCode): string {
  return toBase64Url(utf8(JSON.stringify(setup)));
}

function invalid(reason: string): OpenclawError {
  return new OpenclawError("JOIN_LINE_INVALID", `Cannot read the join line: ${reason}`, {
    hint: "copy the whole line that openclaw devices join-code printed",
  });
}
