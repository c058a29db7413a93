/**
 * An unbounded first-in, first-out queue of messages that wait.
 *
 * @module
 */

import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SendRequest } from "./callbacks.ts";

/** A message that waits for room, outside the arena. */
export interface WaitingMessage {
  readonly bytes: Uint8Array;
  readonly address: EncodedAddress | undefined;
  readonly request: SendRequest | undefined;
  readonly controls: EncodedControls | undefined;
}

/** The fewest removed entries for which the array is compacted. */
const MIN_TAKEN = 1024;

/** A queue whose first entries can be read before they are removed. */
export class MessageQueue<Entry> {
  #entries: (Entry | undefined)[] = [];
  /** The index of the first entry. */
  #head = 0;

  /** The number of entries. */
  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Adds an entry at the end. */
  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** The entry at `index`, counted from the first, if there is one. */
  at(index: number): Entry | undefined {
    return this.#entries[this.#head + index];
  }

  /**
   * Removes the entries for which `isDone` returns true. It is called once for each, in order. If it throws, that entry
   * and those after it stay.
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

  /** Removes up to `count` entries from the front. */
  drop(count: number): void {
    const end = Math.min(this.#head + count, this.#entries.length);
    // Removed entries must not be kept alive.
    while (this.#head < end) this.#entries[this.#head++] = undefined;
    // Moving the rest at each removal would take time proportional to the queue's length.
    if (this.#head < MIN_TAKEN || this.#head < this.#entries.length / 2) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
