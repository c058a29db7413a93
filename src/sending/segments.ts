/**
 * Several messages that the kernel sends or receives as one payload.
 *
 * @module
 */

import { ownCopy } from "./payload.ts";

/** Whether to send (GSO) and receive (GRO) coalesced datagrams. */
export interface Offload {
  readonly gso: boolean;
  readonly gro: boolean;
}

/** Each datagram on its own, in both directions. */
export const NO_OFFLOAD: Offload = { gso: false, gro: false };

/** Consecutive messages of one size. The last may be shorter. */
export class Segments {
  readonly bytes: Uint8Array;
  /** The size of each message but the last. */
  readonly size: number;
  /** The number of messages, at least 1. */
  readonly count: number;

  constructor(bytes: Uint8Array, size: number, count: number) {
    this.bytes = bytes;
    this.size = size;
    this.count = count;
  }

  /** Views of each message, not copied. */
  messages(): Uint8Array[] {
    return Array.from({ length: this.count }, (_, i) => this.bytes.subarray(i * this.size, (i + 1) * this.size));
  }

  /** A copy in new memory. */
  copy(): Segments {
    return new Segments(ownCopy(this.bytes), this.size, this.count);
  }
}
