/**
 * How a JavaScript thread learns that an interest set has something ready, without blocking.
 *
 * @module
 */
import type { InterestSet } from "./interest_set.ts";

/** Waits for one interest set. */
export interface Waiter {
  /** Calls the callback, once, when the set's descriptor is readable. Does nothing if it is armed already. */
  arm(): void;
  /** Lets an armed waiter keep the process (or Worker) alive. This is the default. */
  ref(): void;
  /** Lets the process end while the waiter is armed. */
  unref(): void;
  /** How long its set may stay open when nothing is watched, in milliseconds. 0: until the next turn of the event loop. */
  readonly linger: number;
  /** Nothing is watched any more. No callback follows until it is armed again. */
  park(): void;
  /**
   * Closes the waiter. No callback follows.
   *
   * @param released Called when native code no longer uses the set's descriptor, so that it can be closed.
   */
  close(released: () => void): void;
}

/**
 * Creates a waiter.
 *
 * @param onReady Called so that an exception is uncaught and promise jobs run afterwards.
 */
export type WaiterFactory = (set: InterestSet, onReady: () => void) => Waiter;
