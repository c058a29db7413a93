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

  finish(errno: number): void {
    if (errno === 0) this.#sent++;
    else this.#error ??= this.#owner.sendError(errno, undefined, undefined);
    this.#settle();
  }

  /** For failures that are no system call's. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#settle();
  }

  /** All messages are on their way: the callback may come. */
  schedule(): void {
    this.#scheduled = true;
    if (this.#pending === 0) this.#report();
  }

  #settle(): void {
    this.#pending--;
    if (this.#pending === 0 && this.#scheduled) this.#report();
  }

  #report(): void {
    const { contexts } = this.#owner;
    process.nextTick(() => contexts.run(this.#context, () => this.#callback(this.#error, this.#sent), undefined));
  }
}
