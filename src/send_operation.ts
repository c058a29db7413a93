/**
 * One `send()` with a callback: when and in which asynchronous context the callback runs.
 *
 * @module
 */
import type { AsyncContexts } from "../ffi/async_context.ts";
import process from "../ffi/process.ts";
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

/** {@linkcode SendOperation.finish} has not been called yet. */
const PENDING = -1;

/** Stands for the context of the tick that the callback has to itself. */
const OWN_TICK: unique symbol = Symbol("own tick");

/**
 * Node calls back one tick after the message was handed to the kernel, which on a connected socket is done in `send()` and
 * otherwise a tick later, after the lookup. Here the hand-over is at the end of the turn; the ticks are the same.
 */
export class SendOperation implements SendRequest, DueCallback {
  readonly #owner: OperationOwner;
  readonly #callback: SendCallback;
  readonly #address: string | undefined;
  readonly #port: number | undefined;
  #errno = PENDING;
  #bytes = 0;
  #error: Error | undefined = undefined;
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

  /** Queues the callback for the next tick. */
  schedule(): void {
    process.nextTick(report, this);
  }

  /** Queues it for the tick after the next, where Node's lookup would be over. Closing the socket before means no callback. */
  scheduleAfterLookup(): void {
    this.#keepContext();
    this.#owner.callbacks.add(this);
  }

  finish(errno: number, bytes: number): void {
    this.#errno = errno;
    this.#bytes = bytes;
    if (this.#isLate) process.nextTick(report, this);
  }

  /** For failures that are no system call's. */
  fail(error: Error): void {
    this.#error = error;
    this.finish(0, 0);
  }

  /** The tick of the lookup has come. */
  isWanted(): boolean {
    return this.#owner.isOpen();
  }

  /** Its tick has come. */
  report(): void {
    if (this.#errno === PENDING) {
      if (this.#context === OWN_TICK) this.#keepContext();
      this.#isLate = true;
    } else if (this.#context === OWN_TICK) {
      this.call();
    } else {
      this.#owner.contexts.run(this.#context, call, this);
    }
  }

  call(): void {
    if (this.#errno === 0 && this.#error === undefined) this.#callback(null, this.#bytes);
    else this.#reportError();
  }

  #keepContext(): void {
    const { contexts, asyncId } = this.#owner;
    this.#context = contexts.capture(asyncId);
  }

  #reportError(): void {
    const error = this.#error ?? this.#owner.sendError(this.#errno, this.#address, this.#port);
    (this.#callback as (error: Error) => void)(error);
  }
}

function report(operation: SendOperation): void {
  operation.report();
}

function call(operation: SendOperation): void {
  operation.call();
}
