/**
 * Frames between the node and its runner: `[u8 type][u32 job][u32 length][bytes]`, big endian, in both directions over
 * pipes. Owns layout and the JSON of the two descriptive frames; what they cause is `runner.ts` and `link.ts`.
 *
 *   node                        runner
 *    | -- Start {JobSpec} ------> |   starts the programs, each in its own group
 *    | <----- Started {groups} -- |   once per program, so that the node can kill them should the runner die
 *    | <-- Out / Err bytes ------ |   only while the job has credit left
 *    | -- Credit u32 -----------> |
 *    | -- Input bytes ----------> |   no bytes = end of input
 *    | <-- InputTaken ----------- |   one per Input frame, when the pipe took it
 *    | -- Stop {graceMs} -------> |
 *    | <-- Exit {JobEnd} -------- |   last frame of a job
 *    | (end of file) -----------> |   kills every group and ends
 */
import { joinBytes, utf8 } from "../../lib/bytes.ts";

/** Frame types. */
export const FrameType = {
  Start: 1,
  Input: 2,
  Credit: 3,
  Stop: 4,
  Started: 11,
  Out: 12,
  Err: 13,
  InputTaken: 14,
  Exit: 15,
  Leftovers: 16,
} as const;

/** One frame. */
export interface Frame {
  readonly type: number;
  /** Number of the job, chosen by the node; 0 for frames about the runner itself. */
  readonly job: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Where the input or an output of a program goes. */
export interface StageStdio {
  /** `inherit` = the previous program of the pipeline, or the input of the job for the first one. */
  readonly stdin: "inherit" | "null";
  readonly stdout: "out" | "err" | "null";
  readonly stderr: "out" | "err" | "null";
}

/** A file that must still have the content that was judged when it is executed (A07, decision 21). */
export interface FileBinding {
  /** Position in the argv; 0 is the program itself. */
  readonly argvIndex: number;
  readonly path: string;
  /** Lower-case hex SHA-256 of the content. */
  readonly sha256: string;
}

/** One program of a pipeline. */
export interface StageSpec {
  /** Absolute path; `undefined` = it was not found. */
  readonly file: string | undefined;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly stdio: StageStdio;
  readonly bindings?: readonly FileBinding[];
  /** The folder must be this very one, without links in its path (A09). */
  readonly bindCwd?: boolean;
}

/** One pipeline of a list with the condition under which it runs. */
export interface ItemSpec {
  readonly when: "always" | "success" | "failure";
  readonly stages: readonly StageSpec[];
}

/** What the runner is asked to run. */
export interface JobSpec {
  readonly items: readonly ItemSpec[];
  /** Whole environment; `PWD` is set per program. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether Input frames will come. */
  readonly stdin: boolean;
  /** Stop after this many milliseconds of running time. */
  readonly timeoutMs?: number;
  /** Bytes that may be sent before the first Credit frame. */
  readonly credit: number;
  /** Forward only the first so many bytes and throw the rest away. Default: forward all. */
  readonly keepBytes?: number;
}

/** How a job ended. Each way to die has its own flag. */
export interface JobEnd {
  readonly exitCode?: number;
  readonly signal?: string;
  readonly timedOut: boolean;
  /** Stopped by a Stop frame. */
  readonly cancelled: boolean;
  /** TERM was not enough. */
  readonly killed: boolean;
  /** An orphan still held an output pipe 250 ms after the end, or more came than `keepBytes`. */
  readonly truncated: boolean;
  /** Bytes read from both outputs, forwarded or not. */
  readonly outputBytes: number;
  readonly durationMs: number;
  /** Processes that left their group and survived the stop (F40). */
  readonly escaped?: readonly number[];
  /** Why nothing (more) could be started. */
  readonly error?: { readonly code: string; readonly message: string };
}

const HEADER_BYTES = 9;
/** Longest frame either side accepts: a request frame of the gateway has at most 25 MiB. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024;

/** A frame as bytes. */
export function encodeFrame(type: number, job: number, bytes: Uint8Array = new Uint8Array()) {
  const out = new Uint8Array(HEADER_BYTES + bytes.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, type);
  view.setUint32(1, job);
  view.setUint32(5, bytes.length);
  out.set(bytes, HEADER_BYTES);
  return out;
}

/** A frame with a JSON body. */
export function encodeJson(type: number, job: number, value: unknown) {
  return encodeFrame(type, job, utf8(JSON.stringify(value)));
}

/** A frame with one number. */
export function encodeNumber(type: number, job: number, value: number) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return encodeFrame(type, job, bytes);
}

/** The JSON body of a frame. */
export function jsonOf<T>(frame: Frame): T {
  return JSON.parse(new TextDecoder().decode(frame.bytes));
}

/** The number in a frame. */
export function numberOf(frame: Frame): number {
  return new DataView(frame.bytes.buffer, frame.bytes.byteOffset).getUint32(0);
}

/** Cuts a byte stream into frames. Throws on a frame that is too long: the peer is not ours. */
export async function* readFrames(
  stream: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Frame> {
  let rest: Uint8Array<ArrayBuffer> = new Uint8Array();
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : joinBytes([rest, chunk]);
    for (let length; (length = frameLength(rest)) <= rest.length; rest = rest.subarray(length)) {
      const view = new DataView(rest.buffer, rest.byteOffset);
      const bytes = rest.subarray(HEADER_BYTES, length);
      yield { type: view.getUint8(0), job: view.getUint32(1), bytes };
    }
  }
}

function frameLength(bytes: Uint8Array<ArrayBuffer>): number {
  if (bytes.length < HEADER_BYTES) return Infinity;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(5);
  if (length > MAX_FRAME_BYTES) throw new RangeError(`Runner frame of ${length} bytes`);
  return HEADER_BYTES + length;
}

/** Writes frames one after the other; `write` resolves when the pipe took the frame. Errors end in `onError` once. */
export function frameWriter(
  sink: WritableStream<Uint8Array<ArrayBuffer>>,
  onError: (error: unknown) => void,
) {
  const writer = sink.getWriter();
  let broken = false;
  return {
    async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
      if (broken) return;
      try {
        await writer.write(bytes);
      } catch (error) {
        if (!broken) onError(error);
        broken = true;
      }
    },
    async close(): Promise<void> {
      broken = true;
      await writer.close().catch(
        () => {/* the other end is gone, which is what closing asks for */},
      );
    },
  };
}
