/**
 * A poll loop without descriptors: epoll(7) whose members are ready when a test says so, a waiter that a test fires, and steps that run
 * at once.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Poller } from "../../ffi/poll/poller.ts";
import type { Waiter } from "../../ffi/poll/waiter.ts";
import type { Runtime } from "../../ffi/runtime.ts";
import type { LateWatcher } from "../../src/loop/loop.ts";
import { LINUX, ScriptedLibc } from "./scripted_libc.ts";

const { errno, linux } = LINUX;
const { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, epoll_event } = linux!;

/** What a member of the set is watched for. */
interface Member {
  readonly token: number;
  readonly events: number;
}

/** The kernel's side, and the runtime that a loop is made on. */
export class ScriptedEpoll {
  readonly runtime: Runtime;
  /** The members, by descriptor. The set's own eventfd is none of them. */
  readonly members = new Map<number, Member>();
  /** What is ready, by descriptor: `r`, `w`, `e` (an error) and `h` (hung up), or several. */
  readonly ready = new Map<number, string>();
  /** Open descriptors: sets and eventfds. */
  readonly open = new Set<number>();
  /** Each change: `+5 r`, `~5 rw`, `-5`. */
  readonly log: string[] = [];
  /** The waiters that were made. */
  readonly waiters: FakeWaiter[] = [];
  /** What the next calls of a name fail with. */
  readonly failures: { [call: string]: string[] } = {};
  /** How long a set may stay open unused, in milliseconds. */
  linger = 0;
  /** How often it was asked who is ready. */
  looks = 0;
  /** Whether the waiter fires by itself while something is ready, as a real one does. */
  fires = false;
  /** Hears of each descriptor that is closed. */
  onClose: ((fd: number) => void) | undefined;
  #nextFd = 100;

  constructor() {
    const { libc } = new ScriptedLibc({
      epoll_create1: () => this.#fail("epoll_create1") || this.#openFd(),
      eventfd: () => this.#fail("eventfd") || this.#openFd(),
      close: (fd) => {
        this.onClose?.(fd);
        return this.open.delete(fd) ? 0 : -errno.EBADF;
      },
      epoll_ctl: (...args) => this.#control(...args),
      epoll_wait: (...args) => this.#wait(...args),
    });
    const createWaiter = (set: Poller, onReady: () => void): Waiter => {
      const [failure] = this.failures.createWaiter?.splice(0, 1) ?? [];
      if (failure !== undefined) throw new Error(failure);
      const waiter = new FakeWaiter(set, onReady, this.linger, () => this.#fireSoon());
      this.waiters.push(waiter);
      return waiter;
    };
    const runSteps = (step: () => boolean): void => {
      while (step());
    };
    this.runtime = { libc, createWaiter, runSteps } as unknown as Runtime;
  }

  /** The waiter that was made last. */
  get waiter(): FakeWaiter {
    return this.waiters.at(-1)!;
  }

  /** Says that a descriptor is ready, and fires the waiter. */
  fire(ready: { [fd: number]: string }): void {
    for (const [fd, events] of Object.entries(ready)) this.ready.set(Number(fd), events);
    this.waiter.fire();
  }

  #fireSoon(): void {
    if (!this.fires) return;
    setImmediate(() => {
      if (!this.waiter.isArmed) return;
      if ([...this.members.keys()].some((fd) => this.ready.get(fd))) this.waiter.fire();
    });
  }

  /** The log since it was asked last. */
  changes(): string[] {
    return this.log.splice(0);
  }

  #openFd(): number {
    this.open.add(this.#nextFd);
    return this.#nextFd++;
  }

