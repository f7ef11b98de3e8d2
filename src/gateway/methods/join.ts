/**
 * Methods on join codes: making one, watching its use, listing, ending. Admin only: a code pairs without further approval.
 * Source: gateway-protocol.md 15.1; decision 35.
 */
import { bool, int, list, obj, oneOf, opt, record, str } from "../../lib/schema.ts";
import { quoted } from "../../lib/text.ts";
import { refusal } from "../../protocol/errors.ts";
import { isLoopbackIp } from "../peers/address.ts";
import { refuseUnknown } from "../nodes/policy.ts";
import { type JoinGrant, MAX_JOIN_LIFETIME_MS, MAX_JOIN_USES } from "../pairing/join/codes.ts";
import { principalName } from "../peers/principal.ts";
import type { GatewayServices } from "../services/services.ts";
import { method, type MethodDefinition } from "./define.ts";

const LIMITED_SCOPES = ["operator.read", "operator.write"];
const url = () => str({ min: 1, max: 2_048 });

const setupParams = obj({
  publicUrl: opt(url()),
  preferRemoteUrl: opt(bool()),
  includeQr: opt(bool()),
  bootstrapProfile: opt(oneOf("node", "limited", "voice-node", "operator")),
  joinUrl: opt(bool()),
  // Ours: stays on the gateway with the token's hash, except the further addresses.
  urls: opt(list(url(), { max: 8 })),
  name: opt(str({ min: 1, max: 64 })),
  labels: opt(record(str({ max: 256 }), { max: 32 })),
  commands: opt(list(str({ min: 1, max: 256 }), { max: 256 })),
  scopes: opt(list(str({ min: 1, max: 128 }), { max: 32 })),
  uses: opt(int({ min: 1, max: MAX_JOIN_USES })),
  ttlMs: opt(int({ min: 1_000, max: MAX_JOIN_LIFETIME_MS })),
});

interface Address {
  readonly url: string;
  readonly source: string;
}

/** The address a stranger should dial. */
function gatewayAddress(services: GatewayServices, publicUrl: string | undefined): Address {
  if (publicUrl !== undefined) return { url: asWebSocket(publicUrl), source: "request.publicUrl" };
  const reachable = services.facts.urls.find((text) => {
    const host = new URL(text).hostname.replace(/^\[|\]$/g, "");
    return host !== "localhost" && !isLoopbackIp(host) && host !== "0.0.0.0" && host !== "::";
  });
  if (reachable !== undefined) return { url: reachable, source: "gateway.bind" };
  throw refusal(
    "INVALID_REQUEST",
    "Gateway is only bound to loopback. Bind it to an address other machines reach, or pass publicUrl",
  );
}

/** http(s) becomes ws(s); ssh endpoints are ours (decision 35). */
function asWebSocket(text: string): string {
  let parsed: URL;
  try {
    parsed = new URL(text);
  } catch {
    throw refusal("INVALID_REQUEST", `${quoted(text)} is not a URL such as wss://gw.example:18789`);
  }
  const mapped = text.replace(/^http(s?):/i, "ws$1:");
  const fine = ["ws:", "wss:", "http:", "https:", "ssh:"].includes(parsed.protocol) &&
    parsed.password === "";
  if (!fine) {
    throw refusal(
      "INVALID_REQUEST",
      "an address must be ws, wss, http, https or ssh, without password",
    );
  }
  return mapped.replace(/\/$/, "");
}

const setupCode = method("device.pair.setupCode", {
  scope: "operator.admin",
  summary: "Make a one-time code that pairs a new machine",
  params: setupParams,
}, async (params, { services, principal }) => {
  refuseUnknown(params.commands ?? [], services.nodePolicy());
  const address = gatewayAddress(services, params.publicUrl);
  const profile = params.bootstrapProfile === "voice-node"
    ? "node"
    : params.bootstrapProfile ?? "node";
  if (params.joinUrl === true && profile !== "node") {
    throw refusal("INVALID_REQUEST", "joinUrl needs bootstrapProfile node");
  }
  const fingerprint = services.facts.fingerprint;
  const grant: JoinGrant = {
    profile,
    scopes: profile === "node" ? [] : params.scopes ?? LIMITED_SCOPES,
    payload: {
      url: address.url,
      ...(params.urls === undefined ? {} : { urls: params.urls.map(asWebSocket) }),
      ...(fingerprint === undefined || !address.url.startsWith("wss:")
        ? {}
        : { tlsFingerprint: fingerprint }),
    },
    createdBy: principalName(principal),
    withUrl: params.joinUrl === true,
    ...(params.name === undefined ? {} : { name: params.name }),
    ...(params.labels === undefined ? {} : { labels: params.labels }),
    ...(params.commands === undefined ? {} : { commands: params.commands }),
    ...(params.uses === undefined ? {} : { uses: params.uses }),
    ...(params.ttlMs === undefined ? {} : { ttlMs: params.ttlMs }),
  };
  const made = await services.joins.make(grant);
  const base = address.url.replace(/^ws(s?):/, "http$1:");
  const qr = params.includeQr === false ? undefined : await qrOf(made.setupCode);
  return {
    setupId: made.setupId,
    expiresAtMs: made.expiresAtMs,
    setupCode: made.setupCode,
    ...(made.urlCode === undefined ? {} : { joinUrl: `${base}/j/${made.urlCode}` }),
    ...(qr === undefined ? {} : { qrDataUrl: qr }),
    gatewayUrl: address.url,
    auth: services.authMode(),
    urlSource: address.source,
    access: profile,
  };
});

/** The library behind it is loaded with the first picture. */
async function qrOf(setupCode: string): Promise<string | undefined> {
  const { qrDataUrl } = await import("../pairing/join/qr_image.ts");
  return await qrDataUrl(setupCode);
}

const setupStatus = method("device.pair.setupStatus", {
  scope: "operator.admin",
  summary: "Whether a setup code was used",
  params: obj({ setupId: str({ min: 1, max: 256 }) }),
}, ({ setupId }, { services }) => services.joins.status(setupId));

const setupList = method("device.pair.setupList", {
  scope: "operator.admin",
  summary: "Codes that still work",
}, (_params, { services }) => ({ codes: services.joins.list() }));

const setupRevoke = method("device.pair.setupRevoke", {
  scope: "operator.admin",
  summary: "End a code; devices it paired stay",
  params: obj({ setupId: str({ min: 1, max: 256 }) }),
}, ({ setupId }, { services }) => services.joins.revoke(setupId));

/** Methods on join codes. */
export const joinMethods: readonly MethodDefinition[] = [
  setupCode,
  setupStatus,
  setupList,
  setupRevoke,
];
