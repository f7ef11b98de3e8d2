/** Roles a connection can have. Source: gateway-protocol.md 10. */

/** `operator` gives orders, `node` carries them out. */
export type Role = "operator" | "node";

/** Whether `text` is a role. */
export function isRole(text: string): text is Role {
  return text === "operator" || text === "node";
}
