/**
 * One `sendMany()` with a callback: hears of every message, and calls back once.
 *
 * @module
 */
import { nextTick } from "../ffi/process.ts";
import type { OperationOwner } from "./send_operation.ts";
import type { SendRequest } from "./sender.ts";
import type { SendManyCallback } from "./types.ts";

/** Calls back when all messages are done, in its caller's asynchronous context. */
export class SendManyOperation implements SendRequest {
  readonly #owner: OperationOwner;
  readonly #callback: SendManyCallback;
  readonly #context: unknown;
  #pending: number;
  #sent = 0;
  /** The first one: an error, or a negative errno. */
  #failure: Error | number = 0;

  constructor(owner: OperationOwner, count: number, callback: SendManyCallback) {
    this.#owner = owner;
    this.#pending = count;
    this.#callback = callback;
    this.#context = owner.contexts.capture(owner.asyncId);
    if (count === 0) nextTick(report, this);
  }

  /** @param result An error where it is no system call's. */
  finish(result: number | Error): void {
    if (this.#pending === 1) nextTick(report, this);
    this.#pending--;
    if (typeof result === "number" && result >= 0) this.#sent++;
    else if (this.#failure === 0) this.#failure = result;
  }

  /** All messages are done. */
  report(): void {
    const failure = this.#failure;
    const isErrno = typeof failure === "number";
    const error = isErrno ? failure && this.#owner.sendError(-failure, undefined, undefined) : failure;
    this.#owner.contexts.run(this.#context, this.#callback, error || null, this.#sent);
  }
}

function report(operation: SendManyOperation): void {
  operation.report();
}
