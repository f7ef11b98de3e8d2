/**
 * What a call of `browser.proxy` asks for, as far as the gateway judges it. The command itself belongs to nodes that have
 * a browser control server; this program's own node has none. Source: node-host.md 9.
 */

/**
 * Whether the call makes, resets or deletes a browser profile: passwords and sessions of a person, out of reach for every
 * caller. Attack stopped: N35, also through another spelling of the route.
 */
export function changesProfiles(params: unknown): boolean {
  const { method, path } = (params ?? {}) as { readonly method?: unknown; readonly path?: unknown };
  if (typeof path !== "string") return false;
  if (method === undefined || method === null) return false; // GET
  const route = routeOf(path);
  return String(method).trim().toUpperCase() !== "GET" &&
    (route === "/reset-profile" || route === "/profiles" || route.startsWith("/profiles/"));
}

/** The route behind a spelling: decoded, without query, dot segments, doubled or trailing slashes. */
function routeOf(path: string): string {
  const bare = decoded(path.trim()).replace(/[?#].*$/s, "").toLowerCase();
  const segments: string[] = [];
  for (const segment of bare.split(/[\\/]+/)) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return `/${segments.join("/")}`;
}

/** Percent escapes taken off until none is left: whoever decodes once more must not find something new. */
function decoded(text: string): string {
  for (let round = 0; round < 5; round++) {
    const next = text.replace(
      /%([0-9a-f]{2})/gi,
      (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)),
    );
    if (next === text) break;
    text = next;
  }
  return text;
}
