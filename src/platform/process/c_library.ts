/**
 * The functions of the system's C library that the runtime does not offer: starting a program in its own session without
 * copying this process, waiting on descriptors, and what holds descendants together. Linux with glibc only; everywhere
 * else `openCLibrary` says why not, and the callers do without.
 */

// Source: posix_spawn(3), pipe(2), epoll(7), poll(2), pidfd_open(2), wait(2), prctl(2), fcntl(2), kill(2).
const SYMBOLS = {
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_adddup2: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  posix_spawn_file_actions_addopen: {
    parameters: ["buffer", "i32", "buffer", "i32", "u32"],
    result: "i32",
  },
  posix_spawn_file_actions_addchdir_np: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // On a thread of the runtime's pool, so that the loop goes on.
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  // Only for pidfd_open, which has no function of its own in older versions.
  syscall: { parameters: ["i64", "i64", "i64"], result: "i64" },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened library. */
export type CLibrary = Deno.DynamicLibrary<typeof SYMBOLS>;

/** Flag of every descriptor made here: no program inherits it. Source: fcntl(2); the same on x86-64 and arm64. */
export const O_CLOEXEC = 0o2000000;

/** Opens the library, or says why it cannot be had. */
export function openCLibrary(): CLibrary | string {
  if (Deno.build.os !== "linux") return `not on ${Deno.build.os}`;
  try {
    return Deno.dlopen("libc.so.6", SYMBOLS);
  } catch (error) {
    // Another C library, an old one, or a sandbox that does not let programs call it.
    return `the C library cannot be used: ${error instanceof Error ? error.message : error}`;
  }
}

const encoder = new TextEncoder();

/** A text as the C library takes it. @throws {TypeError} For a NUL, which would cut the text short unseen. */
export function cText(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw nulByte();
  return encoder.encode(`${text}\0`);
}

function nulByte(): TypeError {
  return new TypeError("NUL byte in a path, an argument or the environment");
}

/** A list of texts as the C library takes it. `texts` holds what `pointers` points to and must live as long. */
export interface CTexts {
  readonly pointers: Uint8Array<ArrayBuffer>;
  readonly texts: Uint8Array<ArrayBuffer>;
}

/** A NULL-terminated list of texts. @throws {TypeError} As {@linkcode cText}. */
export function cTexts(list: readonly string[]): CTexts {
  // One buffer for all of them: a buffer per text is what a start would spend most of its own time on.
  const texts = encoder.encode(`${[...list, ""].join("\0")}\0`);
  const pointers = new BigUint64Array(list.length + 1);
  const start = Deno.UnsafePointer.value(Deno.UnsafePointer.of(texts));
  let at = 0;
  for (let n = 0; n < list.length; n++) {
    pointers[n] = start + BigInt(at);
    at = texts.indexOf(0, at) + 1;
  }
  if (at !== texts.length - 1) throw nulByte();
  return { pointers: new Uint8Array(pointers.buffer), texts };
}
