/** What the machine says about itself, for `system.info`. */

/** Facts of the machine at this moment. */
export interface SystemFacts {
  /** Kernel release. */
  readonly release: string;
  readonly cpuCount: number;
  /** Load over 1, 5 and 15 minutes; zeros where the system has none. */
  readonly loadAverage: readonly number[];
  readonly memoryTotalBytes: number;
  readonly memoryFreeBytes: number;
}

/** Reads them now. */
export function readSystemFacts(): SystemFacts {
  const memory = Deno.systemMemoryInfo();
  return {
    release: Deno.osRelease(),
    cpuCount: navigator.hardwareConcurrency,
    loadAverage: Deno.loadavg(),
    memoryTotalBytes: memory.total,
    memoryFreeBytes: memory.available,
  };
}
