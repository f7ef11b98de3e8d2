/**
 * Settings of the JavaScript engine that the executable carries; the bench runs with them too.
 */

/**
 * Young objects get at most 4 MiB (16 by default): 2,000 nodes signing in leave 25 instead of 32 KiB each behind, TLS
 * 47 instead of 65, and calls per second stay the same. 1 MiB saves little more and costs 7 % of processor time per call.
 */
const YOUNG = "--max-semi-space-size=4";
/**
 * A loop that runs long within one call is compiled ten to twenty times later than by default; functions that are called
 * often are compiled as before. Otherwise a few loops of the start and of the first frames bring in the code of the last
 * compiler, 4 MiB of memory in a gateway or node that then does nothing. Calls per second stay the same.
 */
const LONG_LOOPS = "--invocation-count-for-maglev-osr=1000,--invocation-count-for-osr=10000";

/** As an argument of `deno run` and `deno compile`. */
export const V8_FLAGS = `--v8-flags=${YOUNG},${LONG_LOOPS}`;
