/**
 * Messages that wait, first in first out, in any number.
 *
 * @module
 */

import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SendRequest } from "./callbacks.ts";

/** A message out of the arena, waiting for room. */
export interface WaitingMessage {
  readonly bytes: Uint8Array;
  readonly address: EncodedAddress | undefined;
  readonly request: SendRequest | undefined;
  readonly controls: EncodedControls | undefined;
}

/** Entries taken at least before the room in front of the rest is given up. */
const MIN_TAKEN = 1024;

/** A queue whose first entries can be looked at before they are taken off. */
export class MessageQueue<Entry> {
  #entries: (Entry | undefined)[] = [];
  /** Where the first entry is. */
  #head = 0;

  /** How many wait. */
  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Adds one at the end. */
  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** The entry behind `index` others, if there are as many. */
  at(index: number): Entry | undefined {
    return this.#entries[this.#head + index];
  }

  /**
   * Takes off those that `isDone` says so of, which is asked once about each, in order. If it throws, the entry that it was asked about
   * and those behind it stay.
   */
  removeIf(isDone: (entry: Entry) => boolean): void {
    const entries = this.#entries;
    let [next, kept] = [this.#head, this.#head];
    try {
      for (; next < entries.length; next++) if (!isDone(entries[next]!)) entries[kept++] = entries[next];
    } finally {
      while (next < entries.length) entries[kept++] = entries[next++];
      entries.length = kept;
    }
  }

  /** Takes off as many as there are, but no more than `count`, from the front. */
  drop(count: number): void {
    const end = Math.min(this.#head + count, this.#entries.length);
    // What has left is not to be kept alive.
    while (this.#head < end) this.#entries[this.#head++] = undefined;
    // Moving the rest for each entry would cost as much as the queue is long.
    if (this.#head < MIN_TAKEN || this.#head < this.#entries.length / 2) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
