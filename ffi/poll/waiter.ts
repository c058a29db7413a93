/**
 * How a JavaScript thread learns that a poller has something ready, without blocking.
 *
 * @module
 */
import type { Poller } from "./poller.ts";

/** Waits for one poller. */
export interface Waiter {
  /** Has the callback called, once, when the poller's descriptor is readable. Armed already: does nothing. */
  arm(): void;
  /** From now on an armed waiter keeps the process (or Worker) alive. The state a waiter starts in. */
  ref(): void;
  /** From now on it does not. */
  unref(): void;
  /** How long its poller may stay open when nothing is watched any more, in milliseconds; 0: until the event loop's next turn. */
  readonly linger: number;
  /** Nothing is watched any more: no callback until it is armed again. */
  park(): void;
  /**
   * Ends it: no callback any more.
   *
   * @param released Called when nothing native uses the poller's descriptor any longer, so that it can be closed.
   */
  close(released: () => void): void;
}

/**
 * Makes a waiter.
 *
 * @param onReady Runs where an exception is reported as uncaught and where microtasks run afterwards.
 */
export type WaiterFactory = (poller: Poller, onReady: () => void) => Waiter;
