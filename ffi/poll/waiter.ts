/**
 * How a JavaScript thread waits for a poller without blocking.
 *
 * @module
 */
import type { Poller } from "./poller.ts";

/** Waits for one poller. */
export interface Waiter {
  /** Calls the callback, once, when the poller's descriptor is readable. Does nothing if it is armed already. */
  arm(): void;
  /** Lets an armed waiter keep the process (or Worker) alive. This is the default. */
  ref(): void;
  /** Lets the process end while the waiter is armed. */
  unref(): void;
  /** How long its poller may stay open when nothing is watched, in milliseconds. 0: until the next turn of the event loop. */
  readonly linger: number;
  /** Nothing is watched any more. No callback follows until it is armed again. */
  park(): void;
  /**
   * Closes the waiter. No callback follows.
   *
   * @param released Called when native code no longer uses the poller's descriptor, so that it can be closed.
   */
  close(released: () => void): void;
}

/**
 * Creates a waiter.
 *
 * @param onReady Called so that an exception is uncaught and promise jobs run afterwards.
 */
export type WaiterFactory = (poller: Poller, onReady: () => void) => Waiter;
