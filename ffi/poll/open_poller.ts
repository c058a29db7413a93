/**
 * Picks the kind of poller that the system has.
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import { EpollPoller } from "./epoll.ts";
import type { Poller } from "./poller.ts";
import { KqueuePoller } from "./kqueue.ts";

/**
 * Opens a poller.
 *
 * @returns The poller, or a negative errno.
 */
export function openPoller(libc: Libc): Poller | number {
  return libc.abi.platform === "linux" ? EpollPoller.open(libc) : KqueuePoller.open(libc);
}
