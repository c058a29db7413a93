/**
 * Whether to go on looking for a moment before the poll loop waits. A process that sleeps takes some 50 us to wake up, on some
 * runtimes twice that; one that looks again and again is there at once, but takes processor time, perhaps from the very
 * process that is to answer. Which is better is measured: looking on is right where it makes the time from one activity to
 * the next shorter.
 *
 * @module
 */
import { now as monotonicNow } from "../../ffi/runtimes/process.ts";

/** How long to look on after activity, in milliseconds. */
const MAX_SPIN_MS = 0.1;
/** If activities are further apart than this, in milliseconds, looking on is pointless. */
const MAX_GAP_MS = 0.3;
/** Up to this many longer gaps in a row change nothing. */
const TOLERATED_GAPS = 1;
/** Looking on must make the times shorter at least by this factor. */
const REQUIRED_SPEEDUP = 0.9;
/** How many values a mean is of. */
const SAMPLE_SIZE = 8;
/** After so many activities the other way is tried once. */
const EXPLORE_EVERY = 512;

/** The mean of the last values, more or less. */
class Mean {
  value = 0;
  count = 0;

  add(value: number): void {
    if (this.count < SAMPLE_SIZE) this.count++;
    this.value += (value - this.value) / this.count;
  }
}

/** One poll loop's judgement. */
export class Spin {
  readonly #now: () => number;
  #lastActive = -Infinity;
  /** Whether it looks on before it waits, from the last activity to the next. */
  #isOn = false;
  /** Whether it had to wait, or to look on, since then. */
  #isIdle = false;
  #untilExploration = EXPLORE_EVERY;
  /** How many of the last activities in a row came after a longer gap. */
  #gaps = 0;
  // The times between activities with and without it, in milliseconds.
  #on = new Mean();
  #off = new Mean();

  /** @param now The clock, in milliseconds. */
  constructor(now: () => number = monotonicNow) {
    this.#now = now;
  }

  /** Somebody was ready. */
  recordActivity(): void {
    const now = this.#now();
    if (this.#isIdle) {
      this.#learn(now - this.#lastActive);
      this.#isOn = this.#choose();
    }
    this.#isIdle = false;
    this.#lastActive = now;
  }

  /** Somebody was ready, and is done. @returns Whether more is likely to follow at once, so that it is worth looking. */
  expectsMore(): boolean {
    const isFar = this.#gaps > TOLERATED_GAPS;
    // Then it waits.
    if (isFar) this.#isIdle = true;
    return !isFar;
  }

  /** Nobody was ready. @returns Whether to look again. */
  shouldSpin(): boolean {
    this.#isIdle = true;
    return this.#isOn && this.#now() - this.#lastActive < MAX_SPIN_MS;
  }

  #learn(time: number): void {
    if (time > MAX_GAP_MS) {
      this.#gaps++;
      return;
    }
    // After a pause it is other traffic than before.
    if (this.#gaps > TOLERATED_GAPS) [this.#on, this.#off] = [new Mean(), new Mean()];
    this.#gaps = 0;
    (this.#isOn ? this.#on : this.#off).add(time);
  }

  #choose(): boolean {
    if (this.#gaps > TOLERATED_GAPS || this.#off.count < SAMPLE_SIZE) return false;
    if (this.#on.count < SAMPLE_SIZE) return true;
    const pays = this.#on.value < this.#off.value * REQUIRED_SPEEDUP;
    if (--this.#untilExploration > 0) return pays;
    this.#untilExploration = EXPLORE_EVERY;
    return !pays;
  }
}
