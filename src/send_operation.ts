/**
 * One `send()` with a callback: when and in which asynchronous context the callback runs.
 *
 * @module
 */
import type { AsyncContexts } from "../ffi/async_context.ts";
import { nextTick } from "../ffi/process.ts";
import type { DueCallback, SendCallbacks } from "./send_callbacks.ts";
import type { SendRequest } from "./sender.ts";
import type { SendCallback } from "./types.ts";

/** What operations need of their socket. */
export interface OperationOwner {
  /** For async_hooks: the socket. */
  readonly asyncId: number;
  readonly contexts: AsyncContexts;
  readonly callbacks: SendCallbacks;
  /** Whether the socket is open. */
  isOpen(): boolean;
  /** The error for a failed send. */
  sendError(errno: number, address: string | undefined, port: number | undefined): Error;
}

/** Stands for the context of the tick that the callback has to itself. */
const OWN_TICK: unknown = {};

/**
 * Node calls back one tick after the message was handed to the kernel, which on a connected socket is done in `send()` and
 * otherwise a tick later, after the lookup. Here the hand-over is at the end of the turn; the ticks are the same.
 */
export class SendOperation implements SendRequest, DueCallback {
  readonly #owner: OperationOwner;
  readonly #callback: SendCallback;
  readonly #address: string | undefined;
  readonly #port: number | undefined;
  /** What {@linkcode SendOperation.finish} was called with, once it was. */
  #result: number | Error | undefined = undefined;
  /** That of `send()`'s caller. */
  #context: unknown = OWN_TICK;
  /** Its tick has come, and the message still waits for room. */
  #isLate = false;

  constructor(owner: OperationOwner, callback: SendCallback, address: string | undefined, port: number | undefined) {
    this.#owner = owner;
    this.#callback = callback;
    this.#address = address;
    this.#port = port;
  }

  /** Queues the callback for the next tick. To be called before the message is sent: a message that was sent has its callback. */
  schedule(): void {
    nextTick(report, this);
  }

  /** Likewise for the tick after the next, where Node's lookup would be over. Closing the socket before means no callback. */
  scheduleAfterLookup(): void {
    this.#keepContext();
    this.#owner.callbacks.add(this);
  }

  /** @param result An error where it is no system call's. */
  finish(result: number | Error): void {
    if (this.#isLate) nextTick(report, this);
    this.#result = result;
  }

  /** The tick of the lookup has come. */
  isWanted(): boolean {
    return this.#owner.isOpen();
  }

  /** Its tick has come. */
  report(): void {
    const result = this.#result;
    if (result === undefined) this.#waitInContext();
    else if (typeof result === "number" && result >= 0) this.#call(this.#callback, null, result);
    else this.#call(callWithError, this.#callback, this.#errorOf(result));
  }

  #waitInContext(): void {
    if (this.#context === OWN_TICK) this.#keepContext();
    this.#isLate = true;
  }

  #keepContext(): void {
    const { contexts, asyncId } = this.#owner;
    this.#context = contexts.capture(asyncId);
  }

  #call<First, Second>(call: (first: First, second: Second) => void, first: First, second: Second): void {
    if (this.#context === OWN_TICK) call(first, second);
    else this.#owner.contexts.run(this.#context, call, first, second);
  }

  #errorOf(result: number | Error): Error {
    return typeof result === "number" ? this.#owner.sendError(-result, this.#address, this.#port) : result;
  }
}

function report(operation: SendOperation): void {
  operation.report();
}

/** With an error alone, as Node does. */
function callWithError(callback: SendCallback, error: Error): void {
  (callback as (error: Error) => void)(error);
}
