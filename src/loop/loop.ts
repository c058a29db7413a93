/**
 * The poll loop of one JavaScript thread: finds out which sockets are ready, gives them fair turns, and keeps the process alive while
 * it watches a referenced socket.
 *
 * @module
 */
import { openPoller } from "../../ffi/poll/open_poller.ts";
import { ERROR, isLost, type Poller, READABLE, WRITABLE } from "../../ffi/poll/poller.ts";
import type { Waiter } from "../../ffi/poll/waiter.ts";
import type { Runtime } from "../../ffi/runtime.ts";
import { clearTimeout, now, setImmediate, setTimeout } from "../../ffi/runtimes/process.ts";
import { Spin } from "./spin.ts";
import { TurnBudget } from "./turn_budget.ts";

/** What a socket does in its turn. Each method does one piece of work; then ticks and promise jobs run. */
export interface Watcher {
  /** The descriptor, until {@linkcode PollLoop.end}. */
  readonly fd: number;
  /** Whether {@linkcode Watcher.onError} does anything but note the error. */
  readonly readsErrors?: boolean;
  /** Set by the loop; 0 while the descriptor is not watched. */
  token: number;
  /** There is data or an error to read. @returns Whether something was done and there may be more. */
  onReadable(): boolean;
  /** There is room to send. */
  onWritable(): void;
  /** There is an error, or a message on the error queue. Called before the other two. @returns As `onReadable`. */
  onError(): boolean;
  /** The turn is over although there may be more. @returns Whether there is more that the kernel does not report. */
  onTurnOver(): boolean;
  /**
   * It cannot be watched for now, or was not watched for a moment, as the set was lost: {@linkcode PollLoop}. May throw what a listener
   * throws. @param errno Such as EMFILE or EBADF.
   */
  onUnwatched(errno: number): void;
}

/** A watcher that {@linkcode PollLoop.watchLater} takes. */
export interface LateWatcher extends Watcher {
  /** It is watched now. */
  onWatched(): void;
}

/** After how many milliseconds a watcher that could not be watched, or a set that could not be opened, is tried again. */
const RETRY = 100;

/** Among the reasons for a turn: the watcher has to be told that its set was lost. */
const LOST = 8;

/** A watcher that is ready, and for what. */
interface Due {
  readonly watcher: Watcher;
  readiness: number;
  /** Whether it has done anything in this turn. */
  worked: boolean;
}

/** The number of turns in a row in which a ready watcher may do nothing. If it shares the descriptor, others may have been faster. */
const MAX_IDLE_TURNS = 8;
/** The longest time for which such a watcher is suspended, in milliseconds. */
const LONGEST_SUSPENSION = 1024;

/** The open poller and its waiter. */
interface OpenSet {
  readonly set: Poller;
  readonly waiter: Waiter;
}

/**
 * The loop. Shortly after the last watch has ended it holds no descriptor and no thread.
 *
 * The set may be lost: other code of the process closes its descriptor by mistake, or the kernel refuses to poll it. Then each watcher is
 * told once, and all are put into another set, which reports whatever came meanwhile. If that is lost, too, or cannot be opened, it is
 * tried again and again. A lost set is noticed when it is polled or changed next.
 */
