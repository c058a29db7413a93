/**
 * Made-up values that can be made again: each case of a run has a generator of its own, seeded by the run's seed and its number.
 *
 * @module
 */
import { randomIntegers } from "../support/random.ts";

/** What one case is made of. */
export class Random {
  /** An integer from 0 up to `below`. */
  readonly below: (below: number) => number;

  constructor(seed: number, number: number) {
    this.below = randomIntegers(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
    // The first values of neighbouring seeds are alike.
    this.below(2);
  }

  /** Whether something with a chance of one in `of` happens. */
  oneIn(of: number): boolean {
    return this.below(of) === 0;
  }

  /** One of the values. */
  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)] as Value;
  }

  /** Bytes, some of them in runs: zeros and ones come by chance far too rarely. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    this.fill(bytes);
    return bytes;
  }

  /** The same in place. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const kind = this.below(8);
      bytes[i] = kind < 3 ? 0 : kind === 3 ? 1 : kind === 4 ? 0xff : this.below(256);
    }
  }

  /** A number of 32 bits, in which limits are frequent. */
  word(): number {
    return this.pick([
      0,
      1,
      2,
      4,
      15,
      16,
      17,
      0x7fffffff,
      0x80000000,
      0xffffffff,
      this.below(300),
      this.below(2 ** 32),
    ]);
  }
}
