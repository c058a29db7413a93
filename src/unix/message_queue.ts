/**
 * Messages that wait, first in first out, in any number.
 *
 * @module
 */

/** Entries taken at least before the room in front of the rest is given up. */
const MIN_TAKEN = 1024;

/** A queue that gives entries out on trial: those that were of no use come back to its front. */
export class MessageQueue<Entry> {
  #entries: Entry[] = [];
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

  /** Takes as many as there are, but no more than `count`, from the front. */
  take(count: number): Entry[] {
    const taken = this.#entries.slice(this.#head, this.#head + count);
    this.#head += taken.length;
    return taken;
  }

  /** Puts the last of what was taken last back in front of the others. */
  putBack(entries: readonly Entry[]): void {
    this.#head -= entries.length;
    for (const [i, entry] of entries.entries()) this.#entries[this.#head + i] = entry;
    // A shift for each entry would cost as much as the queue is long.
    if (this.#head < MIN_TAKEN || this.#head < this.#entries.length / 2) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
