/**
 * One `sendMany()` with a callback: hears of every message, and calls back once.
 *
 * @module
 */
import process from "../ffi/process.ts";
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
  #error: Error | null = null;
  #scheduled = false;

  constructor(owner: OperationOwner, count: number, callback: SendManyCallback) {
    this.#owner = owner;
    this.#pending = count;
    this.#callback = callback;
    this.#context = owner.contexts.capture(owner.asyncId);
  }

  /** @param result An error where it is no system call's. */
  finish(result: number | Error): void {
    if (typeof result !== "number") this.#error ??= result;
    else if (result < 0) this.#error ??= this.#owner.sendError(-result, undefined, undefined);
    else this.#sent++;
    this.#pending--;
    if (this.#pending === 0 && this.#scheduled) this.#report();
  }

  /** All messages are on their way: the callback may come. */
  schedule(): void {
    this.#scheduled = true;
    if (this.#pending === 0) this.#report();
  }

  #report(): void {
    const { contexts } = this.#owner;
    process.nextTick(() => contexts.run(this.#context, this.#callback, this.#error, this.#sent));
  }
}
