/**
 * One `send()` with a callback: when and in which asynchronous context the callback runs.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";
import process from "node:process";
import type { SendRequest } from "./sender.ts";
import type { SendCallback } from "./types.ts";

type Outcome = { readonly error: Error } | { readonly bytes: number };

/**
 * Node calls back one tick after the message was handed to the kernel, which on a connected socket is done in `send()` and
 * otherwise a tick later, after the lookup. Here the hand-over is at the end of the turn; the ticks are the same. They are
 * queued from within `send()`, so that the callback has its caller's asynchronous context.
 */
export class SendOperation implements SendRequest {
  readonly #callback: SendCallback;
  readonly #errorOf: (errno: number) => Error;
  #outcome: Outcome | undefined;
  /** Set once its tick has come and the message still waits for room. */
  #context: AsyncResource | undefined;

  /** @param errorOf Makes the error for an errno. */
  constructor(callback: SendCallback, errorOf: (errno: number) => Error) {
    this.#callback = callback;
    this.#errorOf = errorOf;
  }

  /** Queues the callback. @param ticks How many ticks from now it is due: 1 or 2. */
  schedule(ticks: 1 | 2): void {
    if (ticks === 1) process.nextTick(report, this);
    else process.nextTick(relay, this);
  }

  finish(errno: number, bytes: number): void {
    this.#settle(errno === 0 ? { bytes } : { error: this.#errorOf(errno) });
  }

  /** For failures that are no system call's. */
  fail(error: Error): void {
    this.#settle({ error });
  }

  /** Its tick has come. */
  report(): void {
    if (this.#outcome) this.#callBack(this.#outcome);
    else this.#context = new AsyncResource("UDPSENDWRAP");
  }

  #settle(outcome: Outcome): void {
    this.#outcome = outcome;
    const context = this.#context;
    if (context) process.nextTick(() => context.runInAsyncScope(() => this.#callBack(outcome)));
  }

  #callBack(outcome: Outcome): void {
    if ("error" in outcome) (this.#callback as (error: Error) => void)(outcome.error);
    else this.#callback(null, outcome.bytes);
  }
}

function report(operation: SendOperation): void {
  operation.report();
}

function relay(operation: SendOperation): void {
  process.nextTick(report, operation);
}
