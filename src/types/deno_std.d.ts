/**
 * Types of the parts of `@std` this project uses. The npm package behind the import map is plain
 * JavaScript, so a key without a declaration here would silently be `any`; the architecture test
 * fails on one. Declare only what is used.
 */

declare module "@std/assert" {
  /** Error thrown by a failed assertion. */
  export class AssertionError extends Error {
    constructor(message: string, options?: ErrorOptions);
  }
  // deno-lint-ignore no-explicit-any
  type AnyConstructor = abstract new (...args: any[]) => any;
  type Class<E extends Error> = abstract new (...args: never[]) => E;

  export function assert(expr: unknown, msg?: string): asserts expr;
  export function assertFalse(expr: unknown, msg?: string): asserts expr is false;
  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertStrictEquals<T>(
    actual: unknown,
    expected: T,
    msg?: string,
  ): asserts actual is T;
  export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
  export function assertAlmostEquals(
    actual: number,
    expected: number,
    tolerance?: number,
    msg?: string,
  ): void;
  export function assertArrayIncludes<T>(
    actual: ArrayLike<T>,
    expected: ArrayLike<T>,
    msg?: string,
  ): void;
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertInstanceOf<T extends AnyConstructor>(
    actual: unknown,
    expectedType: T,
    msg?: string,
  ): asserts actual is InstanceType<T>;
  export function assertNotInstanceOf<A>(
    actual: A,
    unexpectedType: AnyConstructor,
    msg?: string,
  ): void;
  export function assertIsError<E extends Error = Error>(
    error: unknown,
    ErrorClass?: Class<E>,
    msgMatches?: string | RegExp,
    msg?: string,
  ): asserts error is E;
  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
  export function assertObjectMatch(
    // deno-lint-ignore no-explicit-any
    actual: Record<PropertyKey, any>,
    expected: Record<PropertyKey, unknown>,
    msg?: string,
  ): void;
  export function assertThrows(fn: () => unknown, msg?: string): unknown;
  export function assertThrows<E extends Error = Error>(
    fn: () => unknown,
    ErrorClass: Class<E>,
    msgIncludes?: string,
    msg?: string,
  ): E;
  export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
  export function assertRejects<E extends Error = Error>(
    fn: () => PromiseLike<unknown>,
    ErrorClass: Class<E>,
    msgIncludes?: string,
    msg?: string,
  ): Promise<E>;
  export function equal(a: unknown, b: unknown): boolean;
  export function fail(msg?: string): never;
  export function unimplemented(msg?: string): never;
  export function unreachable(msg?: string): never;
}

declare module "@std/path" {
  /** Parts of a path as {@linkcode parse} returns them. */
  export interface ParsedPath {
    root: string;
    dir: string;
    base: string;
    ext: string;
    name: string;
  }
  export interface GlobOptions {
    extended?: boolean;
    globstar?: boolean;
    caseInsensitive?: boolean;
  }
  export const SEPARATOR: "/" | "\\";
  export const SEPARATOR_PATTERN: RegExp;
  export const DELIMITER: ":" | ";";
  export function basename(path: string | URL, suffix?: string): string;
  export function common(paths: string[]): string;
  export function dirname(path: string | URL): string;
  export function extname(path: string | URL): string;
  export function format(path: Partial<ParsedPath>): string;
  export function fromFileUrl(url: string | URL): string;
  export function globToRegExp(glob: string, options?: GlobOptions): RegExp;
  export function isAbsolute(path: string): boolean;
  export function isGlob(str: string): boolean;
  export function join(path: string | URL, ...paths: string[]): string;
  export function normalize(path: string | URL): string;
  export function parse(path: string): ParsedPath;
  export function relative(from: string, to: string): string;
  export function resolve(...paths: string[]): string;
  export function toFileUrl(path: string): URL;
}

declare module "@std/jsonc" {
  export type JsonValue =
    | { [key: string]: JsonValue | undefined }
    | JsonValue[]
    | string
    | number
    | boolean
    | null;
  /** @throws {SyntaxError} when the text is not JSON with comments. */
  export function parse(text: string): JsonValue;
}

declare module "@std/cli/parse-args" {
  export interface ParseOptions {
    "--"?: boolean;
    alias?: Record<string, string | readonly string[]>;
    boolean?: boolean | string | readonly string[];
    string?: string | readonly string[];
    collect?: string | readonly string[];
    negatable?: string | readonly string[];
    default?: Record<string, unknown>;
    stopEarly?: boolean;
    unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  }
  export interface Args {
    _: (string | number)[];
    "--"?: string[];
    [flag: string]: unknown;
  }
  export function parseArgs(args: readonly string[], options?: ParseOptions): Args;
}

declare module "@std/cli/prompt-secret" {
  export interface PromptSecretOptions {
    /** Character shown per typed one, default `*`; empty shows nothing. */
    mask?: string;
    clear?: boolean;
  }
  /** The typed text, or `null` when stdin is not a terminal. */
  export function promptSecret(message?: string, options?: PromptSecretOptions): string | null;
}

declare module "@std/crypto/timing-safe-equal" {
  export function timingSafeEqual(
    a: ArrayBufferView | ArrayBufferLike,
    b: ArrayBufferView | ArrayBufferLike,
  ): boolean;
}

declare module "@std/fmt/colors" {
  export function setColorEnabled(value: boolean): void;
  export function getColorEnabled(): boolean;
  export function stripAnsiCode(text: string): string;
  export function reset(text: string): string;
  export function bold(text: string): string;
  export function dim(text: string): string;
  export function italic(text: string): string;
  export function underline(text: string): string;
  export function inverse(text: string): string;
  export function strikethrough(text: string): string;
  export function black(text: string): string;
  export function red(text: string): string;
  export function green(text: string): string;
  export function yellow(text: string): string;
  export function blue(text: string): string;
  export function magenta(text: string): string;
  export function cyan(text: string): string;
  export function white(text: string): string;
  export function gray(text: string): string;
  export function brightRed(text: string): string;
  export function brightGreen(text: string): string;
  export function brightYellow(text: string): string;
  export function brightBlue(text: string): string;
}
