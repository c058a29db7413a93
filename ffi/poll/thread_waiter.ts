/**
 * Bun, Node with koffi, and Node's Workers: a thread of this module that is blocked in `poll`.
 *
 * The JavaScript thread arms it through shared memory, and it reports by a message. Starting a thread takes some 20 ms, half of which
 * the JavaScript thread spends. So it is started when a first poll has found nothing, and until it is up the waiter polls from
 * `setImmediate`, so that no datagram is delayed. When its poller is closed the thread is kept for a moment, as programs often open
 * the next socket right away.
 *
 * | state | what happens | becomes |
 * |---|---|---|
 * | idle | `arm()` for the first time, referenced, no thread | looks soon (`setImmediate`) |
 * | idle | `arm()` after a look, or unreferenced | waits, once the thread is up; until then it looks soon |
 * | idle | `arm()`, and there is no room for a thread | looks every 10 ms |
 * | looks, or waits | a look is due, or the thread reports: the callback | idle |
 * | looks | `unref()` | as before, and a thread is started |
 * | waits | the thread ends by an error | looks every 10 ms |
 * | looks, or waits | `park()` | idle; the thread goes on waiting for a poller without members |
 * | any | `close()` | closed; the thread is parked, and stopped after 250 ms if no other waiter takes it |
 *
 * The thread: starting, then parked, then waits for a descriptor until that is ready or a new command comes, then stopped. COMMAND
 * holds its last command, POLLING whether it uses the descriptor, LOADED whether it is up.
 *
 * @module
 */
import type { Worker } from "node:worker_threads";
import type { Libc } from "../libc/libc.ts";
import {
  clearImmediate,
  clearTimeout,
  hostProcess,
  setImmediate,
  setTimeout,
  workerThreads,
} from "../runtimes/process.ts";
import type { Poller } from "./poller.ts";
import { readablePollfd } from "./pollfd.ts";
import type { Waiter } from "./waiter.ts";

/** How long a thread without a poller and a poller without members are kept, in milliseconds. */
const LINGER = 250;

/**
 * The number of descriptors that a thread may need to start. In Bun a lack of them ends the process; in Node it is an `'error'` of
 * the Worker.
 */
const ROOM_FOR_THREAD = 24;

/** How often a waiter without a thread polls, and how often it tries to start a thread again, in milliseconds. */
const LOOK_EVERY = 10;
const START_EVERY = 1000;

/**
 * How long the thread stays in one `poll`, in milliseconds. In Node the end of a process or Worker waits until the thread returns from
 * native code, and may run no code of ours that could wake it; so it returns by itself now and then.
 */
const LONGEST_POLL = 500;

/** How long the end of the process waits for a thread that is still starting, in milliseconds. */
const LONGEST_START = 5000;

/** The cells of the shared memory: the command; whether the thread is in `poll`; whether it has loaded its FFI; the poller's descriptor. */
const COMMAND = 0;
const POLLING = 1;
const LOADED = 2;
const DESCRIPTOR = 3;

/** Commands. Each change to a number from FIRST_WAIT on is a new wait. */
const STOP = 1;
const PARK = 2;
const FIRST_WAIT = 3;

/** A JavaScript expression that a new thread evaluates to a function `(pollfd: ArrayBuffer, timeout: number) => boolean`. */
export type PollSource = string;

/**
 * What the thread runs. It is inline source, so that bundlers and `--compile` need no second file. The thread has its own pollfd: the
 * kernel may still write to it after the JavaScript thread has ended.
 */
const threadSource = (poll: PollSource, longestPoll: number): string => `
"use strict";
const { parentPort, workerData: { cells, pollfd, fdOffset } } = process.getBuiltinModule("node:worker_threads");
const poll = ${poll};
Atomics.store(cells, ${LOADED}, 1);
Atomics.notify(cells, ${LOADED});
parentPort.postMessage("up");
for (let seen = ${PARK};;) {
  Atomics.wait(cells, ${COMMAND}, seen);
  seen = Atomics.load(cells, ${COMMAND});
  if (seen === ${STOP}) break;
  if (seen === ${PARK}) continue;
  new DataView(pollfd).setInt32(fdOffset, Atomics.load(cells, ${DESCRIPTOR}), true);
  Atomics.store(cells, ${POLLING}, 1);
  while (Atomics.load(cells, ${COMMAND}) === seen && !poll(pollfd, ${longestPoll}));
  Atomics.store(cells, ${POLLING}, 0);
  Atomics.notify(cells, ${POLLING});
  if (Atomics.load(cells, ${COMMAND}) === seen) parentPort.postMessage("ready");
}
`;

