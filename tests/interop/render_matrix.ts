/**
 * Puts the matrix of the last interop run into the README, between its markers. With `--check` it only compares.
 */
import { readMatrix, type Row } from "./matrix.ts";

const README = new URL("../../README.md", import.meta.url);
const MARKERS = /(<!-- interop matrix: begin -->\n)[\s\S]*?(<!-- interop matrix: end -->)/;

/** A Markdown table: one line per pairing and scenario, one column per version. */
export function renderMatrix(rows: readonly Row[]): string {
  const versions = [...new Set(rows.map((row) => row.version))].sort();
  const lines = [...new Set(rows.map((row) => `${row.pairing} | ${row.scenario}`))].sort();
  const cell = (line: string, version: string) =>
    rows.find((row) => `${row.pairing} | ${row.scenario}` === line && row.version === version)
      ?.result ?? "–";
  return [
    `| pairing | scenario | ${versions.join(" | ")} |`,
    `|---|---|${versions.map(() => "---|").join("")}`,
    ...lines.map((line) =>
      `| ${line} | ${versions.map((version) => cell(line, version)).join(" | ")} |`
    ),
    "",
  ].join("\n");
}

if (import.meta.main) {
  const text = await Deno.readTextFile(README);
  if (!MARKERS.test(text)) throw new Error("README.md has no markers for the interop matrix");
  const next = text.replace(MARKERS, `$1${renderMatrix(await readMatrix())}$2`);
  if (next !== text) await Deno.writeTextFile(README, next);
}