export class PollLoop {
  readonly #runtime: Runtime;
  /** The watchers by token. There may be ten thousand, and a Map would take three times the memory. */
  readonly #watchers: (Watcher | undefined)[] = [undefined];
  readonly #freeTokens: number[] = [];
  #count = 0;
  /** The only watcher, if it is known that there are no others. */
  #only: Watcher | undefined;
  /** Watchers that do not keep the process alive. */
  readonly #unreferenced = new Set<Watcher>();
  /** Whether any other watcher keeps it alive. */
  #isReferenced = false;
  #open: OpenSet | undefined;
  /** Watchers to be added in the next turn of the event loop, in order. */
  readonly #late = new Set<LateWatcher>();
  /** Those of them that could not be watched. */
  readonly #unwatched = new Set<LateWatcher>();
  #lateScheduled = false;
  /** When the last watch ended, and whether closing the set is scheduled. */
  #unusedSince = 0;
  #lingers = false;
  /** The errno with which the last set was lost, and whether no set could be polled since then. */
  #lossErrno = 0;
  #isSetLost = false;
  /** Opens a set again. */
  #reopening: ReturnType<typeof setTimeout> | undefined;
  /** The open set, and sets that a waiter still uses. */
  readonly #sets = new Set<Poller>();
  /** The ready watchers, and the index of the one whose turn it is. */
  readonly #due: Due[] = [];
  #turn = 0;
  /** Watchers that get a turn whether or not the set reports them. */
  #requested = new Map<Watcher, number>();
  /** Watchers that also wait for room. */
  readonly #writable = new Set<Watcher>();
  /** Those that are not read, and what each was ready for meanwhile. */
  readonly #paused = new Map<Watcher, number>();
  /** How many times in a row a watcher was ready and did nothing. */
  readonly #idleTurns = new Map<Watcher, number>();
  /** Suspended watchers, with the timers that put them back into the set. */
  readonly #suspended = new Map<Watcher, ReturnType<typeof setTimeout>>();
  /** Whether the only watcher got its turn without a poll. */
  #isGuessed = false;
  /** Whether turns are under way, perhaps with ticks in between. */
  #running = false;
  /** Whether the last poll found a watcher ready. */
  #wasActive = false;
  readonly #budget: TurnBudget;
  #lookScheduled = false;
  readonly #spin: Spin;

  /** @param clock The clock that measures turns, in milliseconds. */
  constructor(runtime: Runtime, clock: () => number = now) {
    this.#runtime = runtime;
    this.#budget = new TurnBudget(clock);
    this.#spin = new Spin(clock);
  }

