/**
 * The poll loop of one JavaScript thread: which sockets are ready, in fair turns, and whether any keeps the process alive.
 *
 * @module
 */
import { setImmediate, setTimeout } from "node:timers";
import { FAULTY, type InterestSet, READABLE, WRITABLE } from "../ffi/poll/interest_set.ts";
import { openInterestSet } from "../ffi/poll/open_interest_set.ts";
import type { Waiter } from "../ffi/poll/waiter.ts";
import type { Runtime } from "../ffi/runtime.ts";
import { Spin } from "./spin.ts";

/** What a socket does when it is its turn. All take a bounded amount of work and come again while there is more. */
export interface Watcher {
  /** The descriptor, until {@linkcode PollLoop.end}. */
  readonly fd: number;
  /** The loop's: 0 while it is not watched, as at first. */
  token: number;
  /** There is data, or an error to fetch. */
  onReadable(): void;
  /** There is room to send. */
  onWritable(): void;
  /** There is an error, or something on the error queue. Comes before the other two. */
  onFaulty(): void;
}

/** What is watched in a while. */
export interface LateWatcher extends Watcher {
  /** It is watched. */
  onWatched(): void;
  /** It can't be watched, for now. @param errno As EMFILE. May throw what a listener throws. */
  onUnwatched(errno: number): void;
}

/** How long it takes until what could not be watched is tried again, in milliseconds. */
const RETRY = 100;

/** A loop with its interest set open. It stays so for a moment after the last watch has ended. */
interface OpenSet {
  readonly set: InterestSet;
  readonly waiter: Waiter;
}

