/**
 * A set of descriptors in the kernel, and which of them are ready: epoll or kqueue.
 *
 * A poller is itself a descriptor that becomes readable when anything in it is ready. A waiter therefore waits for one
 * descriptor only, and adding or removing sockets needs no wake-up.
 *
 * @module
 */

/** Interest in data to read (and in errors, which come with reading). */
export const READABLE = 1;
/** Interest in room to write. */
export const WRITABLE = 2;
/** Not an interest, but what a member may be, too: it has an error, or something on its error queue. */
export const ERROR = 4;

/** A poller in the kernel. Calls return 0 or a count, or a negative errno. */
export interface Poller {
  /** Its descriptor: readable when a member is ready. */
  readonly fd: number;
  /**
   * Adds a descriptor.
   *
   * @param token Comes back from {@linkcode tokenAt}, until the member is removed. From 1.
   */
  add(fd: number, token: number, interest: number): number;
  /** Changes what a member is watched for. */
  modify(fd: number, token: number, interest: number): number;
  /** Removes a member. To be called before its descriptor is closed: a duplicate elsewhere would keep it in the poller. */
  remove(fd: number): number;
  /** Asks, without waiting, who is ready; returns how many. A pending {@linkcode wake} is used up. */
  collect(): number;
  /** The token of the i-th ready member. */
  tokenAt(index: number): number;
  /** What the i-th ready member is ready for: {@linkcode READABLE}, {@linkcode WRITABLE} and {@linkcode ERROR}, or'ed. */
  readinessAt(index: number): number;
  /** Makes the poller's descriptor readable until the next {@linkcode collect}, so that whoever waits for it returns. */
  wake(): void;
  /** Closes the poller's descriptors. */
  close(): void;
}
