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
  readonly #isOpen: () => boolean;
  #outcome: Outcome | undefined;
  /** Set once its tick has come and the message still waits for room. */
  #context: AsyncResource | undefined;

  /**
   * @param errorOf Makes the error for an errno.
   * @param isOpen Whether the socket is open.
   */
  constructor(callback: SendCallback, errorOf: (errno: number) => Error, isOpen: () => boolean) {
    this.#callback = callback;
    this.#errorOf = errorOf;
    this.#isOpen = isOpen;
  }

  /** Queues the callback for the next tick. */
  schedule(): void {
    process.nextTick(report, this);
  }

  /** Queues it for the tick after the next, where Node's lookup would be over. Closing the socket before means no callback. */
  scheduleAfterLookup(): void {
    process.nextTick(relay, this);
  }

  /** The tick of the lookup has come. */
  relay(): void {
    if (this.#isOpen()) process.nextTick(report, this);
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
  operation.relay();
}
