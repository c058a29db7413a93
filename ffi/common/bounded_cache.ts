/**
 * Caches of bounded size whose entries expire. A cache is emptied when it is full, and when the source of its entries has changed.
 *
 * It is emptied as a whole. So it needs no order of use, and one comparison shows that all of its entries are still valid.
 *
 * @module
 */

/** The source of entries. If its revision changes, all entries are invalid. */
export interface Revised {
  readonly revision: number;
}

/** A source that never changes. */
const CONSTANT: Revised = { revision: 0 };

/** A bounded number of values by key. */
export class BoundedCache<Key, Value> {
  readonly #limit: number;
  readonly #source: Revised;
  #revision: number;
  readonly #values = new Map<Key, Value>();

  /**
   * @param limit The maximum number of entries. If there would be more, all are forgotten.
   * @param source The source of the entries.
   */
  constructor(limit: number, source: Revised = CONSTANT) {
    this.#limit = limit;
    this.#source = source;
    this.#revision = source.revision;
  }

  /** The value of a key, if it is cached. */
  get(key: Key): Value | undefined {
    if (this.#source.revision !== this.#revision) this.#clear();
    return this.#values.get(key);
  }

  /** Caches a value that is valid now. */
  set(key: Key, value: Value): void {
    if (this.#source.revision !== this.#revision || this.#values.size >= this.#limit) this.#clear();
    this.#values.set(key, value);
  }

  #clear(): void {
    this.#revision = this.#source.revision;
    this.#values.clear();
  }
}

/** A bounded number of values by pairs of keys. Reading the same pair repeatedly costs no lookup. */
export class BoundedPairCache<First, Second, Value> {
  readonly #limit: number;
  readonly #source: Revised;
  #revision: number;
  readonly #values = new Map<First, Map<Second, Value>>();
  #count = 0;
  // The pair that was read last.
  #first: First | undefined;
  #second: Second | undefined;
  #last: Value | undefined;

  /** As of {@linkcode BoundedCache}. */
  constructor(limit: number, source: Revised = CONSTANT) {
    this.#limit = limit;
    this.#source = source;
    this.#revision = source.revision;
  }

  /** The value of a pair, if it is cached. */
  get(first: First, second: Second): Value | undefined {
    const isLast = second === this.#second && first === this.#first && this.#source.revision === this.#revision;
    return isLast ? this.#last : this.#find(first, second);
  }

  #find(first: First, second: Second): Value | undefined {
    if (this.#source.revision !== this.#revision) this.#clear();
    const value = this.#values.get(first)?.get(second);
    if (value !== undefined) this.#setLast(first, second, value);
    return value;
  }

  /** Caches a value that is valid now. */
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
