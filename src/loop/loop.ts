/**
 * The poll loop of one JavaScript thread: which sockets are ready, in fair turns, and whether any keeps the process alive.
 *
 * @module
 */
import { FAULTY, type InterestSet, READABLE, WRITABLE } from "../../ffi/poll/interest_set.ts";
import { openInterestSet } from "../../ffi/poll/open_interest_set.ts";
import type { Waiter } from "../../ffi/poll/waiter.ts";
import type { Runtime } from "../../ffi/runtime.ts";
import { clearTimeout, now, setImmediate, setTimeout } from "../../ffi/runtimes/process.ts";
import { Spin } from "./spin.ts";
import { TurnBudget } from "./turn_budget.ts";

/** What a socket does when it is its turn. All do one piece of work, after which ticks and promise jobs run. */
export interface Watcher {
  /** The descriptor, until {@linkcode PollLoop.end}. */
  readonly fd: number;
  /** The loop's: 0 while it is not watched, as at first. */
  token: number;
  /** There is data, or an error to fetch. @returns Whether something was done and there may be more. */
  onReadable(): boolean;
  /** There is room to send. */
  onWritable(): void;
  /** There is an error, or something on the error queue. Comes before the other two. @returns As `onReadable`. */
  onFaulty(): boolean;
  /** The turn is over though there may be more. @returns Whether there is more that the kernel does not know of. */
  onTurnOver(): boolean;
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

/** Whose turn it is, and what for. */
interface Due {
  readonly watcher: Watcher;
  readiness: number;
  /** Whether it has done anything in this turn. */
  worked: boolean;
}

/** Turns in a row in which a watcher that is ready may do nothing. Others may have been faster, if they share the descriptor. */
const MAX_IDLE_TURNS = 8;
/** How long one that goes on like that is left alone at most, in milliseconds. */
const LONGEST_SUSPENSION = 1024;

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
  /** Those that are ready, and the index of the one whose turn it is. */
  readonly #due: Due[] = [];
  #turn = 0;
  /** Those that get a turn in any case. */
  #requested = new Map<Watcher, number>();
  /** Those that are watched for room, too: few. */
  readonly #writable = new Set<Watcher>();
  /** How often one was ready in a row and could do nothing. */
  readonly #idleTurns = new Map<Watcher, number>();
  /** Those that are out of the set for some time, with the timers that put them back. */
  readonly #suspended = new Map<Watcher, ReturnType<typeof setTimeout>>();
  /** Turns are under way, perhaps with ticks in between. */
  #running = false;
  /** Whether the last look found anybody. */
  #wasActive = false;
  readonly #budget: TurnBudget;
  #lookScheduled = false;
  readonly #spin: Spin;

