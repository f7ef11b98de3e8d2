/** Reads the frame of a peer that nobody knows yet: bounds are checked before anything is parsed (N16, N17). */
import { type ReadRequest, readRequest } from "../../protocol/frames.ts";
import { scanJson } from "../../protocol/json_scan.ts";

/** The request in a text; what is none is `not-json` or `invalid`. */
export function readFrame(text: string): ReadRequest {
  const problem = scanJson(text);
  return problem === undefined
    ? readRequest(text)
    : { kind: "invalid", id: "invalid", detail: problem };
}
