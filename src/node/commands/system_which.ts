/** `system.which`: where programs are. Source: node-host.md 4. */
import { any, list, obj } from "../../lib/schema.ts";
import { invalidRequest, nodeCommand } from "./define.ts";

export const systemWhich = nodeCommand("system.which", {
  params: obj({ bins: list(any(), { max: 1000 }) }, { unknown: "drop" }),
  refusal: (problems) =>
    invalidRequest(
      problems[0]?.path === "" && /object/.test(problems[0].message)
        ? "paramsJSON required"
        : "bins required",
    ).message,
}, ({ bins }, { machine }) => {
  const found: Record<string, string> = Object.create(null);
  for (const bin of bins) {
    const name = typeof bin === "string" ? bin.trim() : "";
    const path = machine.which(name);
    if (path !== undefined) found[name] = path;
  }
  return { bins: found };
});
