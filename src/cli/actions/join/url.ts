/**
 * A join URL (`https://host/j/<code>`): fetched once, its answer is the setup object. The code in it is a secret until it
 * is used, so it is in no message. Source: gateway-protocol.md 15.3.
 */
import { OpenclawError } from "../../../lib/errors.ts";
import { parseEndpoint } from "../../../net/endpoint.ts";
import { requirePlaintextAllowed } from "../../../net/plaintext.ts";
import { readSetupJson, type SetupCode } from "../../../protocol/setup_code.ts";

const FETCH_MS = 15_000;
const MAX_CHARS = 32_768;

/**
 * Fetches the setup object. The host must show a certificate this system trusts: the address carries no pin.
 * @throws {OpenclawError} `JOIN_URL_UNREACHABLE`, `JOIN_LINE_INVALID`, `PLAINTEXT_REFUSED`.
 */
export async function fetchJoinUrl(text: string): Promise<SetupCode> {
  const url = new URL(text.trim());
  // N25: whoever reads the answer on the way joins in place of this machine.
  if (url.protocol === "http:") {
    requirePlaintextAllowed(parseEndpoint(`ws://${url.host}`), { optIn: false });
  }
  const { ok, status, body } = await get(url);
  if (ok && body.length < MAX_CHARS) return readSetupJson(body);
  throw new OpenclawError(
    "JOIN_LINE_INVALID",
    `The join URL answered ${status}: it was used, has expired, or never existed`,
    { hint: "on the gateway: openclaw devices join-code" },
  );
}

async function get(url: URL): Promise<{ ok: boolean; status: number; body: string }> {
  try {
    const signal = AbortSignal.timeout(FETCH_MS);
    const response = await fetch(url, { redirect: "error", signal });
    return { ok: response.ok, status: response.status, body: await response.text() };
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
    const untrusted = /certificate/i.test(`${error.message} ${causeText(error)}`);
    throw new OpenclawError(
      "JOIN_URL_UNREACHABLE",
      `Cannot fetch the join URL from ${url.host}: ${
        untrusted ? "this system does not trust its certificate" : "it does not answer"
      }`,
      {
        hint: untrusted
          ? "on the gateway, for a line that carries the fingerprint: openclaw devices join-code"
          : "openclaw gateway probe",
      },
    );
  }
}

/** What the network said; never shown, it repeats the address. */
function causeText({ cause }: Error): string {
  return cause instanceof Error ? `${cause.message} ${causeText(cause)}` : "";
}
