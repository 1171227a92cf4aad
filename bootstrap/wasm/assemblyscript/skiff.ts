// The guest SDK for AssemblyScript. The entry file of a guest exports what the
// host looks for:
//
//     export { skiff_alloc } from "./skiff";
//     export function handle(ptr: usize, length: i32): u64 { … }
//
// and is built with `--use abort=<path of this file>/skiff_abort`, for the
// host has no "env.abort". AssemblyScript has no exceptions that could be
// caught: a failed assertion or a throw is logged and ends the call with a
// trap; return fail(…) for errors that the caller shall see.

// What the host gives.
@external("skiff", "log")
declare function hostLog(level: i32, ptr: usize, length: i32): void;
@external("skiff", "meta")
declare function hostMeta(key: i32, ptr: usize, capacity: i32): i32;

export enum Level { Debug = 0, Info = 1, Warn = 2, Error = 3 }

export enum Key { RequestId = 0, DeadlineMs = 1, Traceparent = 2, Function = 3, Version = 4 }

// Set in the length of an error result.
const ERROR_BIT: u64 = 1 << 31;

// Two blocks outside the collector's reach, used again by every call: the
// host writes the payload into the first and reads the result from the second.
let input: usize = heap.alloc(4096);
let inputSize: i32 = 4096;
let output: usize = heap.alloc(4096);
let outputSize: i32 = 4096;

// A payload longer than this is worth a full collection before it. Bytes.
const LARGE = 1 << 16;

// Called by the host for room for the payload, before each call.
export function skiff_alloc(length: i32): usize {
  if (length > LARGE) __collect(); // nothing of the last call is in use
  if (length > inputSize) {
    input = heap.realloc(input, length);
    inputSize = length;
  }
  return input;
}

// The payload as text. Bytes that are not UTF-8 become U+FFFD.
export function text(ptr: usize, length: i32): string {
  return String.UTF8.decodeUnsafe(ptr, length);
}

// Packs a result of text.
export function result(answer: string): u64 {
  const length = String.UTF8.byteLength(answer);
  if (length > outputSize) {
    output = heap.realloc(output, length);
    outputSize = length;
  }
  String.UTF8.encodeUnsafe(changetype<usize>(answer), answer.length, output);
  return ((output as u64) << 32) | (length as u64);
}

// Makes an error result, {"errorMessage","errorType"}.
export function fail(type: string, message: string): u64 {
  return result('{"errorMessage":' + quote(message) + ',"errorType":' + quote(type) + "}") | ERROR_BIT;
}

// Writes one line to the log of the invocation.
export function log(level: Level, message: string): void {
  const line = String.UTF8.encode(message);
  hostLog(level, changetype<usize>(line), line.byteLength);
}

// A value about the request, "" where the host has none.
export function meta(key: Key): string {
  const length = hostMeta(key, 0, 0);
  if (length <= 0) return "";
  const buffer = new ArrayBuffer(length);
  hostMeta(key, changetype<usize>(buffer), length);
  return String.UTF8.decode(buffer);
}

// Text as a JSON string, with its quotes.
export function quote(s: string): string {
  let out = '"';
  let from = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += s.substring(from, i);
    out += c < 0x20 ? "\\u" + c.toString(16).padStart(4, "0") : "\\" + s.charAt(i);
    from = i + 1;
  }
  return out + (from == 0 ? s : s.substring(from)) + '"';
}

// What the compiler calls before it traps; see the top.
export function skiff_abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message === null ? "aborted" : message;
  const where = file === null ? "" : file;
  log(Level.Error, what + " (" + where + ":" + line.toString() + ":" + column.toString() + ")");
  unreachable();
}
