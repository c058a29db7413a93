/**
 * Limits how long one socket may deliver datagrams before timers and other sockets get their turn.
 *
 * @module
 */
import { now as clock } from "../../ffi/runtimes/process.ts";

/** The longest turn, in milliseconds. */
const LONGEST_TURN = 5;
/** The most steps between two readings of the clock. Reading it takes as long as a short step. */
const MAX_INTERVAL = 32;

/** The time of one turn. The clock is read less often while steps are short. */
export class TurnBudget {
  readonly #now: () => number;
  #steps = 0;
  /** The step after which the clock is read next. */
  #next = 1;
  #interval = 1;
  #start = 0;

  /** @param now The clock, in milliseconds. */
  constructor(now: () => number = clock) {
    this.#now = now;
  }

  /** A turn begins. */
  start(): void {
    this.#steps = 0;
    this.#next = 1;
    this.#interval = 1;
  }

  /** Whether the time is over. Must be called after each step; the first step does not count. */
  isSpent(): boolean {
    if (++this.#steps < this.#next) return false;
    const now = this.#now();
    if (this.#steps === 1) this.#start = now;
    const spent = now - this.#start;
    if (spent >= LONGEST_TURN) return true;
    if (this.#steps > 1 && spent < LONGEST_TURN / 8) this.#interval = Math.min(this.#interval * 2, MAX_INTERVAL);
    this.#next = this.#steps + this.#interval;
    return false;
  }
}
