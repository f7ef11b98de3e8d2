/**
 * Writing an HTTP answer: status, type, length, no caching. What is answered is decided by the callers.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { utf8 } from "../lib/bytes.ts";

/** A JSON answer that no cache keeps. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  sendJsonText(response, status, JSON.stringify(body));
}

/** Finished JSON text as an answer. */
export function sendJsonText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "application/json; charset=utf-8", text);
}

/** A plain text answer. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "text/plain; charset=utf-8", text);
}

/** 405 with the methods that exist. */
export function sendNotAllowed(response: ServerResponse, methods: string): void {
  response.setHeader("allow", methods);
  sendText(response, 405, "Method Not Allowed");
}

/** Any answer; `HEAD` gets the headers only. */
export function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.statusCode = status;
  response.setHeader("content-type", type);
  response.setHeader("cache-control", "no-store");
  response.setHeader("content-length", String(utf8(text).length));
  response.end(response.req.method === "HEAD" ? undefined : text);
}

/** Path of a request without its query. */
export function pathOf(request: IncomingMessage): string {
  const text = request.url ?? "/";
  const query = text.indexOf("?");
  return query < 0 ? text : text.slice(0, query);
}

/** Whether the request only reads. */
export function isRead(request: IncomingMessage): boolean {
  return request.method === "GET" || request.method === "HEAD";
}
