/**
 * Where a browser finds the page of a gateway, in words for a person. A browser wants https or its own machine, so
 * without TLS other machines are not named.
 */
import { pageUrlOf } from "../../../gateway/page/page.ts";
import { reachableAddresses, type RunningGateway } from "../../connect/running_gateway.ts";

/** Addresses nobody can dial: "every interface". */
const EVERYWHERE: ReadonlySet<string> = new Set(["0.0.0.0", "::", "[::]"]);

/** The address of the page, or what turned it off. */
export function pageText(
  page: { readonly enabled: boolean; readonly basePath: string },
  { host, port, tls }: Pick<RunningGateway, "host" | "port" | "tls">,
): string {
  if (!page.enabled) return "off (gateway.controlUi.enabled is false)";
  const at = (name: string) =>
    pageUrlOf(page, `${tls ? "wss" : "ws"}://${name.includes(":") ? `[${name}]` : name}:${port}`);
  if (!EVERYWHERE.has(host)) return at(host.replace(/^\[|\]$/g, ""));
  const elsewhere = tls ? reachableAddresses().slice(0, 1).map(at) : [];
  return [at("127.0.0.1"), ...elsewhere.map((url) => `elsewhere ${url}`)].join(", ");
}
