/**
 * What has come and what is waited for, in order.
 *
 * @module
 */

/** How long to wait for what must come, in milliseconds. */
const PATIENCE = 30_000;

/** A promise that rejects where it is not settled within that time. */
export function patiently<T>(what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${PATIENCE} ms: ${what}`)), PATIENCE);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

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

  /** The next letter that has not been asked for yet. Rejects where none comes for long. */
  next(): Promise<T> {
    if (this.#letters.length > 0) return Promise.resolve(this.#letters.shift()!);
    return patiently("a letter", new Promise((resolve) => this.#readers.push(resolve)));
  }
}
