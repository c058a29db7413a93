/**
 * When the callbacks of `send()` are called that Node calls two ticks later: those of one turn together.
 *
 * @module
 */
import { nextTick } from "../ffi/process.ts";

/** One callback. */
export interface DueCallback {
  /** Whether it is still wanted after the first tick. */
  isWanted(): boolean;
  /** Calls it. */
  report(): void;
}

/** The callbacks of one thread. A tick for each would take as long as all else that sending takes. */
export class SendCallbacks {
  /** Those that wait for the first tick. */
  #group: DueCallback[] | undefined;

  /** Has one called at the tick after the next, behind those that were added before. */
  add(callback: DueCallback): void {
    if (this.#group) {
      this.#group.push(callback);
    } else {
      nextTick(this.#firstTick);
      this.#group = [callback];
    }
  }

  readonly #firstTick = (): void => {
    const group = this.#group!;
    this.#group = undefined;
    let count = 0;
    for (const callback of group) if (callback.isWanted()) group[count++] = callback;
    group.length = count;
    if (count > 0) nextTick(report, group, 0);
  };
}

/** If one throws, the others follow in a tick of their own. */
function report(callbacks: readonly DueCallback[], first: number): void {
  let next = first;
  try {
    while (next < callbacks.length) callbacks[next++].report();
  } finally {
    if (next < callbacks.length) nextTick(report, callbacks, next);
  }
}
