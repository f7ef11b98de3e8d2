/**
 * What the HTTP side of a gateway's port may use: its door, its health, its configuration as they are at each request.
 */
import type { Door } from "../door.ts";
import type { HttpGateway } from "../http.ts";
import { callTool } from "../http_tools.ts";
import { metricsText } from "../http_metrics.ts";
import { answerPage } from "../page/page.ts";
import type { GatewayServices } from "../services/services.ts";

/** Parts of the gateway behind {@linkcode httpGateway}. */
export interface HttpGatewayParts {
  readonly door: Door;
  readonly services: GatewayServices;
}

/** Composes it. */
export function httpGateway(
  { door, services }: HttpGatewayParts,
  unauthenticated: () => number,
): HttpGateway {
  return {
    phase: () => door.phase(),
    uptimeMs: () => Math.round(services.clock.monotonic() - services.facts.startedAtMs),
    failing: () => services.health.failing(),
    auth: () => door.auth(),
    throttle: door.throttle,
    joins: services.joins,
    judge: (request) => door.judgeRequest(request),
    origins: () => door.origins(),
    callTool: (tool, facts, signal) => {
      const authMethod = door.auth().mode === "token" ? "token" : "password";
      return callTool(door.dispatcher, tool, { facts, authMethod, signal });
    },
    hsts: () => {
      const { securityHeaders } = services.config.current.config.gateway.http;
      return securityHeaders.strictTransportSecurity || undefined;
    },
    metrics: () => {
      const ready = door.phase() === "ready" && services.health.failing().length === 0;
      return metricsText(services, { ready, unauthenticated: unauthenticated() });
    },
    page: (request, response) =>
      answerPage(services.config.current.config.gateway.controlUi, request, response),
  };
}
