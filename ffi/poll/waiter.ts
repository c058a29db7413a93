/**
 * How a JavaScript thread learns that an interest set has something ready, without blocking.
 *
 * @module
 */
import type { InterestSet } from "./interest_set.ts";

/** Waits for one interest set. */
export interface Waiter {
  /** Has the callback called, once, when the set's descriptor is readable. Armed already: does nothing. */
  arm(): void;
  /** From now on an armed waiter keeps the process (or Worker) alive. The state a waiter starts in. */
  ref(): void;
  /** From now on it does not. */
  unref(): void;
  /** How long its set may stay open when nothing is watched any more, in milliseconds; 0: until the event loop's next turn. */
  readonly linger: number;
  /** Nothing is watched any more: no callback until it is armed again. */
  park(): void;
  /**
   * Ends it: no callback any more.
   *
   * @param released Called when nothing native uses the set's descriptor any longer, so that it can be closed.
   */
  close(released: () => void): void;
}

/**
 * Makes a waiter.
 *
 * @param onReady Runs where an exception is reported as uncaught and where microtasks run afterwards.
 */
export type WaiterFactory = (set: InterestSet, onReady: () => void) => Waiter;
