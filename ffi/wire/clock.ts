/**
 * The system's clocks, and the clock of transmit times.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Libc } from "../libc/libc.ts";
import type { Memory, Pointer } from "../libc/memory.ts";
import type { EncodedOption } from "./membership.ts";

const scratches = new WeakMap<Libc, { readonly memory: Memory; readonly at: Pointer }>();

/** The time of a clock in nanoseconds; or a negative errno. */
export function readClock(libc: Libc, clockid: number): bigint | number {
  let scratch = scratches.get(libc);
  if (!scratch) {
    const memory = libc.allocate(libc.abi.layouts.timespec.size);
    scratches.set(libc, scratch = { memory, at: libc.pointer(memory) });
  }
  const result = libc.clock_gettime(clockid, scratch.at);
  return result < 0 ? result : readTimespec(libc.abi, scratch.memory.view, 0);
}

// The last second, in nanoseconds: bigints cost more than numbers, and many times are in the same second.
let lastSecond = 0;
let lastNanoseconds = 0n;

/** A `struct timespec` in nanoseconds. */
export function readTimespec({ layouts: { timespec } }: Abi, view: DataView, at: number): bigint {
  const second = view.getUint32(at + timespec.tv_sec, true) + view.getInt32(at + timespec.tv_sec + 4, true) * 2 ** 32;
  if (second !== lastSecond) {
    lastSecond = second;
    lastNanoseconds = BigInt(second) * 1_000_000_000n;
  }
  return lastNanoseconds + BigInt(view.getUint32(at + timespec.tv_nsec, true));
}

/** The option that sets the clock of transmit times: SO_TXTIME, on Linux. */
export function encodeTxTime(abi: Abi, clockid: number): EncodedOption {
  const { options: { SO_TXTIME }, sock_txtime } = abi.linux!;
  const value = new Uint8Array(sock_txtime.size);
  new DataView(value.buffer).setInt32(sock_txtime.clockid, clockid, true);
  return { level: abi.levels.SOL_SOCKET, name: SO_TXTIME, value };
}
