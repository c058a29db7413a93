/**
 * Several messages as the kernel takes them, and gives them, in one payload.
 *
 * @module
 */

/** Whether the kernel may be handed such payloads, and hand them out. */
export interface Offload {
  readonly gso: boolean;
  readonly gro: boolean;
}

/** Each datagram alone, both ways. */
export const NO_OFFLOAD: Offload = { gso: false, gro: false };

/** Messages that lie one behind the other, all of one size but for the last, which may be shorter. */
export class Segments {
  readonly bytes: Uint8Array;
  /** That size. */
  readonly size: number;
  /** How many messages there are, at least 1. */
  readonly count: number;

  constructor(bytes: Uint8Array, size: number, count: number) {
    this.bytes = bytes;
    this.size = size;
    this.count = count;
  }

  /** Each message, in place. */
  messages(): Uint8Array[] {
    return Array.from({ length: this.count }, (_, i) => this.bytes.subarray(i * this.size, (i + 1) * this.size));
  }

  /** The same in memory of their own. */
  copy(): Segments {
    return new Segments(this.bytes.slice(), this.size, this.count);
  }
}
