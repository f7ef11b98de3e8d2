/** Finding an option among words, the way getopt reads it: long ones by prefix, short ones by shape. */

/** Reads long options by any unambiguous or ambiguous prefix of at least three letters, as getopt_long does. */
export function longOption(argv: readonly string[], names: readonly string[]): string | undefined {
  return argv.slice(1).find((word) => {
    const option = /^--([a-z][a-z0-9-]+)/.exec(word)?.[1];
    return option !== undefined && option.length >= 3 &&
      names.some((name) => name.startsWith(option));
  });
}

/** The first word of a shape. */
export function shortOption(argv: readonly string[], shape: RegExp): string | undefined {
  return argv.slice(1).find((word) => shape.test(word));
}
