/**
 * `gateway.cert.*` and `node.cert.heard`: our own methods for a renewal of the certificate that needs no visit.
 */
import { bool, obj, opt, str } from "../../lib/schema.ts";
import { refusal } from "../../protocol/errors.ts";
import type { GatewayServices } from "../services/services.ts";
import { method, type MethodDefinition } from "./define.ts";

function keeperOf({ certificates }: GatewayServices) {
  if (certificates) return certificates;
  throw refusal("INVALID_REQUEST", "this gateway does not use TLS");
}

const show = method("gateway.cert.show", {
  scope: "operator.read",
  summary: "The certificate in force, the next one, and which nodes know it",
}, (_params, { services }) => keeperOf(services).report());

const prepare = method("gateway.cert.prepare", {
  scope: "operator.admin",
  summary: "Make the next certificate and tell connected nodes",
}, (_params, { services }) => keeperOf(services).prepare());

const switchOver = method("gateway.cert.switch", {
  scope: "operator.admin",
  summary: "Put the next certificate in force",
  params: obj({ force: opt(bool()) }),
}, ({ force }, { services }) => keeperOf(services).switchOver(force === true));

const heard = method("node.cert.heard", {
  scope: "none",
  role: "node",
  summary: "A node has kept the next pin",
  params: obj({ fingerprint: str({ max: 128 }) }),
}, async ({ fingerprint }, { services, principal }) => {
  await keeperOf(services).heard(principal.deviceId ?? "", fingerprint);
  return { ok: true };
});

/** Certificate methods. */
export const certificateMethods: readonly MethodDefinition[] = [show, prepare, switchOver, heard];