  #fail(name: string): number {
    const [failure] = this.failures[name]?.splice(0, 1) ?? [];
    return failure === undefined ? 0 : -errno[failure];
  }

  #control(...[, operation, fd, event]: Parameters<Runtime["libc"]["epoll_ctl"]>): number {
    // The set's own eventfd.
    if (fd >= 100) return 0;
    const failure = this.#fail("epoll_ctl");
    if (failure < 0) return failure;
    if (operation === EPOLL_CTL_DEL) {
      this.log.push(`-${fd}`);
      return this.members.delete(fd) ? 0 : -errno.ENOENT;
    }
    const { view } = event!.memory;
    const events = view.getUint32(epoll_event.events, true);
    const token = Number(view.getBigUint64(epoll_event.data, true));
    if (operation === EPOLL_CTL_ADD && this.members.has(fd)) return -errno.EEXIST;
    if (operation === EPOLL_CTL_MOD && !this.members.has(fd)) return -errno.ENOENT;
    this.members.set(fd, { token, events });
    const interest = `${events & EPOLLIN ? "r" : ""}${events & EPOLLOUT ? "w" : ""}`;
    this.log.push(`${operation === EPOLL_CTL_ADD ? "+" : "~"}${fd} ${interest}`);
    this.#fireSoon();
    return 0;
  }

  /** Level-triggered. */
  #wait(...[epfd, at, most, timeout]: Parameters<Runtime["libc"]["epoll_wait"]>): number {
    if (timeout !== 0) throw new Error("the loop must not block");
    this.looks++;
    const failure = this.#fail("epoll_wait");
    // Who is told EBADF has lost the descriptor: it and its members are no more.
    if (failure < 0) this.members.clear();
    if (failure === -errno.EBADF) this.open.delete(epfd);
    if (failure < 0) return failure;
    let found = 0;
    for (const [fd, { token, events }] of this.members) {
      const letters = this.ready.get(fd) ?? "";
      const now = (letters.includes("r") ? EPOLLIN : 0) | (letters.includes("w") ? EPOLLOUT : 0);
      const faults = (letters.includes("e") ? EPOLLERR : 0) | (letters.includes("h") ? EPOLLHUP : 0);
      const shown = (now & events) | faults;
      if (shown === 0 || found === most) continue;
      at.memory.view.setUint32(found * epoll_event.size + epoll_event.events, shown, true);
      at.memory.view.setBigUint64(found * epoll_event.size + epoll_event.data, BigInt(token), true);
      found++;
    }
    return found;
  }
}

/** A waiter that fires when it is told to. */
export class FakeWaiter implements Waiter {
  readonly linger: number;
  readonly #set: Poller;
  readonly #onReady: () => void;
  readonly #onArmed: () => void;
  isArmed = false;
  isReferenced = true;
  /** How often it was armed and parked. */
  armed = 0;
  parked = 0;
  #released: (() => void) | undefined;

  constructor(set: Poller, onReady: () => void, linger: number, onArmed: () => void) {
    this.#set = set;
    this.#onReady = onReady;
    this.linger = linger;
    this.#onArmed = onArmed;
  }

  arm(): void {
    if (this.isClosed) throw new Error("armed after it was closed");
    this.isArmed = true;
    this.armed++;
    this.#onArmed();
  }
  ref(): void {
    this.isReferenced = true;
  }
  unref(): void {
    this.isReferenced = false;
  }
  park(): void {
    this.isArmed = false;
    this.parked++;
  }
  close(released: () => void): void {
    this.#released = released;
  }

  get isClosed(): boolean {
    return this.#released !== undefined;
  }

  get fd(): number {
    return this.#set.fd;
  }

  /** The set's descriptor is readable. */
  fire(): void {
    if (!this.isArmed) throw new Error("fired without being armed");
    this.isArmed = false;
    this.#onReady();
  }

  /** Nothing native uses the set any longer. */
  release(): void {
    this.#released!();
  }
}

/** A watcher with as much work as a test gives it. */
export class FakeWatcher implements LateWatcher {
  readonly fd: number;
  token = 0;
  /** So the loop polls also if there is no other watcher, unless a test says otherwise. */
  readsErrors = true;
  readonly #epoll: ScriptedEpoll;
  readonly #record: string[];
  /** How many times it has something to do. At the end it is ready no more. */
  work = 0;
  /** The same for errors. */
  errors = 0;
  /** Whether it has something left that the kernel does not know of when its turn ends. */
  hasRest = false;
  /** Done in each piece of work. */
  onWork: (() => void) | undefined;
  onUnwatchedDo: (() => void) | undefined;

  constructor(epoll: ScriptedEpoll, fd: number, record: string[]) {
    this.#epoll = epoll;
    this.fd = fd;
    this.#record = record;
  }

  onReadable(): boolean {
    if (this.work === 0) {
      this.#drop("r");
      return false;
    }
    this.work--;
    this.#record.push(`r${this.fd}`);
    this.onWork?.();
    return true;
  }
  onWritable(): void {
    this.#record.push(`w${this.fd}`);
    this.onWork?.();
  }
  onError(): boolean {
    if (this.errors === 0) {
      this.#drop("e");
      return false;
    }
    this.errors--;
    this.#record.push(`e${this.fd}`);
    return true;
  }
  onTurnOver(): boolean {
    this.#record.push(`over${this.fd}`);
    return this.hasRest;
  }
  onWatched(): void {
    this.#record.push(`watched${this.fd}`);
  }
  onUnwatched(number: number): void {
    this.#record.push(`${Object.keys(errno).find((name) => errno[name] === number)}${this.fd}`);
    this.onUnwatchedDo?.();
  }

  #drop(letter: string): void {
    this.#epoll.ready.set(this.fd, (this.#epoll.ready.get(this.fd) ?? "").replace(letter, ""));
  }
}
