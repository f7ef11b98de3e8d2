/**
 * Serves the small device page: which path is which file, and the headers that keep other sites out of it. Attacks
 * stopped: a frame around it (clicks on Approve), injected scripts, caches. Source: gateway-protocol.md 14.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isRead, pathOf, send, sendNotAllowed } from "../http_answer.ts";
import { PAGE_FILES, type PageFile } from "./files.ts";

/** `gateway.controlUi`, as far as it concerns serving. */
export interface PagePolicy {
  readonly enabled: boolean;
  /** A second address of the page beside `/`, for a proxy that keeps its prefix. */
  readonly basePath: string;
}

/** Answers the page's own paths; false for every other one. */
export function answerPage(
  policy: PagePolicy,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (!policy.enabled) return false;
  const base = basePathOf(policy.basePath);
  const path = pathOf(request);
  if (base !== "" && path === base) return redirect(response, `${base}/`);
  const file = [`${base}/`, "/"].map((root) => fileBelow(root, path)).find(Boolean);
  if (file === undefined) return false;
  if (!isRead(request)) sendNotAllowed(response, "GET, HEAD");
  else void sendFile(file, request, response).catch(() => response.destroy());
  return true;
}

/** Where a browser finds the page of the gateway at `url` (`ws://…` or `wss://…`). */
export function pageUrlOf({ basePath }: PagePolicy, url: string): string {
  return `${url.replace(/^ws/, "http")}${basePathOf(basePath)}/`;
}

/** Without a slash at the end; anything that is no plain path counts as none. */
function basePathOf(configured: string): string {
  const path = `/${configured.replace(/^\/+|\/+$/g, "")}`;
  return /^(\/[A-Za-z0-9._~-]+)+$/.test(path) ? path : "";
}

function fileBelow(root: string, path: string): PageFile | undefined {
  return path.startsWith(root) ? PAGE_FILES.get(path.slice(root.length)) : undefined;
}

function redirect(response: ServerResponse, to: string): boolean {
  response.setHeader("location", to);
  send(response, 308, "text/plain; charset=utf-8", "");
  return true;
}

async function sendFile(
  file: PageFile,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { default: text } = await file.load();
  response.setHeader("content-security-policy", policyText(request.headers.host));
  response.setHeader("x-frame-options", "DENY");
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-resource-policy", "same-origin");
  send(response, 200, file.type, text);
}

/** Scripts and styles are files of ours, never inline; the only connection is the one to this gateway. */
function policyText(host: string | undefined): string {
  // Not every browser takes 'self' for a WebSocket to the same host.
  const sockets = /^[A-Za-z0-9.:[\]-]{1,255}$/.test(host ?? "")
    ? ` ws://${host} wss://${host}`
    : "";
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self'${sockets}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}