/** What tells a {@linkcode ThreadWaiter} that its poller is ready: a thread, or something else that is as good. */
export interface Watch {
  /** Called when the poller is ready, once for each wait. */
  onReady: () => void;
  /** Called if it could not start, or has ended. */
  onFailed: () => void;
  /** Whether it can wait. Until then the waiter polls. */
  readonly isUp: boolean;
  /** Waits for a poller. */
  wait(poller: Poller): void;
  ref(): void;
  unref(): void;
  /** The waiter is closed. When this returns, the poller is no longer used. */
  release(): void;
}

/** Where they come from. */
export interface Watches {
  /** One for one waiter. */
  take(poller: Poller): Watch | undefined;
  /** One that is there already, if there is. */
  takeParked(): Watch | undefined;
}

/** The thread, and the shared memory through which it gets commands. */
class PollThread implements Watch {
  readonly #cells = new Int32Array(new SharedArrayBuffer(16));
  readonly #worker: Worker;
  readonly #onParked: () => void;
  readonly #onStopped: () => void;
  #stopped = false;
  /** The poller that it waits for, or that it has to leave. */
  #poller: Poller | undefined;
  #serial = FIRST_WAIT;
  #linger: ReturnType<typeof setTimeout> | undefined;
  /** Called when the poller is ready. */
  onReady: () => void = () => {};
  /** Called if the thread could not start, or has ended. */
  onFailed: () => void = () => {};

