/**
 * What a socket has done so far.
 *
 * @module
 */
import { errnoName } from "../../ffi/libc/errno.ts";
import type { AnySocket } from "../endpoint/events.ts";
import { engineOf, runningEndpoint } from "../endpoint/socket_state.ts";
import { getDropCount } from "./sol_socket.ts";

/**
 * Something that the kernel could not do as it was tried first.
 *
 * @example
 * ```ts
 * import type { Fallback } from "@dgram/ffi";
 *
 * socket.bindSync();
 * const fallbacks: Fallback[] = socket.getStatistics().fallbacks;
 * for (const { what, code, count } of fallbacks) console.log(`${what}: ${code}, ${count} times`);
 * ```
 */
export interface Fallback {
  /** What was tried: `UDP_SEGMENT`, several messages in one payload; `UDP_GRO`, to receive so. */
  what: "UDP_SEGMENT" | "UDP_GRO";
  /** Why not: the errno's name. */
  code: string;
  /** How often. */
  count: number;
}

/**
 * What a socket has done since it was made: the result of `getStatistics()`.
 *
 * @example
 * ```ts
 * import type { Statistics } from "@dgram/ffi";
 *
 * socket.send("hello", port, address, () => {
 *   const { sent }: Statistics = socket.getStatistics();
 *   console.log(sent.datagrams, sent.bytes); // 1 5
 * });
 * ```
 */
export interface Statistics {
  /** Datagrams that were read from the kernel, and their bytes; also those that a block list kept back. */
  received: { datagrams: number; bytes: number; systemCalls: number };
  /** Datagrams that the kernel has taken, and their bytes; those that left in payloads of several, and how many payloads these were. */
  sent: { datagrams: number; bytes: number; systemCalls: number; segments: number; segmentedPayloads: number };
  /** Messages that were not sent: refused by the kernel or by `sendQueueLimit`, taken back, or waiting when the socket was closed. */
  failed: number;
  /** Datagrams that the kernel has dropped ({@linkcode Socket.getDropCount}); undefined if the system does not say. */
  dropped: number | undefined;
  /** What the kernel could not do, and was done otherwise: the datagrams are the same. */
  fallbacks: Fallback[];
}

/** See {@linkcode Socket.getStatistics}. */
export function getStatistics(socket: AnySocket): Statistics {
  const endpoint = runningEndpoint(socket);
  const { abi } = engineOf(socket).runtime.libc;
  const { received, sent, failed, refusals } = endpoint.counts();
  const fallbacks = refusals.map(({ what, errno, count }) => ({ what, code: errnoName(abi, errno), count }));
  return { received, sent, failed, dropped: endpoint.fd < 0 ? 0 : droppedBy(socket), fallbacks };
}

function droppedBy(socket: AnySocket): number | undefined {
  try {
    return getDropCount(socket);
  } catch {
    return undefined;
  }
}
