/**
 * How long one socket may go on delivering before timers and other sockets have their turn.
 *
 * @module
 */
import { now as clock } from "../../ffi/runtimes/process.ts";

/** In milliseconds. */
const LONGEST_TURN = 5;
/** Steps between two looks at the clock at most: looking takes as long as a step. */
const MAX_INTERVAL = 32;

/** The time of one turn, looked at seldom while steps are short. */
export class TurnBudget {
  readonly #now: () => number;
  #steps = 0;
  /** The step after which the clock is looked at next. */
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

  /** To be asked after each step. The first is free. */
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
