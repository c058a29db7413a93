/**
 * Decides whether the poll loop spins, that is, polls again and again for a moment before it waits. A process that sleeps takes some
 * 50 us to wake up, on some runtimes twice that. A process that spins reacts at once, but takes processor time, perhaps from the
 * process that has to answer. So the loop measures: it spins if that makes the time from one activity to the next shorter.
 *
 * @module
 */
import { now as monotonicNow } from "../../ffi/runtimes/process.ts";

/** The longest time to spin after activity, in milliseconds. */
const MAX_SPIN_MS = 0.1;
/** If activities are further apart than this, in milliseconds, spinning is pointless. */
const MAX_GAP_MS = 0.3;
/** Up to this many longer gaps in a row are ignored. */
const TOLERATED_GAPS = 1;
/** Spinning has to reduce the mean time to this fraction. */
const REQUIRED_SPEEDUP = 0.9;
/** The number of values in a mean. */
const SAMPLE_SIZE = 8;
/** After this many activities the other way is tried once. */
const EXPLORE_EVERY = 512;

/** A running mean of about the last values. */
class Mean {
  value = 0;
  count = 0;

  add(value: number): void {
    if (this.count < SAMPLE_SIZE) this.count++;
    this.value += (value - this.value) / this.count;
  }
}

/** The decision for one poll loop. */
export class Spin {
  readonly #now: () => number;
  #lastActive = -Infinity;
  /** Whether the loop spins between the last activity and the next. */
  #isOn = false;
  /** Whether a poll has found nothing since then. */
  #isIdle = false;
  #untilExploration = EXPLORE_EVERY;
  /** How many of the last activities in a row came after a longer gap. */
  #gaps = 0;
  // The times between activities with and without spinning, in milliseconds.
  #on = new Mean();
  #off = new Mean();

  /** @param now The clock, in milliseconds. */
  constructor(now: () => number = monotonicNow) {
    this.#now = now;
  }

  /** A poll found a watcher ready. */
  recordActivity(): void {
    const now = this.#now();
    if (this.#isIdle) {
      this.#learn(now - this.#lastActive);
      this.#isOn = this.#choose();
    }
    this.#isIdle = false;
    this.#lastActive = now;
  }

  /** The turns of an activity are over. @returns Whether more is likely to follow at once, so that a poll is worth its cost. */
  expectsMore(): boolean {
    const isFar = this.#gaps > TOLERATED_GAPS;
    // Then it waits.
    if (isFar) this.#isIdle = true;
    return !isFar;
  }

  /** A poll found nothing. @returns Whether to poll again. */
  shouldSpin(): boolean {
    this.#isIdle = true;
    return this.#isOn && this.#now() - this.#lastActive < MAX_SPIN_MS;
  }

  #learn(time: number): void {
    if (time > MAX_GAP_MS) {
      this.#gaps++;
      return;
    }
    // After a pause the traffic may be different.
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
