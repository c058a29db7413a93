/**
 * A set of descriptors in the kernel, which reports those that are ready: epoll or kqueue.
 *
 * A poller is itself a descriptor that becomes readable when a member is ready. So a waiter waits for this one descriptor, and adding
 * or removing sockets wakes nobody.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";

/** Interest in data to read (and in errors, which come with reading). */
export const READABLE = 1;
/** Interest in room to write. */
export const WRITABLE = 2;
/** Reported only: the member has an error, or a message on its error queue. */
export const ERROR = 4;

/** A poller in the kernel. Calls return 0 or a count, or a negative errno. */
export interface Poller {
  /** Its descriptor: readable when a member is ready. */
  readonly fd: number;
  /**
   * Adds a descriptor.
   *
   * @param token Identifies the member in {@linkcode tokenAt}. At least 1.
   */
  add(fd: number, token: number, interest: number): number;
  /** Changes what a member is watched for. */
  modify(fd: number, token: number, interest: number): number;
  /** Removes a member. Must be called before its descriptor is closed: a duplicate would keep it in the poller. */
  remove(fd: number): number;
  /**
   * Polls without waiting. Ends a pending {@linkcode wake}.
   *
   * @returns How many members are ready, or a negative errno: then the poller is of no use any more, and must be closed. After EBADF and
   * EINVAL its descriptor is someone else's, or nobody's: {@linkcode close} leaves it alone.
   */
  collect(): number;
  /** The token of the i-th ready member. */
  tokenAt(index: number): number;
  /** What the i-th ready member is ready for: {@linkcode READABLE}, {@linkcode WRITABLE} and {@linkcode ERROR}, or'ed. */
  readinessAt(index: number): number;
  /** Makes the poller's descriptor readable until the next {@linkcode collect}, so that a waiter returns. */
  wake(): void;
  /** Closes the poller's descriptors. */
  close(): void;
}

/** Whether a result says that a poller's descriptor is not open, or is no poller. A member's bad descriptor may give the same result. */
export function isLost({ errno }: Abi, result: number): boolean {
  return result === -errno.EBADF || result === -errno.EINVAL;
}