  constructor(libc: Libc, poll: PollSource, longestPoll: number, onParked: () => void, onStopped: () => void) {
    this.#onParked = onParked;
    this.#onStopped = onStopped;
    this.#cells[COMMAND] = PARK;
    // Without the program's flags, such as preloads: they are not meant for this thread.
    const workerData = {
      cells: this.#cells,
      pollfd: readablePollfd(libc, -1).memory.buffer,
      fdOffset: libc.abi.layouts.pollfd.fd,
    };
    const { Worker } = workerThreads();
    this.#worker = new Worker(threadSource(poll, longestPoll), { eval: true, workerData, execArgv: [] });
    this.#worker.unref();
    this.#worker.on("exit", () => hostProcess.removeListener("exit", this.#onProcessExit));
    this.#worker.on("error", () => this.#fail());
    this.#worker.on("message", () => this.onReady());
    hostProcess.on("exit", this.#onProcessExit);
  }

  /** Whether the thread can wait. Read from shared memory: Bun delivers no message while nothing keeps the process alive. */
  get isUp(): boolean {
    return Atomics.load(this.#cells, LOADED) === 1;
  }

  /** Makes the thread wait for a poller. */
  wait(poller: Poller): void {
    this.#poller = poller;
    Atomics.store(this.#cells, DESCRIPTOR, poller.fd);
    this.#serial = this.#serial === 0x7fffffff ? FIRST_WAIT : this.#serial + 1;
    this.#command(this.#serial);
  }

  /** Parks the thread: it waits for nothing, and stops after a while. */
  release(): void {
    this.#command(PARK);
    // If the poller were closed before it has woken the thread, the thread would stay in its poll until that times out.
    this.#poller?.wake();
    Atomics.wait(this.#cells, POLLING, 1, LONGEST_POLL);
    this.#poller = undefined;
    this.unref();
    this.onReady = this.onFailed = () => {};
    this.#linger = setTimeout(this.#stop, LINGER);
    this.#linger.unref();
    this.#onParked();
  }

  /** Keeps a parked thread from stopping. */
  resume(): void {
    if (this.#linger !== undefined) clearTimeout(this.#linger);
    this.#linger = undefined;
  }

  ref(): void {
    this.#worker.ref();
  }

  unref(): void {
    this.#worker.unref();
  }

  /** Gives a command, unless the thread was stopped. */
  #command(command: number): void {
    if (Atomics.load(this.#cells, COMMAND) === STOP) return;
    Atomics.store(this.#cells, COMMAND, command);
    Atomics.notify(this.#cells, COMMAND);
  }

  readonly #stop = (): void => {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#command(STOP);
    this.#poller?.wake();
    this.#onStopped();
  };

  #fail(): void {
    this.#stop();
    this.onFailed();
  }

  /** Waits for a starting thread: Node aborts if the process ends while a thread is loading koffi. */
  readonly #onProcessExit = (): void => {
    this.#stop();
    Atomics.wait(this.#cells, LOADED, 0, LONGEST_START);
  };
}

/** The threads of this JavaScript thread: those in use, and one that may be parked. */
export class PollThreads implements Watches {
  readonly #libc: Libc;
  readonly #source: PollSource;
  readonly #longestPoll: number;
  #parked: PollThread | undefined;
  /** If the last start failed, when to try again. */
  #nextStart = -Infinity;

  /** @param longestPoll How long a thread stays in one `poll`, in milliseconds. */
  constructor(libc: Libc, source: PollSource, longestPoll: number = LONGEST_POLL) {
    this.#libc = libc;
    this.#source = source;
    this.#longestPoll = longestPoll;
  }

  /** A thread for one waiter. @returns Undefined if there are too few descriptors for one. */
  take(poller: Poller): PollThread | undefined {
    return this.takeParked() ?? this.#start(poller);
  }

  /** The parked thread, if there is one. */
  takeParked(): PollThread | undefined {
    const parked = this.#parked;
    this.#parked = undefined;
    parked?.resume();
    return parked;
  }

  #start(poller: Poller): PollThread | undefined {
    if (performance.now() < this.#nextStart) return undefined;
    if (!hasRoom(this.#libc, poller.fd, ROOM_FOR_THREAD)) {
      this.#nextStart = performance.now() + START_EVERY;
      return undefined;
    }
    const onParked = (): void => void (this.#parked = thread);
    const onStopped = (): void => {
      if (this.#parked === thread) this.#parked = undefined;
    };
    const thread = new PollThread(this.#libc, this.#source, this.#longestPoll, onParked, onStopped);
    return thread;
  }
}

/**
 * Whether the process may open this many descriptors. Other code could take them before the thread does, but hardly in that time. Only
 * one is open at a time: each gets the next free number.
 *
 * @param fd Any descriptor, to be duplicated.
 */
function hasRoom(libc: Libc, fd: number, count: number): boolean {
  let next = 0;
  for (let found = 0; found < count; found++) {
    const duplicate = libc.fcntl(fd, libc.abi.constants.F_DUPFD_CLOEXEC, next);
    if (duplicate < 0) return false;
    libc.close(duplicate);
    next = duplicate + 1;
  }
  return true;
}

/** Waits by a thread of this module, or by what takes its place. */
export class ThreadWaiter implements Waiter {
  readonly linger = LINGER;
  readonly #poller: Poller;
  readonly #onReady: () => void;
  readonly #watches: Watches;
  #watch: Watch | undefined;
  #hasLooked = false;
  #armed = false;
  /** Whether the watch waits for the poller. */
  #awaited = false;
  #closed = false;
  #referenced = true;
  #immediate: ReturnType<typeof setImmediate> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(poller: Poller, onReady: () => void, watches: Watches) {
    this.#poller = poller;
    this.#onReady = onReady;
    this.#watches = watches;
    const parked = watches.takeParked();
    if (parked) this.#use(parked);
  }

  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    if (this.#hasLooked || !this.#referenced) this.#start();
    if (!this.#watch?.isUp) return this.#lookSoon();
    if (!this.#awaited) this.#watch.wait(this.#poller);
    this.#awaited = true;
  }

  /** The thread goes on waiting, for a poller without members. */
  park(): void {
    this.#armed = false;
    this.#stopLooking();
  }

  ref(): void {
    this.#referenced = true;
    this.#watch?.ref();
    this.#immediate?.ref();
    this.#timer?.ref();
  }

  unref(): void {
    this.#referenced = false;
    // Node may not run an unreferenced immediate.
    if (this.#armed) this.#start();
    this.#watch?.unref();
    this.#immediate?.unref();
    this.#timer?.unref();
  }

  close(released: () => void): void {
    this.#closed = true;
    this.#stopLooking();
    this.#watch?.release();
    released();
  }

  #start(): void {
    const watch = this.#watch ?? this.#watches.take(this.#poller);
    if (watch && !this.#watch) this.#use(watch);
  }

  #use(watch: Watch): void {
    this.#watch = watch;
    watch.onReady = () => {
      this.#awaited = false;
      this.#fire();
    };
    watch.onFailed = () => {
      this.#watch = undefined;
      this.#awaited = false;
      if (this.#armed) this.#lookLater();
    };
    // Bun ignores an unref() without a ref() before it.
    watch.ref();
    if (!this.#referenced) watch.unref();
  }

  /** Polls before the thread is up, or without one. */
  #lookSoon(): void {
    if (this.#hasLooked && !this.#watch) return this.#lookLater();
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#hasLooked = true;
      this.#fire();
    });
    if (!this.#referenced) this.#immediate.unref();
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#fire();
    }, LOOK_EVERY);
    if (!this.#referenced) this.#timer.unref();
  }

  #stopLooking(): void {
    if (this.#immediate) clearImmediate(this.#immediate);
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#immediate = this.#timer = undefined;
  }

  #fire(): void {
    if (this.#closed || !this.#armed) return;
    this.#armed = false;
    this.#onReady();
  }
}
