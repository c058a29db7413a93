/**
 * What has come and what is waited for, in order.
 *
 * @module
 */

/** Letters in, letters out: whichever comes first waits for the other. */
export class Mailbox<T> {
  readonly #letters: T[] = [];
  readonly #readers: ((letter: T) => void)[] = [];

  /** Hands a letter to who waits for one, or keeps it. */
  put(letter: T): void {
    const reader = this.#readers.shift();
    if (reader) reader(letter);
    else this.#letters.push(letter);
  }

  /** The next letter that has not been asked for yet. */
  next(): Promise<T> {
    if (this.#letters.length > 0) return Promise.resolve(this.#letters.shift()!);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  /** Takes the letters that are there. */
  take(): T[] {
    return this.#letters.splice(0);
  }
}
