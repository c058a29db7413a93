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
const LONGEST = 0.1;
/** Where activities are further apart than this, in milliseconds, looking on is in vain. Once is an accident. */
const NEAR = 0.3;
const ACCIDENTS = 1;
/** How much shorter the times have to become. */
const GAIN = 0.9;
/** How many values a mean is of. */
const ENOUGH = 8;
/** After so many activities the other way is tried once. */
const TRIAL = 512;

/** The mean of the last values, more or less. */
class Mean {
  value = 0;
  count = 0;

  add(value: number): void {
    if (this.count < ENOUGH) this.count++;
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
  #untilTrial = TRIAL;
  /** How many of the last activities were not near the one before. */
  #far = 0;
  // The times between activities with and without it, in milliseconds.
  #on = new Mean();
  #off = new Mean();

  /** @param now The clock, in milliseconds. */
  constructor(now: () => number = monotonicNow) {
    this.#now = now;
  }

  /** Somebody was ready. */
  active(): void {
    const now = this.#now();
    if (this.#isIdle) {
      this.#learn(now - this.#lastActive);
      this.#isOn = this.#choose();
    }
    this.#isIdle = false;
    this.#lastActive = now;
  }

  /** Somebody was ready, and is done. @returns Whether more is likely to follow at once, so that a look is not in vain. */
  expectsMore(): boolean {
    const isFar = this.#far > ACCIDENTS;
    // Then it waits.
    if (isFar) this.#isIdle = true;
    return !isFar;
  }

  /** Nobody was ready. @returns Whether to look again. */
  idle(): boolean {
    this.#isIdle = true;
    return this.#isOn && this.#now() - this.#lastActive < LONGEST;
  }

  #learn(time: number): void {
    if (time > NEAR) {
      this.#far++;
      return;
    }
    // After a pause it is other traffic than before.
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