  /**
   * Watches a descriptor for reading.
   *
   * @returns 0, or a negative errno: EEXIST if the descriptor is watched already.
   */
  watch(watcher: Watcher): number {
    const open = this.#open ?? this.#openSet();
    if (typeof open === "number") return open;
    const token = this.#freeTokens.pop() ?? this.#watchers.length;
    let added = open.set.add(watcher.fd, token, READABLE);
    if (this.#isOfLostSet(added) && this.#open) added = this.#open.set.add(watcher.fd, token, READABLE);
    if (added < 0) {
      if (token < this.#watchers.length) this.#freeTokens.push(token);
      this.#closeIfUnused();
      return added;
    }
    watcher.token = token;
    this.#watchers[token] = watcher;
    this.#count++;
    this.#only = undefined;
    this.#updateReference();
    if (!this.#lookScheduled && !this.#running) this.#open?.waiter.arm();
    return 0;
  }

  /**
   * Whether a descriptor is watched, but not in the set, as its watcher is paused or suspended. Then {@linkcode PollLoop.watch} would not
   * return EEXIST.
   */
  isPutAside(fd: number): boolean {
    for (const watchers of [this.#paused, this.#suspended]) {
      for (const watcher of watchers.keys()) if (watcher.fd === fd) return true;
    }
    return false;
  }

  /**
   * Watches a descriptor from the next turn of the event loop on, so that a socket that is closed by then costs nothing. Until then
   * it keeps the process alive as if it were watched.
   */
  watchLater(watcher: LateWatcher): void {
    this.#late.add(watcher);
    if (this.#lateScheduled) return;
    this.#lateScheduled = true;
    setImmediate(() => this.#watchLate());
  }

  /** The number of watchers. */
  get watched(): number {
    return this.#count;
  }

  /** Adds all watchers of {@linkcode PollLoop.watchLater} now. Afterwards EEXIST means that a descriptor is another socket's. */
  watchDue(): void {
    for (const watcher of this.#late) if (!this.#unwatched.has(watcher)) this.#watchNow(watcher);
  }

  /**
   * Starts or stops waiting for room to send.
   *
   * @returns False if it does not wait, because it is not watched or the kernel refuses. If the kernel refuses to stop, the watcher is
   * suspended like others that are ready and do nothing.
   */
  setWritable(watcher: Watcher, writable: boolean): boolean {
    if (writable) this.#watchIfLate(watcher);
    if (watcher.token === 0) return !writable;
    const before = this.#interestOf(watcher);
    if (writable) this.#writable.add(watcher);
    else this.#writable.delete(watcher);
    if (this.#changeInterest(watcher, before) >= 0) return true;
    if (writable) this.#writable.delete(watcher);
    return !writable;
  }

  /**
   * Stops or resumes reading of data and errors. Whether the watcher keeps the process alive does not change. It keeps what it has
   * already received: {@linkcode Watcher.onTurnOver}.
   */
  setPaused(watcher: Watcher, paused: boolean): void {
    if (watcher.token === 0 || this.#paused.has(watcher) === paused) return;
    const before = this.#interestOf(watcher);
    const missed = this.#paused.get(watcher) ?? 0;
    if (paused) this.#paused.set(watcher, 0);
    else this.#paused.delete(watcher);
    this.#changeInterest(watcher, before);
    // It may have something that the kernel does not report.
    if (!paused) this.requestTurn(watcher, READABLE | missed);
  }

  /** Sets whether the watcher keeps the process alive. By default it does. */
  setReferenced(watcher: Watcher, referenced: boolean): void {
    // Node runs an unreferenced immediate only when something else wakes it.
    if (!referenced) this.#watchIfLate(watcher);
    if (watcher.token === 0) return;
    if (referenced) this.#unreferenced.delete(watcher);
    else this.#unreferenced.add(watcher);
    this.#updateReference();
  }

  /** Stops watching. Must be called before the descriptor is closed; the watcher gets no turn afterwards. */
  end(watcher: Watcher): void {
    const { fd, token } = watcher;
    if (token === 0) return this.#forget(watcher);
    const timer = this.#suspended.get(watcher);
    if (timer) clearTimeout(timer);
    else if (this.#interestOf(watcher) !== 0) this.#open?.set.remove(fd);
    this.#suspended.delete(watcher);
    this.#unreferenced.delete(watcher);
    this.#requested.delete(watcher);
    this.#writable.delete(watcher);
    this.#paused.delete(watcher);
    this.#idleTurns.delete(watcher);
    this.#freeTokens.push(token);
    this.#watchers[token] = undefined;
    this.#count--;
    this.#only = undefined;
    // Last: until here it can be called again if something throws.
    watcher.token = 0;
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

  /** Schedules another try for those that could not be watched, and for those after one whose listener threw. */
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

  /** Opens a set, and puts all watchers into it: there are some if the last set was lost. */
  #openSet(): OpenSet | number {
    const set = openPoller(this.#runtime.libc);
    if (typeof set === "number") return set;
    try {
      const waiter = this.#runtime.createWaiter(set, () => this.#look(true));
      if (!this.#isReferenced) waiter.unref();
      this.#sets.add(set);
      this.#open = { set, waiter };
    } catch (error) {
      set.close();
      throw error;
    }
    for (const watcher of this.#watchers) if (watcher) this.#changeInterest(watcher, 0);
    if (this.#requested.size > 0) this.#lookAgain();
    return this.#open;
  }

  /** Polls. @returns How many watchers are ready: none if the set was lost. */
  #collect(set: Poller): number {
    const found = set.collect();
    if (found < 0) this.#lose(-found);
    else this.#isSetLost = false;
    return Math.max(found, 0);
  }

  /** Whether a change of the set has failed because the set was lost. If so, it is reopened if possible. */
  #isOfLostSet(result: number): boolean {
    if (!this.#open || !isLost(this.#runtime.libc.abi, result)) return false;
    const { set } = this.#open;
    this.#collect(set);
    return this.#open?.set !== set;
  }

  /** The set cannot be polled. */
  #lose(errno: number): void {
    this.#release(this.#open!);
    if (this.#count === 0) return;
    const isFirst = !this.#isSetLost;
    this.#isSetLost = true;
    if (!isFirst) return this.#reopenLater();
    this.#lossErrno = errno;
    for (const watcher of this.#watchers) if (watcher) this.#request(watcher, LOST);
    this.#reopen();
  }

  /** Opens a set again if there is none. */
  #reopen(): void {
    if (this.#open || this.#count === 0) return;
    try {
      if (typeof this.#openSet() !== "number") return;
    } catch {
      // There is no waiter for now.
    }
    this.#reopenLater();
  }

  #reopenLater(): void {
    this.#reopening ??= setTimeout(() => {
      this.#reopening = undefined;
      this.#reopen();
      // It shows whether the set can be polled.
      this.#lookAgain();
    }, RETRY);
    if (!this.#isReferenced) this.#reopening.unref();
  }

  /** Schedules closing the set. It is not closed at once, as programs often open the next socket right away. */
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

  #close(open: OpenSet): void {
    this.#watchers.length = 1;
    this.#freeTokens.length = 0;
    this.#release(open);
  }

  #release({ set, waiter }: OpenSet): void {
    this.#open = undefined;
    waiter.close(() => {
      this.#sets.delete(set);
      set.close();
    });
  }

  /** Closes all sets, also those that a waiter still uses: the program ends, and no turn follows. */
  closeSets(): void {
    this.#open = undefined;
    if (this.#reopening) clearTimeout(this.#reopening);
    for (const set of this.#sets) set.close();
    this.#sets.clear();
  }

  #updateReference(): void {
    const isReferenced = this.#count > this.#unreferenced.size;
    if (isReferenced === this.#isReferenced) return;
    this.#isReferenced = isReferenced;
    for (const one of [this.#open?.waiter, this.#reopening]) {
      if (isReferenced) one?.ref();
      else one?.unref();
    }
  }

  /** Gives a watcher another turn soon, whether or not the set reports it as ready. */
  requestTurn(watcher: Watcher, readiness: number): void {
    this.#watchIfLate(watcher);
    if (watcher.token === 0) return;
    this.#request(watcher, readiness);
    if (!this.#running) this.#lookAgain();
  }

  #request(watcher: Watcher, readiness: number): void {
    this.#requested.set(watcher, (this.#requested.get(watcher) ?? 0) | readiness);
  }

  /**
   * Polls, and gives each ready watcher a turn.
   *
   * @param isReady Whether the waiter says that a watcher is ready. If there is only one, it need not be asked which.
   */
  #look(isReady = false): void {
    if (!this.#open || this.#running) return;
    const only = isReady ? this.#onlyReader() : undefined;
    this.#isGuessed = only !== undefined;
    if (only) this.#due.push({ watcher: only, readiness: READABLE, worked: false });
    else this.#collectDue(this.#open.set);
    this.#wasActive = this.#due.length > 0;
    if (!this.#wasActive) return this.#endTurns();
    this.#spin.recordActivity();
    this.#running = true;
    this.#budget.start();
    this.#runtime.runSteps(this.#step);
  }

  /** The only watcher, if all it can be ready for is to be read. */
  #onlyReader(): Watcher | undefined {
    const others = this.#requested.size + this.#writable.size + this.#paused.size + this.#suspended.size;
    if (this.#count !== 1 || others > 0) return undefined;
    const only = this.#only ??= this.#watchers.find((watcher) => watcher !== undefined)!;
    return only.readsErrors ? undefined : only;
  }

  #collectDue(set: Poller): void {
    const found = this.#collect(set);
    const requested = this.#requested;
    if (requested.size > 0) this.#requested = new Map();
    for (let i = 0; i < found; i++) {
      const watcher = this.#watchers[set.tokenAt(i)];
      if (!watcher) continue;
      this.#due.push({ watcher, readiness: set.readinessAt(i) | (requested.get(watcher) ?? 0), worked: false });
      requested.delete(watcher);
    }
    for (const [watcher, readiness] of requested) this.#due.push({ watcher, readiness, worked: false });
    requested.clear();
  }

  /** One piece of work of one watcher. @returns Whether any watcher has more. */
  readonly #step = (): boolean => {
    for (let due: Due | undefined = this.#due[this.#turn]; due; due = this.#nextTurn()) {
      if (this.#work(due)) return due.worked = true;
      if (this.#isGuessed && !due.worked) this.#correct();
      else this.#judge(due);
    }
    this.#endTurns();
    return false;
  };

  #nextTurn(): Due | undefined {
    this.#budget.start();
    return this.#due[++this.#turn];
  }

  /** The only watcher had nothing to read. What it is ready for instead, a poll tells. */
  #correct(): void {
    this.#isGuessed = false;
    this.#due.length = 0;
    this.#turn = -1;
    if (this.#open) this.#collectDue(this.#open.set);
    this.#wasActive = this.#due.length > 0;
  }

  /** @returns Whether something was done, so that ticks and promise jobs have to run. If not, the turn is over. */
  #work(due: Due): boolean {
    const { watcher } = due;
    // Checked each time, as the socket may have been closed in another socket's turn or in its own.
    if (watcher.token === 0) return false;
    if (due.readiness & LOST) {
      due.readiness &= ~LOST;
      watcher.onUnwatched(this.#lossErrno);
      return true;
    }
    if (this.#paused.has(watcher)) return this.#workPaused(due);
    if (due.readiness & ERROR) {
      if (watcher.onError()) return this.#goOn(due);
      due.readiness &= ~ERROR;
    }
    if (due.readiness & WRITABLE) {
      due.readiness &= ~WRITABLE;
      if (this.#writable.has(watcher)) {
        watcher.onWritable();
        return true;
      }
    }
    return (due.readiness & READABLE) !== 0 && watcher.onReadable() && this.#goOn(due);
  }

  /** One that is not read has room to send at most. As with libuv, an error is room: sending fails with it. */
  #workPaused(due: Due): boolean {
    const { watcher, readiness } = due;
    due.readiness = 0;
    this.#paused.set(watcher, this.#paused.get(watcher)! | (readiness & ERROR));
    watcher.onTurnOver();
    if ((readiness & (WRITABLE | ERROR)) === 0 || !this.#writable.has(watcher)) return false;
    watcher.onWritable();
    return true;
  }

  /** Ends the turn if its time is over; then the rest follows in another turn. @returns True, as something was done. */
  #goOn(due: Due): true {
    if (!this.#budget.isSpent()) return true;
    const { watcher, readiness } = due;
    due.readiness = 0;
    if (watcher.token > 0 && watcher.onTurnOver()) this.requestTurn(watcher, readiness);
    return true;
  }

  /** Suspends a watcher that is always ready and never does anything, as it would keep the processor busy. */
  #judge({ watcher, worked }: Due): void {
    if (worked || watcher.token === 0) return void this.#idleTurns.delete(watcher);
    const turns = (this.#idleTurns.get(watcher) ?? 0) + 1;
    this.#idleTurns.set(watcher, turns);
    if (turns >= MAX_IDLE_TURNS) this.#suspend(watcher, Math.min(2 ** (turns - MAX_IDLE_TURNS), LONGEST_SUSPENSION));
  }

  /** Takes a watcher out of the set for some milliseconds. Whether it keeps the process alive does not change. */
  #suspend(watcher: Watcher, delay: number): void {
    this.#putBackIn(watcher, delay);
    if (this.#interestOf(watcher) !== 0) this.#open?.set.remove(watcher.fd);
  }

  #putBackIn(watcher: Watcher, delay: number): void {
    const timer = setTimeout(() => {
      this.#suspended.delete(watcher);
      this.#changeInterest(watcher, 0);
    }, delay);
    timer.unref();
    this.#suspended.set(watcher, timer);
  }

  /** 0: it is not in the set, which would tell of its errors all the time. */
  #interestOf(watcher: Watcher): number {
    return (this.#paused.has(watcher) ? 0 : READABLE) | (this.#writable.has(watcher) ? WRITABLE : 0);
  }

  /** @returns A negative errno if the kernel refuses, and it is not tried again. */
  #changeInterest(watcher: Watcher, before: number): number {
    const interest = this.#interestOf(watcher);
    if (this.#suspended.has(watcher) || !this.#open || interest === before) return 0;
    const { set } = this.#open;
    const { fd, token } = watcher;
    if (before === 0) {
      // The kernel has no room, for now.
      if (set.add(fd, token, interest) < 0) this.#putBackIn(watcher, RETRY);
      return 0;
    }
    if (interest === 0) {
      set.remove(fd);
      return 0;
    }
    const result = set.modify(fd, token, interest);
    // All are in another set then, as they are to be.
    return this.#isOfLostSet(result) ? 0 : result;
  }

  #endTurns(): void {
    this.#due.length = this.#turn = 0;
    this.#running = false;
    // If unreferenced, use the waiter: Node runs an unreferenced immediate only when something else wakes it.
    const looksAgain = this.#isReferenced && (this.#wasActive ? this.#spin.expectsMore() : this.#spin.shouldSpin());
    if (looksAgain || this.#requested.size > 0) this.#lookAgain();
    else this.#open?.waiter.arm();
  }

  /** Polls again in the next turn of the event loop: after activity more is likely, and a poll costs less than a wake-up. */
  #lookAgain(): void {
    if (this.#lookScheduled || !this.#open) return;
    this.#lookScheduled = true;
    setImmediate(() => {
      this.#lookScheduled = false;
      this.#look();
    });
  }
}
