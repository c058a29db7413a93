/**
 * Caches that stay small and forget what is no longer so: each is emptied when it is full, and when what its entries were made from has
 * changed.
 *
 * Emptied whole, and not entry by entry: then a cache that is used needs no order, and one comparison says that all of it still holds.
 *
 * @module
 */

/** What entries are made from: another revision means that none of them holds any longer. */
export interface Revised {
  readonly revision: number;
}

/** What never changes. */
const CONSTANT: Revised = { revision: 0 };

/** At most so many values by their keys. */
export class BoundedCache<Key, Value> {
  readonly #limit: number;
  readonly #source: Revised;
  #revision: number;
  readonly #values = new Map<Key, Value>();

  /**
   * @param limit The most entries. Beyond that all are forgotten.
   * @param source What they are made from.
   */
  constructor(limit: number, source: Revised = CONSTANT) {
    this.#limit = limit;
    this.#source = source;
    this.#revision = source.revision;
  }

  /** The value of a key, if it is remembered. */
  get(key: Key): Value | undefined {
    if (this.#source.revision !== this.#revision) this.#clear();
    return this.#values.get(key);
  }

  /** Remembers a value that holds now. */
  set(key: Key, value: Value): void {
    if (this.#source.revision !== this.#revision || this.#values.size >= this.#limit) this.#clear();
    this.#values.set(key, value);
  }

  #clear(): void {
    this.#revision = this.#source.revision;
    this.#values.clear();
  }
}

/** At most so many values by pairs of keys. To ask for the same pair again and again costs no look-up. */
export class BoundedPairCache<First, Second, Value> {
  readonly #limit: number;
  readonly #source: Revised;
  #revision: number;
  readonly #values = new Map<First, Map<Second, Value>>();
  #count = 0;
  // The pair that was asked for last.
  #first: First | undefined;
  #second: Second | undefined;
  #last: Value | undefined;

  /** As of {@linkcode BoundedCache}. */
  constructor(limit: number, source: Revised = CONSTANT) {
    this.#limit = limit;
    this.#source = source;
    this.#revision = source.revision;
  }

  /** The value of a pair, if it is remembered. */
  get(first: First, second: Second): Value | undefined {
    if (this.#source.revision !== this.#revision) this.#clear();
    if (second === this.#second && first === this.#first) return this.#last;
    const value = this.#values.get(first)?.get(second);
    if (value !== undefined) this.#setLast(first, second, value);
    return value;
  }

  /** Remembers a value that holds now. */
  set(first: First, second: Second, value: Value): void {
    if (this.#source.revision !== this.#revision || this.#count >= this.#limit) this.#clear();
    const values = this.#values.get(first) ?? new Map<Second, Value>();
    if (!values.has(second)) this.#count++;
    this.#values.set(first, values.set(second, value));
    this.#setLast(first, second, value);
  }

  #clear(): void {
    this.#revision = this.#source.revision;
    this.#values.clear();
    this.#count = 0;
    this.#last = undefined;
  }

  #setLast(first: First, second: Second, value: Value): void {
    this.#first = first;
    this.#second = second;
    this.#last = value;
  }
}
