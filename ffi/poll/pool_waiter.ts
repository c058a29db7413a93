/**
 * Deno: `poll` on a thread of the runtime's pool, as a non-blocking FFI call.
 *
 * | state | what happens | becomes |
 * |---|---|---|
 * | idle | `arm()` | waits in a call |
 * | idle | `arm()`, unreferenced, in a Deno whose calls cannot be unreferenced | looks after 10 ms |
 * | waits | the call finds the poller ready: the callback, at the next tick | idle |
 * | waits | the call times out after 2 s | waits in another call |
 * | waits | `unref()` | waits; or, if calls cannot be unreferenced, the call is ended, and it looks after 10 ms |
 * | looks | the timer fires: the callback | idle |
 * | looks | `ref()` | waits |
 * | waits, looks | `park()`: the call is ended | idle, once the call has returned |
 * | any | `close()` | closed, once the call has returned: then the poller and the pollfd are released |
 *
 * @module
 */
import type { Libc } from "../libc/libc.ts";
import type { Pointer } from "../libc/memory.ts";
import { type DenoBinding, denoCore, type DenoNamespace } from "../runtimes/deno.ts";
import { clearTimeout, nextTick, setTimeout } from "../runtimes/process.ts";
import type { Poller } from "./poller.ts";
import { pollfdSize, readablePollfd } from "./pollfd.ts";
import type { Waiter } from "./waiter.ts";

/** How often an unreferenced waiter polls if pending calls cannot be unreferenced, in milliseconds. */
const LOOK_EVERY = 10;

/**
 * How long a call stays in `poll`, in milliseconds. After a Worker has ended, the pool's thread is busy until the call returns, and
 * nothing is left that could wake it; so the call returns by itself now and then.
 */
const LONGEST_POLL = 2000;

/** `refOpPromise` and `unrefOpPromise` of Deno's core. They are internal, so they may be missing. */
export interface OpReferences {
  refOpPromise(promise: Promise<unknown>): void;
  unrefOpPromise(promise: Promise<unknown>): void;
}

/** Deno's functions to reference and unreference a pending call, if this version has them. */
export function opReferences(deno: DenoNamespace): OpReferences | undefined {
  const core = denoCore<OpReferences>(deno);
  const isThere = typeof core?.refOpPromise === "function" && typeof core.unrefOpPromise === "function";
  return isThere ? core as OpReferences : undefined;
}

/** Waits on a pool thread. A pending call keeps Deno alive, unless it is unreferenced by {@linkcode OpReferences}. */
export class PoolWaiter implements Waiter {
  /** 0, as `deno test` reports a timer as leaked even if it is unreferenced. */
  readonly linger = 0;
  readonly #poller: Poller;
  readonly #onReady: () => void;
  readonly #binding: DenoBinding;
  readonly #pollfd: Pointer;
  readonly #one: unknown;
  readonly #references: OpReferences | undefined;
  #call: Promise<number> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armed = false;
  #referenced = true;
  #released: (() => void) | undefined;

  constructor(
    poller: Poller,
    onReady: () => void,
    libc: Libc,
    binding: DenoBinding,
    references: OpReferences | undefined,
  ) {
    this.#poller = poller;
    this.#onReady = onReady;
    this.#binding = binding;
    this.#pollfd = readablePollfd(libc, poller.fd, binding.allocateLasting(pollfdSize(libc)));
    this.#one = binding.toSizeT(1);
    this.#references = references;
  }

  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#wait();
  }

  ref(): void {
    if (this.#referenced) return;
    this.#referenced = true;
    if (this.#references) {
      if (this.#call) this.#references.refOpPromise(this.#call);
    } else if (this.#armed) {
      this.#stopTimer();
      this.#wait();
    }
  }

  unref(): void {
    if (!this.#referenced) return;
    this.#referenced = false;
    if (!this.#call) return;
    if (this.#references) this.#references.unrefOpPromise(this.#call);
    else this.#poller.wake();
  }

  /** Ends the pending call: `deno test` would report it as leaked. */
  park(): void {
    this.#armed = false;
    this.#stopTimer();
    if (this.#call) this.#poller.wake();
  }

  close(released: () => void): void {
    this.park();
    this.#released = released;
    if (!this.#call) this.#release(released);
  }

  #wait(): void {
    if (this.#call) return;
    if (!this.#referenced && !this.#references) return this.#startTimer();
    this.#call = this.#binding.pollElsewhere(this.#pollfd.value, this.#one, LONGEST_POLL);
    if (!this.#referenced) this.#references?.unrefOpPromise(this.#call);
    this.#call.then((found) => this.#returned(found));
  }

  #release(released: () => void): void {
    this.#binding.free(this.#pollfd.memory);
    released();
  }

  #returned(found: number): void {
    this.#call = undefined;
    if (this.#released) return this.#release(this.#released);
    if (!this.#armed) return;
    if (found === 0) return this.#wait();
    // unref() has ended the call. If something is ready after all, the timer's poll finds it.
    if (!this.#referenced && !this.#references) return this.#startTimer();
    this.#armed = false;
    this.#dispatch();
  }

  /** Polls from a timer that does not keep the process alive. */
  #startTimer(): void {
    this.#timer = setTimeout(() => {
      this.#armed = false;
      this.#onReady();
    }, LOOK_EVERY);
    this.#timer.unref();
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Calls back outside the promise job, so that what a listener throws is an uncaught exception and not a rejection. */
  #dispatch(): void {
    nextTick(() => {
      if (!this.#released) this.#onReady();
    });
  }
}
