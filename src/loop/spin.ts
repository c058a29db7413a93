/**
 * Decides whether the poll loop spins, that is, polls again and again for a moment before it waits. A process that sleeps takes some
 * 50 us to wake up, on some runtimes twice that. A process that spins reacts at once, but takes processor time, perhaps from the
 * process that has to answer. So the loop measures: it spins if that makes the time from one activity to the next shorter.
 *
 * @module
 */
import { now as monotonicNow } from "../../ffi/runtimes/process.ts";

/** The longest time to spin after activity, in milliseconds. */
const LONGEST = 0.1;
/** If activities are further apart than this, in milliseconds, spinning is pointless. `ACCIDENTS` of them in a row are ignored. */
const NEAR = 0.3;
const ACCIDENTS = 1;
/** Spinning has to reduce the mean time to this fraction. */
const GAIN = 0.9;
/** The number of values in a mean. */
const ENOUGH = 8;
/** After this many activities the other way is tried once. */
const TRIAL = 512;

/** A running mean of about the last values. */
class Mean {
  value = 0;
  count = 0;

  add(value: number): void {
    if (this.count < ENOUGH) this.count++;
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
  #untilTrial = TRIAL;
  /** How many of the last activities came after a gap. */
  #far = 0;
  // The times between activities with and without spinning, in milliseconds.
  #on = new Mean();
  #off = new Mean();

  /** @param now The clock, in milliseconds. */
  constructor(now: () => number = monotonicNow) {
    this.#now = now;
  }

  /** A poll found a watcher ready. */
  active(): void {
    const now = this.#now();
    if (this.#isIdle) {
      this.#learn(now - this.#lastActive);
      this.#isOn = this.#choose();
    }
    this.#isIdle = false;
    this.#lastActive = now;
  }

  /** A poll found nothing. @returns Whether to poll again. */
  idle(): boolean {
    this.#isIdle = true;
    return this.#isOn && this.#now() - this.#lastActive < LONGEST;
  }

  #learn(time: number): void {
    if (time > NEAR) {
      this.#far++;
      return;
    }
    // After a pause the traffic may be different.
    if (this.#far > ACCIDENTS) [this.#on, this.#off] = [new Mean(), new Mean()];
    this.#far = 0;
    (this.#isOn ? this.#on : this.#off).add(time);
  }

  #choose(): boolean {
    if (this.#far > ACCIDENTS || this.#off.count < ENOUGH) return false;
    if (this.#on.count < ENOUGH) return true;
    const pays = this.#on.value < this.#off.value * GAIN;
    if (--this.#untilTrial > 0) return pays;
    this.#untilTrial = TRIAL;
    return !pays;
  }
}
