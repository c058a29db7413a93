/**
 * One `send()` with a callback: when and in which asynchronous context the callback runs.
 *
 * @module
 */
import { AsyncResource } from "node:async_hooks";
import process from "../ffi/process.ts";
import type { SendRequest } from "./sender.ts";
import type { SendCallback } from "./types.ts";

/** What operations need of their socket. */
export interface OperationOwner {
  /** Whether the socket is open. */
  isOpen(): boolean;
  /** The error for a failed send. */
  sendError(errno: number, address: string | undefined, port: number | undefined): Error;
}

/** {@linkcode SendOperation.finish} has not been called yet. */
const PENDING = -1;

/**
 * Node calls back one tick after the message was handed to the kernel, which on a connected socket is done in `send()` and
 * otherwise a tick later, after the lookup. Here the hand-over is at the end of the turn; the ticks are the same. They are
 * queued from within `send()`, so that the callback has its caller's asynchronous context.
 */
export class SendOperation implements SendRequest {
  readonly #owner: OperationOwner;
  readonly #callback: SendCallback;
  readonly #address: string | undefined;
  readonly #port: number | undefined;
  #errno = PENDING;
  #bytes = 0;
  #error: Error | undefined;
  /** Set once its tick has come and the message still waits for room. */
  #context: AsyncResource | undefined;

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
    process.nextTick(relay, this);
  }

  finish(errno: number, bytes: number): void {
    this.#errno = errno;
    this.#bytes = bytes;
    if (this.#context) this.#reportLate(this.#context);
  }

  /** For failures that are no system call's. */
  fail(error: Error): void {
    this.#error = error;
    this.finish(0, 0);
  }

  /** The tick of the lookup has come. */
  relay(): void {
    if (this.#owner.isOpen()) process.nextTick(report, this);
  }

  /** Its tick has come. */
  report(): void {
    if (this.#errno === 0 && !this.#error) this.#callback(null, this.#bytes);
    else if (this.#errno === PENDING) this.#context = new AsyncResource("UDPSENDWRAP");
    else this.#reportError();
  }

  #reportError(): void {
    const error = this.#error ?? this.#owner.sendError(this.#errno, this.#address, this.#port);
    (this.#callback as (error: Error) => void)(error);
  }

  #reportLate(context: AsyncResource): void {
    process.nextTick(() => context.runInAsyncScope(() => this.report()));
  }
}

function report(operation: SendOperation): void {
  operation.report();
}

function relay(operation: SendOperation): void {
  operation.relay();
}
