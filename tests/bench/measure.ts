/**
 * Figures and rows: how often something is done in a time, what it costs, and how two figures compare.
 */
import { cpuMs } from "./servers.ts";

/** One line of the result table. */
export interface Row {
  readonly section: string;
  readonly name: string;
  /** Our figure, and the floor's measured beside it. */
  readonly ours: number;
  readonly floor?: number;
  readonly unit: string;
  /** What the target speaks about: `ours / floor`, the difference, or `ours` itself. */
  readonly compared: number;
  readonly target: string;
  readonly met: boolean;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** What {@linkcode hammer} saw. */
export interface Load {
  readonly perSecond: number;
  readonly medianMs: number;
  /** Processor time of the server per call, microseconds. */
  readonly cpuUs: number;
}

/** Keeps `inFlight` calls running for `forMs` and looks at the server meanwhile. */
export async function hammer(
  call: (n: number) => Promise<unknown>,
  options: { inFlight: number; forMs: number; pid: number },
): Promise<Load> {
  const latencies: number[] = [];
  let started = 0;
  const before = cpuMs(options.pid);
  const from = performance.now();
  const until = from + options.forMs;
  const lane = async () => {
    while (performance.now() < until) {
      const at = performance.now();
      await call(started++);
      latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: options.inFlight }, lane));
  const seconds = (performance.now() - from) / 1000;
  return {
    perSecond: latencies.length / seconds,
    medianMs: median(latencies),
    cpuUs: (cpuMs(options.pid) - before) * 1000 / latencies.length,
  };
}

/** A row whose target is on `ours / floor`. */
export function ratioRow(
  section: string,
  name: string,
  figures: { ours: number; floor: number; unit: string },
  target: { atLeast?: number; atMost?: number },
): Row {
  const compared = figures.ours / figures.floor;
  return { section, name, ...figures, compared, ...judged(compared, target, "x") };
}

/** A row whose target is on our figure itself, or on a difference handed in as `compared`. */
export function plainRow(
  section: string,
  name: string,
  figures: { ours: number; floor?: number; unit: string; compared?: number },
  target: { atLeast?: number; atMost?: number },
): Row {
  const compared = figures.compared ?? figures.ours;
  return { section, name, ...figures, compared, ...judged(compared, target, ` ${figures.unit}`) };
}

function judged(
  value: number,
  target: { atLeast?: number; atMost?: number },
  unit: string,
): { target: string; met: boolean } {
  const { atLeast, atMost } = target;
  if (atLeast !== undefined) return { target: `>= ${atLeast}${unit}`, met: value >= atLeast };
  if (atMost !== undefined) return { target: `<= ${atMost}${unit}`, met: value <= atMost };
  return { target: "", met: true };
}

/** The table as text. */
export function renderRows(rows: readonly Row[]): string {
  const show = (n: number | undefined) =>
    n === undefined ? "" : n >= 1000 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2);
  const cells = rows.map((row) => [
    row.section,
    row.name,
    show(row.ours),
    show(row.floor),
    row.unit,
    row.floor === undefined && row.compared === row.ours ? "" : show(row.compared),
    row.target,
    row.met ? "ok" : "MISSED",
  ]);
  const head = ["section", "what", "ours", "floor", "unit", "compared", "target", ""];
  const widths = head.map((title, n) =>
    Math.max(title.length, ...cells.map((row) => row[n]!.length))
  );
  const line = (row: readonly string[]) =>
    row.map((cell, n) =>
      n >= 2 && n <= 5 && n !== 4 ? cell.padStart(widths[n]!) : cell.padEnd(widths[n]!)
    )
      .join("  ").trimEnd();
  return [head, ...cells].map(line).join("\n");
}
