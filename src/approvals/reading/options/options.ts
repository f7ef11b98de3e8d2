/** Words of ordinary programs: how options are found among them, as getopt reads them, and what a rule about them looks like. */

/** Reads long options by any unambiguous or ambiguous prefix, as getopt_long does: `split --f` is `split --filter`. */
export function longOption(argv: readonly string[], names: readonly string[]): string | undefined {
  return argv.slice(1).find((word) => {
    const option = /^--([a-z][a-z0-9-]*)/.exec(word)?.[1];
    return option !== undefined && names.some((name) => name.startsWith(option));
  });
}

/** The first word of a shape. */
export function shortOption(argv: readonly string[], shape: RegExp): string | undefined {
  return argv.slice(1).find((word) => shape.test(word));
}

/** What in the words of a program starts another one. */
export interface ToolRule {
  readonly names: RegExp;
  /** Long options, also in any short form that getopt takes. */
  readonly long?: readonly string[];
  /** Whole words or their beginnings. */
  readonly word?: Pick<RegExp, "test">;
  /** Where words have to be read together. */
  readonly argv?: (argv: readonly string[]) => string | undefined;
}
