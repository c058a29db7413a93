/**
 * How a thread of {@linkcode PollThreads} calls `poll` in each runtime: the source of a JavaScript expression whose value is a function
 * `(pollfd: ArrayBuffer, timeout: number) => boolean`. It returns true if the descriptor is readable.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { PollSource } from "./thread_waiter.ts";

// int poll(struct pollfd *fds, nfds_t nfds, int timeout);

/** Opens the library under the first name that works. */
const first = (abi: Abi, open: string): string =>
  `(() => {
  for (const name of ${JSON.stringify(abi.libraries)}) {
    try { return ${open} } catch {}
  }
  throw new Error("Cannot open the C library")
})()`;

/** With `bun:ffi`. */
export function bunPollSource(abi: Abi): PollSource {
  const symbols = `{ poll: { args: ["ptr", "u64_fast", "i32"], returns: "i32" } }`;
  return `(() => {
  const { dlopen, ptr } = process.getBuiltinModule("bun:ffi");
  const { poll } = ${first(abi, `dlopen(name, ${symbols}).symbols`)};
  return (pollfd, timeout) => poll(ptr(pollfd), 1, timeout) > 0;
})()`;
}

/** With `node:ffi`. */
export function nodePollSource(abi: Abi): PollSource {
  const symbols = `{ poll: { arguments: ["u64", "u64", "i32"], return: "i32" } }`;
  return `(() => {
  const { dlopen, getRawPointer } = process.getBuiltinModule("node:ffi");
  const { poll } = ${first(abi, `dlopen(name, ${symbols}).functions`)};
  return (pollfd, timeout) => poll(getRawPointer(pollfd), 1n, timeout) > 0;
})()`;
}

/** With koffi, from the file the main thread found. */
export function koffiPollSource(abi: Abi, koffiPath: string): PollSource {
  const path = JSON.stringify(koffiPath);
  return `(() => {
  const koffi = process.getBuiltinModule("node:module").createRequire(${path})(${path});
  const poll = ${first(abi, `koffi.load(name).func("poll", "int", ["void *", "uint64_t", "int"])`)};
  return (pollfd, timeout) => poll(pollfd, 1, timeout) > 0;
})()`;
}
