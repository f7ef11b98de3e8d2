/**
 * Methods that only the older generation has; a newer peer is told that they are unknown. What their own node store did
 * is answered from the one store here. Source: gateway-protocol.md 9.2, 10.
 */
import { bool, list, obj, opt, record, str } from "../../lib/schema.ts";
import { Secret } from "../../lib/secret.ts";
import { refusal } from "../../protocol/errors.ts";
import { requestSurface, verifyNodeToken } from "../pairing/surface_request.ts";
import { method, type MethodDefinition } from "./define.ts";

const id = () => str({ min: 1, max: 256 });
const names = () => list(str({ min: 1, max: 256 }), { max: 512 });
const text = () => opt(str({ min: 1, max: 256 }));

const request = method(
  "node.pair.request",
  {
    scope: "operator.pairing",
    protocol: 3,
    summary: "File a request for a paired node's commands",
    params: obj({
      nodeId: id(),
      displayName: text(),
      platform: text(),
      version: text(),
      coreVersion: text(),
      uiVersion: text(),
      deviceFamily: text(),
      modelIdentifier: text(),
      caps: opt(names()),
      commands: opt(names()),
      permissions: opt(record(bool(), { max: 256 })),
      remoteIp: text(),
      silent: opt(bool()),
    }),
  },
  ({ nodeId, caps, commands, permissions }, { services, principal }) =>
    requestSurface(services.pairing.context, principal, {
      nodeId,
      ...(caps === undefined ? {} : { caps }),
      ...(commands === undefined ? {} : { commands }),
      ...(permissions === undefined ? {} : { permissions }),
    }),
);

const verify = method(
  "node.pair.verify",
  {
    scope: "operator.pairing",
    protocol: 3,
    summary: "Whether a token is a node's",
    params: obj({ nodeId: id(), token: str({ min: 1, max: 512 }) }),
  },
  ({ nodeId, token }, { services, principal }) =>
    verifyNodeToken(services.pairing.context, principal, { nodeId, token: new Secret(token) }),
);

const canvas = method("node.canvas.capability.refresh", {
  scope: "none",
  role: "node",
  protocol: 3,
  summary: "Address of the canvas; this gateway has none",
}, () => {
  throw refusal("UNAVAILABLE", "canvas host unavailable for this node session");
});

/** Methods of protocol 3 only. */
export const olderMethods: readonly MethodDefinition[] = [request, verify, canvas];