/** The loop. It holds nothing, no descriptor and no thread, a moment after the last watch has ended. */
export class PollLoop {
  readonly #runtime: Runtime;
  /** By their tokens. There may be ten thousand: a Map would take three times as much. */
  readonly #watchers: (Watcher | undefined)[] = [undefined];
  readonly #freeTokens: number[] = [];
  #count = 0;
  /** Those that do not keep the process alive: few. */
  readonly #unreferenced = new Set<Watcher>();
  /** Whether the others, if any, have the waiter keep it alive. */
  #isReferenced = false;
  #open: OpenSet | undefined;
  /** Those to be watched from the next turn of the event loop on, in order. */
  readonly #late = new Set<LateWatcher>();
  /** Those among them that could not be watched. */
  readonly #unwatched = new Set<LateWatcher>();
  #lateScheduled = false;
  /** When the last watch ended, and whether somebody is going to see to the set's end. */
  #unusedSince = 0;
  #lingers = false;
  /** The open set and those that their waiters have yet to let go of. */
  readonly #sets = new Set<InterestSet>();
  /** Whose turn is due, with what they are ready for. */
  #due: { watcher: Watcher; readiness: number }[] = [];
  #running = false;
  #lookScheduled = false;
  readonly #spin = new Spin();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /**
   * Watches a descriptor for reading.
   *
   * @returns 0, or a negative errno: EEXIST where the descriptor is watched already.
   */
  watch(watcher: Watcher): number {
    const open = this.#open ?? this.#openSet();
    if (typeof open === "number") return open;
    this.#open = open;
    const { set, waiter } = open;
    const token = this.#freeTokens.pop() ?? this.#watchers.length;
    const added = set.add(watcher.fd, token, READABLE);
    if (added < 0) {
      if (token < this.#watchers.length) this.#freeTokens.push(token);
      this.#closeIfUnused();
      return added;
    }
    watcher.token = token;
    this.#watchers[token] = watcher;
    this.#count++;
    this.#updateReference();
    if (!this.#lookScheduled && !this.#running) waiter.arm();
    return 0;
  }

  /**
   * Watches a descriptor from the next turn of the event loop on: a socket that is closed by then costs nothing. Meanwhile it
   * keeps the process alive as if it was watched.
   */
  watchLater(watcher: LateWatcher): void {
    this.#late.add(watcher);
    if (this.#lateScheduled) return;
    this.#lateScheduled = true;
    setImmediate(() => this.#watchLate());
  }

  /** Watches all those at once that are to be watched: one that is refused later would not be told from one that has no room. */
  watchDue(): void {
    for (const watcher of this.#late) if (!this.#unwatched.has(watcher)) this.#watchNow(watcher);
  }

  /** Asks to be told of room to send as well, or no more. */
  setWritable(watcher: Watcher, writable: boolean): void {
    if (writable) this.#watchIfLate(watcher);
    const { fd, token } = watcher;
    if (token > 0) this.#open!.set.modify(fd, token, writable ? READABLE | WRITABLE : READABLE);
  }

  /** While referenced, what is watched keeps the process alive. So it begins. */
  setReferenced(watcher: Watcher, referenced: boolean): void {
    // Node runs an immediate that keeps nothing alive when something else wakes it, and not before.
    if (!referenced) this.#watchIfLate(watcher);
    if (watcher.token === 0) return;
    if (referenced) this.#unreferenced.delete(watcher);
    else this.#unreferenced.add(watcher);
    this.#updateReference();
  }

  /** Watches it no more. To be called before the descriptor is closed; no turn comes afterwards. */
  end(watcher: Watcher): void {
    const { fd, token } = watcher;
    if (token === 0) return this.#forget(watcher);
    watcher.token = 0;
    this.#watchers[token] = undefined;
    this.#freeTokens.push(token);
    this.#count--;
    this.#unreferenced.delete(watcher);
    const { set, waiter } = this.#open!;
    set.remove(fd);
    if (this.#count === 0) waiter.park();
    this.#updateReference();
    this.#closeIfUnused();
  }

  #watchLate(): void {
    this.#lateScheduled = false;
    try {
      for (const watcher of this.#late) this.#watchNow(watcher);
    } finally {
      this.#retry();
    }
  }

  /** Those that could not be watched, and those behind one whose listener threw. */
  #retry(): void {
    if (this.#late.size === 0 || this.#lateScheduled) return;
    this.#lateScheduled = true;
    setTimeout(() => this.#watchLate(), this.#unwatched.size === this.#late.size ? RETRY : 0);
  }

  #watchIfLate(watcher: Watcher): void {
    if (watcher.token === 0 && this.#late.has(watcher as LateWatcher)) this.#watchNow(watcher as LateWatcher);
  }

  #watchNow(watcher: LateWatcher): void {
    const result = this.watch(watcher);
    if (result === 0) {
      this.#forget(watcher);
      watcher.onWatched();
    } else if (!this.#unwatched.has(watcher)) {
      this.#unwatched.add(watcher);
      watcher.onUnwatched(-result);
    }
  }

  #forget(watcher: Watcher): void {
    this.#late.delete(watcher as LateWatcher);
    this.#unwatched.delete(watcher as LateWatcher);
  }

  #openSet(): OpenSet | number {
    const set = openInterestSet(this.#runtime.libc);
    if (typeof set === "number") return set;
    try {
      const waiter = this.#runtime.createWaiter(set, () => this.#look());
      waiter.unref();
      this.#sets.add(set);
      return { set, waiter };
    } catch (error) {
      set.close();
      throw error;
    }
  }

  /** Programs often open the next socket at once. */
  #closeIfUnused(): void {
    if (this.#count > 0 || !this.#open) return;
    const { linger } = this.#open.waiter;
    if (linger > 0) this.#unusedSince = performance.now();
    if (this.#lingers) return;
    this.#lingers = true;
    this.#closeLater(linger);
  }

  #closeLater(linger: number): void {
    if (linger > 0) setTimeout(() => this.#closeIfStillUnused(), linger).unref();
    else setImmediate(() => this.#closeIfStillUnused());
  }

  #closeIfStillUnused(): void {
    this.#lingers = false;
    if (this.#count > 0 || !this.#open) return;
    const { linger } = this.#open.waiter;
    const left = linger > 0 ? this.#unusedSince + linger - performance.now() : 0;
    if (left < 1 && this.#late.size === 0) return this.#close(this.#open);
    this.#lingers = true;
    this.#closeLater(left);
  }

  #close({ set, waiter }: OpenSet): void {
    this.#open = undefined;
    this.#watchers.length = 1;
    this.#freeTokens.length = 0;
    waiter.close(() => {
      this.#sets.delete(set);
      set.close();
    });
  }

  /** Closes the sets, even those that waiters still hold on to: they get no turn any more, as the program ends. */
  closeSets(): void {
    this.#open = undefined;
    for (const set of this.#sets) set.close();
    this.#sets.clear();
  }

  #updateReference(): void {
    const isReferenced = this.#count > this.#unreferenced.size;
    if (isReferenced === this.#isReferenced) return;
    this.#isReferenced = isReferenced;
    if (isReferenced) this.#open?.waiter.ref();
    else this.#open?.waiter.unref();
  }

  /** Asks who is ready and gives everyone a turn. */
  #look(): void {
    if (!this.#open || this.#running) return;
    const { set } = this.#open;
    const found = set.collect();
    for (let i = 0; i < found; i++) {
      const watcher = this.#watchers[set.tokenAt(i)];
      if (watcher) this.#due.push({ watcher, readiness: set.readinessAt(i) });
    }
    this.#takeTurns();
  }

  /** A listener may throw in its turn: then the others' turns follow from the next look, and none is lost. */
  #takeTurns(): void {
    const active = this.#due.length > 0;
    if (active) this.#spin.active();
    this.#running = true;
    try {
      for (let next = this.#due.shift(); next; next = this.#due.shift()) {
        const { watcher, readiness } = next;
        // Asked each time: the socket may have been closed in another one's turn, or in its own.
        if (readiness & FAULTY && watcher.token > 0) watcher.onFaulty();
        if (readiness & WRITABLE && watcher.token > 0) watcher.onWritable();
        if (readiness & READABLE && watcher.token > 0) watcher.onReadable();
      }
    } finally {
      this.#running = false;
      // Unreferenced, only the waiter will do: Node runs an immediate that keeps nothing alive when something else wakes it.
      if (this.#isReferenced && (active || this.#spin.idle())) this.#lookAgain();
      else this.#open?.waiter.arm();
    }
  }

  /** After activity more is likely to follow: one look costs less than a wake-up. Everything else has its turn in between. */
  #lookAgain(): void {
    if (this.#lookScheduled || !this.#open) return;
    this.#lookScheduled = true;
    setImmediate(() => {
      this.#lookScheduled = false;
      if (this.#due.length > 0) this.#takeTurns();
      else this.#look();
    });
  }
}