  /** @param clock In milliseconds: what turns are measured by. */
  constructor(runtime: Runtime, clock: () => number = now) {
    this.#runtime = runtime;
    this.#budget = new TurnBudget(clock);
    this.#spin = new Spin(clock);
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
    if (token === 0) return;
    if (writable) this.#writable.add(watcher);
    else this.#writable.delete(watcher);
    if (!this.#suspended.has(watcher)) this.#open!.set.modify(fd, token, this.#interestOf(watcher));
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
    const timer = this.#suspended.get(watcher);
    if (timer) clearTimeout(timer);
    else this.#open?.set.remove(fd);
    this.#suspended.delete(watcher);
    this.#requested.delete(watcher);
    this.#writable.delete(watcher);
    this.#idleTurns.delete(watcher);
    if (this.#count === 0) this.#open?.waiter.park();
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
    if (linger > 0) this.#unusedSince = now();
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
    const left = linger > 0 ? this.#unusedSince + linger - now() : 0;
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

  /** Gives a watcher another turn soon, for what it has, whether or not the set finds it ready. */
  requestTurn(watcher: Watcher, readiness: number): void {
    this.#watchIfLate(watcher);
    if (watcher.token === 0) return;
    this.#requested.set(watcher, (this.#requested.get(watcher) ?? 0) | readiness);
    if (!this.#running) this.#lookAgain();
  }

  /** Asks who is ready and gives everyone a turn. */
  #look(): void {
    if (!this.#open || this.#running) return;
    const { set } = this.#open;
    const requested = this.#requested;
    if (requested.size > 0) this.#requested = new Map();
    const found = set.collect();
    for (let i = 0; i < found; i++) {
      const watcher = this.#watchers[set.tokenAt(i)];
      if (!watcher) continue;
      this.#due.push({ watcher, readiness: set.readinessAt(i) | (requested.get(watcher) ?? 0), worked: false });
      requested.delete(watcher);
    }
    for (const [watcher, readiness] of requested) this.#due.push({ watcher, readiness, worked: false });
    requested.clear();
    this.#wasActive = this.#due.length > 0;
    if (!this.#wasActive) return this.#endTurns();
    this.#spin.active();
    this.#running = true;
    this.#budget.start();
    this.#runtime.runSteps(this.#step);
  }

  /** One piece of somebody's work. @returns Whether there is more, of anybody. */
  readonly #step = (): boolean => {
    for (let due: Due | undefined = this.#due[this.#turn]; due; due = this.#nextTurn()) {
      if (this.#work(due)) return due.worked = true;
      this.#judge(due);
    }
    this.#endTurns();
    return false;
  };

  #nextTurn(): Due | undefined {
    this.#budget.start();
    return this.#due[++this.#turn];
  }

  /** @returns Whether something was done: then ticks and promise jobs are to run. False: the turn is over. */
  #work(due: Due): boolean {
    const { watcher } = due;
    // Asked each time: the socket may have been closed in another one's turn, or in its own.
    if (watcher.token === 0) return false;
    if (due.readiness & FAULTY) {
      if (watcher.onFaulty()) return this.#goOn(due);
      due.readiness &= ~FAULTY;
    }
    if (due.readiness & WRITABLE) {
      due.readiness &= ~WRITABLE;
      watcher.onWritable();
      return true;
    }
    return (due.readiness & READABLE) !== 0 && watcher.onReadable() && this.#goOn(due);
  }

  /** @returns True, as something was done. Once the time is up, what the watcher has left follows in another turn. */
  #goOn(due: Due): true {
    if (!this.#budget.isSpent()) return true;
    const { watcher, readiness } = due;
    due.readiness = 0;
    if (watcher.token > 0 && watcher.onTurnOver()) this.requestTurn(watcher, readiness);
    return true;
  }

  /** A descriptor that is ready for good and has nothing to give must not keep the processor busy. */
  #judge({ watcher, worked }: Due): void {
    if (worked || watcher.token === 0) return void this.#idleTurns.delete(watcher);
    const turns = (this.#idleTurns.get(watcher) ?? 0) + 1;
    this.#idleTurns.set(watcher, turns);
    if (turns >= MAX_IDLE_TURNS) this.#suspend(watcher, Math.min(2 ** (turns - MAX_IDLE_TURNS), LONGEST_SUSPENSION));
  }

  /** Takes a watcher out of the set for some milliseconds. It keeps the process alive as before. */
  #suspend(watcher: Watcher, delay: number): void {
    const timer = setTimeout(() => {
      this.#suspended.delete(watcher);
      this.#open?.set.add(watcher.fd, watcher.token, this.#interestOf(watcher));
    }, delay);
    timer.unref();
    this.#open!.set.remove(watcher.fd);
    this.#suspended.set(watcher, timer);
  }

  #interestOf(watcher: Watcher): number {
    return this.#writable.has(watcher) ? READABLE | WRITABLE : READABLE;
  }

  #endTurns(): void {
    this.#due.length = this.#turn = 0;
    this.#running = false;
    // Unreferenced, only the waiter will do: Node runs an immediate that keeps nothing alive when something else wakes it.
    const looksAgain = this.#isReferenced && (this.#wasActive || this.#spin.idle());
    if (looksAgain || this.#requested.size > 0) this.#lookAgain();
    else this.#open?.waiter.arm();
  }

  /** After activity more is likely to follow: one look costs less than a wake-up. Everything else has its turn in between. */
  #lookAgain(): void {
    if (this.#lookScheduled || !this.#open) return;
    this.#lookScheduled = true;
    setImmediate(() => {
      this.#lookScheduled = false;
      this.#look();
    });
  }
}
