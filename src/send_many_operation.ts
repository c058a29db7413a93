/**
 * One `sendMany()` with a callback: hears of every message, and calls back once.
 *
 * @module
 */
import { nextTick } from "../ffi/process.ts";
import type { OperationOwner } from "./send_operation.ts";
import type { SendRequest } from "./sender.ts";
import type { SendManyCallback, SendManyError } from "./types.ts";

/** Calls back when all messages are done, in its caller's asynchronous context. */
export class SendManyOperation {
  readonly #owner: OperationOwner;
  readonly #callback: SendManyCallback;
  readonly #context: unknown;
  #pending: number;
  #sent = 0;
  /** Of the messages that failed, the first in the order in which they were given: an error, or a negative errno. */
  #failure: Error | number = 0;
  #failed: Pick<SendManyError, "index" | "address" | "port"> = { index: Infinity };

  constructor(owner: OperationOwner, count: number, callback: SendManyCallback) {
    this.#owner = owner;
    this.#pending = count;
    this.#callback = callback;
    this.#context = owner.contexts.capture(owner.asyncId);
    if (count === 0) nextTick(report, this);
  }

  /**
   * Who hears of messages that go to one destination, in their order.
   *
   * @param first The index of the first of them.
   * @param address An IP address, or the path of a Unix socket.
   */
  requestFrom(first: number, address: string | undefined, port: number | undefined): GroupRequest {
    return new GroupRequest(this, first, address, port);
  }

  /** For the requests: a message was sent, or failed. @param result An error if it is no system call's. */
  settle(index: number, result: number | Error, address: string | undefined, port: number | undefined): void {
    if (this.#pending === 1) nextTick(report, this);
    this.#pending--;
    if (typeof result === "number" && result >= 0) this.#sent++;
    else if (index < this.#failed.index) {
      this.#failure = result;
      this.#failed = { index, address, port };
    }
  }

  /** All messages are done. */
  report(): void {
    const failure = this.#failure;
    const error = failure === 0 ? null : this.#errorOf(failure);
    this.#owner.contexts.run(this.#context, this.#callback, error, this.#sent);
  }

  #errorOf(failure: Error | number): SendManyError {
    const { index, address, port } = this.#failed;
    const error = typeof failure === "number" ? this.#owner.sendError(-failure, address, port) : failure;
    // On a connected socket there is no address to tell.
    return Object.assign(error, { index }, address === undefined ? {} : { address, port });
  }
}

/** Hears of messages with one destination, of which each is done before the next. */
export class GroupRequest implements SendRequest {
  readonly #operation: SendManyOperation;
  #next: number;
  readonly #address: string | undefined;
  readonly #port: number | undefined;

  constructor(operation: SendManyOperation, first: number, address: string | undefined, port: number | undefined) {
    this.#operation = operation;
    this.#next = first;
    this.#address = address;
    this.#port = port;
  }

  /** @param result An error if it is no system call's. */
  finish(result: number | Error): void {
    this.#operation.settle(this.#next++, result, this.#address, this.#port);
  }
}

function report(operation: SendManyOperation): void {
  operation.report();
}
