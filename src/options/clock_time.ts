/**
 * The kernel's clocks, which timestamps and transmit times use.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import { readClock } from "../../ffi/wire/clock.ts";
import { currentEngine } from "../endpoint/engine.ts";
import { invalidArgValue, unavailable } from "../errors/node_errors.ts";
import type { ClockName } from "../sending/types.ts";

const NAMES: readonly unknown[] = ["realtime", "monotonic", "tai"];

/** @throws {TypeError} ERR_INVALID_ARG_VALUE; ERR_FEATURE_UNAVAILABLE_ON_PLATFORM for `tai` on macOS. */
export function clockNumber({ constants, linux, platform }: Abi, clock: ClockName): number {
  if (!NAMES.includes(clock)) throw invalidArgValue("clock", "must be one of: 'realtime', 'monotonic', 'tai'", clock);
  if (clock === "realtime") return constants.CLOCK_REALTIME;
  if (clock === "monotonic") return constants.CLOCK_MONOTONIC;
  if (!linux) throw unavailable("CLOCK_TAI", platform);
  return linux.CLOCK_TAI;
}

/**
 * The time of a kernel clock (clock_gettime(2)). Not in Node, whose clocks have other origins or are less exact.
 *
 * @param clock `realtime`, the clock of `rinfo.timestamp`: since 1970; `monotonic`: since an unspecified start; `tai`: as
 * `realtime`, without leap seconds (Linux).
 * @returns Nanoseconds.
 * @throws {TypeError} ERR_INVALID_ARG_VALUE; ERR_FEATURE_UNAVAILABLE_ON_PLATFORM for `tai` on macOS.
 *
 * @example
 * ```ts
 * import { clockTime, createSocket } from "@dgram/ffi";
 *
 * const socket = createSocket({ type: "udp4", recvTimestamp: true });
 * const { port } = socket.bindSync({ address: "127.0.0.1" });
 * socket.on("message", (_, { timestamp }) => {
 *   const waited = clockTime("realtime") - timestamp!;
 *   console.log(`it waited ${waited} ns`);
 *   socket.close();
 * });
 * socket.send("to itself", port, "127.0.0.1");
 * ```
 */
export function clockTime(clock: ClockName): bigint {
  const { errors, runtime } = currentEngine();
  const time = readClock(runtime.libc, clockNumber(runtime.libc.abi, clock));
  if (typeof time === "number") throw errors.ofCall(-time, "clock_gettime");
  return time;
}
