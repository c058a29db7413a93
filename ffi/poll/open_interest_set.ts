/**
 * Picks the kind of interest set that the system has.
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import { EpollSet } from "./epoll.ts";
import type { InterestSet } from "./interest_set.ts";
import { KqueueSet } from "./kqueue.ts";

/**
 * Opens an interest set.
 *
 * @returns The set, or a negative errno.
 */
export function openInterestSet(libc: Libc): InterestSet | number {
  return libc.abi.platform === "linux" ? EpollSet.open(libc) : KqueueSet.open(libc);
}
