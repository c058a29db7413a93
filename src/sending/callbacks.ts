/**
 * When the callbacks of `send()` and `sendMany()` are called, and with what arguments.
 *
 * | what happens to the message | callback of `send()` | callback of `sendMany()` |
 * |---|---|---|
 * | the kernel accepts it | `(null, bytes)` | counts it as sent |
 * | the kernel, a permission or a block list refuses it | `(error)` | gets its error, if it is the first that failed |
 * | the lookup fails | `(error)`; without a callback `'error'` | there is no lookup |
 * | it waits for room when the socket is closed | `(ECANCELED)` | gets ECANCELED |
 * | its signal is aborted before it was sent | `(AbortError)` | gets the AbortError |
 * | other messages wait, and the queue would exceed `sendQueueLimit` | `(ENOBUFS)` | gets ENOBUFS |
 * | the socket is connected, and is closed in the same turn | `(null, bytes)` | is called |
 * | the socket is not connected, and is closed in the same turn | never called, as in Node; unlike in Node the message is sent | is called |
 * | the socket is closed during the lookup | never called, and the message is not sent, as in Node | there is no lookup |
 * | binding fails | never called; `'error'`, as in Node | never called; `'error'` |
 * | the program ends first | never called; the message is sent | never called; the messages are sent |
 *
 * Node calls back one tick after the kernel has accepted the message. On a connected socket the kernel accepts it
 * within `send()`, otherwise a tick later, after the lookup. Here the kernel accepts messages at the end of the turn,
 * but callbacks come in the same ticks as in Node.
 *
 * @module
 */
import type { AsyncContexts } from "../../ffi/runtimes/async_context.ts";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { orAborted } from "../errors/node_errors.ts";
import type { SendCallback, SendManyCallback, SendManyError } from "./types.ts";

/** Is notified of the outcome of a message. */
export interface SendRequest {
  /**
   * Called once for each message. If it throws, it has changed nothing.
   *
   * @param result Bytes that were sent, or a negative errno.
   */
  finish(result: number): void;
  /** The request to which this one forwards the outcome. */
  readonly inner?: SendRequest | undefined;
}

/** Something whose tick has come. */
export interface Reporting {
  report(): void;
}

/** One callback, which `report` calls. */
export interface DueCallback extends Reporting {
  /** Whether it is still to be called after the first tick. */
  isWanted(): boolean;
}

/** The end of the turn, when the messages leave. */
export interface EndOfTurn {
  /** Schedules it, with something that reports in the same tick. @returns False if it was scheduled before. */
  scheduleWith(next: Reporting): boolean;
}

/** The callbacks of one thread. They share ticks, as a tick for each would take as long as the rest of sending. */
export class SendCallbacks implements Reporting {
  readonly #endOfTurn: EndOfTurn;
  /** Those that wait for the first tick. */
  #group: DueCallback[] | undefined;

  constructor(endOfTurn: EndOfTurn) {
    this.#endOfTurn = endOfTurn;
  }

  /** Calls `callback` in the tick after the next, after those that were added before. */
  add(callback: DueCallback): void {
    if (this.#group) this.#group.push(callback);
    else this.#begin(callback);
  }

  #begin(callback: DueCallback): void {
    if (!this.#endOfTurn.scheduleWith(this)) nextTick(reportTo, this);
    this.#group = [callback];
  }

  /** The first tick. */
  report(): void {
    const group = this.#group!;
    this.#group = undefined;
    let count = 0;
    for (const callback of group) if (callback.isWanted()) group[count++] = callback;
    // Setting the length takes longer than the rest.
    if (count < group.length) group.length = count;
    if (count > 0) nextTick(reportAll, group, 0);
  }
}

/** Calls all. If one throws, the others follow in another tick. */
function reportAll(callbacks: readonly DueCallback[], first: number): void {
  let next = first;
  try {
    while (next < callbacks.length) callbacks[next++]!.report();
  } finally {
    if (next < callbacks.length) nextTick(reportAll, callbacks, next);
  }
}

/** What the operations need from their socket. */
export interface OperationOwner {
  /** The socket's, for async_hooks. */
  readonly asyncId: number;
  readonly contexts: AsyncContexts;
  readonly callbacks: SendCallbacks;
  /** Whether the socket is open. */
  isOpen(): boolean;
  /** The error for a failed send. */
  sendError(errno: number, address: string | undefined, port: number | undefined): Error;
}

/** One `sendSync()`. */
export class ImmediateRequest implements SendRequest {
  /** The outcome, once it is known. */
  result: number | Error | undefined = undefined;

  /** @param result Bytes that were sent, a negative errno, or an error that no system call caused. */
  finish(result: number | Error): void {
    this.result = result;
  }
}

/** Instead of a context: the callback runs in a tick that was scheduled for it alone and has the caller's context. */
const OWN_TICK: unknown = {};

/** One `send()` with a callback. */
export class SendOperation implements SendRequest, DueCallback {
  readonly #owner: OperationOwner;
  readonly #callback: SendCallback;
  readonly #address: string | undefined;
  readonly #port: number | undefined;
  /** The argument of {@linkcode SendOperation.finish}, once it was called. */
  #result: number | Error | undefined = undefined;
  /** The asynchronous context of `send()`'s caller. */
  #context: unknown = OWN_TICK;
  /** Whether the callback's tick has passed while the message waits for room. */
  #isLate = false;

  constructor(owner: OperationOwner, callback: SendCallback, address: string | undefined, port: number | undefined) {
    this.#owner = owner;
    this.#callback = callback;
    this.#address = address;
    this.#port = port;
  }

  /**
   * Schedules the end of the turn, and the callback for the next tick. Call it before sending the message, as a message
   * that was sent must have its callback.
   */
  schedule(endOfTurn: EndOfTurn): void {
    if (!endOfTurn.scheduleWith(this)) nextTick(reportTo, this);
  }

  /**
   * Schedules the callback for the tick after the next, when Node's lookup would be over. It is not called if the
   * socket is closed before.
   */
  scheduleAfterLookup(): void {
    const owner = this.#owner;
    this.#context = owner.contexts.capture(owner.asyncId);
    owner.callbacks.add(this);
  }

  /** @param result Bytes that were sent, a negative errno, or an error that no system call caused. */
  finish(result: number | Error): void {
    if (this.#isLate) nextTick(reportTo, this);
    this.#result = result;
  }

  /** Called in the tick in which Node's lookup would be over. */
  isWanted(): boolean {
    return this.#owner.isOpen();
  }

  /** Called in the callback's tick: calls it, or defers it if the message still waits for room. */
  report(): void {
    const result = this.#result;
    if (result === undefined) this.#waitInContext();
    else if (typeof result === "number" && result >= 0) this.#call(this.#callback, null, result);
    else this.#call(callWithError, this.#callback, this.#errorOf(result));
  }

  #waitInContext(): void {
    if (this.#context === OWN_TICK) this.#context = this.#owner.contexts.capture(this.#owner.asyncId);
    this.#isLate = true;
  }

  #call<First, Second>(call: (first: First, second: Second) => void, first: First, second: Second): void {
    if (this.#context === OWN_TICK) call(first, second);
    else this.#owner.contexts.run(this.#context, call, first, second);
  }

  #errorOf(result: number | Error): Error {
    return typeof result === "number" ? this.#owner.sendError(-result, this.#address, this.#port) : result;
  }
}

function reportTo(next: Reporting): void {
  next.report();
}

/** With one argument, as Node does. */
function callWithError(callback: SendCallback, error: Error): void {
  (callback as (error: Error) => void)(error);
}

/** Calls back in the caller's asynchronous context when all messages were sent or have failed. */
export class SendManyOperation {
  readonly #owner: OperationOwner;
  readonly #callback: SendManyCallback;
  readonly #context: unknown;
  #pending: number;
  #sent = 0;
  /** The outcome of the first message, in the order given, that failed: an error, or a negative errno. */
  #failure: Error | number = 0;
  #failed: Pick<SendManyError, "index" | "address" | "port"> = { index: Infinity };

  /** Cancels the messages if it is aborted. */
  readonly #signal: AbortSignal | undefined;
  readonly #requests: SendRequest[] = [];
  readonly #abort: () => void;

  /** @param withdraw Cancels messages that wait. */
  constructor(
    owner: OperationOwner,
    count: number,
    callback: SendManyCallback,
    signal?: AbortSignal,
    withdraw?: (request: SendRequest) => void,
  ) {
    this.#owner = owner;
    this.#signal = signal;
    this.#abort = () => this.#requests.forEach((request) => withdraw!(request));
    if (count > 0) signal?.addEventListener("abort", this.#abort);
    this.#pending = count;
    this.#callback = callback;
    this.#context = owner.contexts.capture(owner.asyncId);
    if (count === 0) nextTick(reportTo, this);
  }

  /**
   * Makes the request of the messages that go to one destination. They finish in their order.
   *
   * @param first The index of the first message.
   * @param address An IP address, or the path of a Unix socket.
   */
  requestFrom(first: number, address: string | undefined, port: number | undefined): GroupRequest {
    const request = new GroupRequest(this, first, address, port);
    if (this.#signal) this.#requests.push(request);
    return request;
  }

  /**
   * For the requests: a message was sent, or has failed.
   * @param result Bytes that were sent, a negative errno, or an error that no system call caused.
   */
  settle(index: number, result: number | Error, address: string | undefined, port: number | undefined): void {
    if (this.#pending === 1) nextTick(reportTo, this);
    this.#pending--;
    if (typeof result === "number" && result >= 0) this.#sent++;
    else if (index < this.#failed.index) {
      this.#failure = result;
      this.#failed = { index, address, port };
    }
    if (this.#pending === 0) this.#signal?.removeEventListener("abort", this.#abort);
  }

  /** Called when all messages were sent or have failed. */
  report(): void {
    const failure = this.#failure;
    const error = failure === 0 ? null : this.#errorOf(failure);
    this.#owner.contexts.run(this.#context, this.#callback, error, this.#sent);
  }

  #errorOf(failure: Error | number): SendManyError {
    const { index, address, port } = this.#failed;
    const own = typeof failure === "number" ? this.#owner.sendError(-failure, address, port) : failure;
    const error = orAborted(own, this.#signal);
    // The messages of a connected socket have no address.
    return Object.assign(error, { index }, address === undefined ? {} : { address, port });
  }
}

/** Is notified of messages with one destination, which finish in order. */
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

  /** @param result Bytes that were sent, a negative errno, or an error that no system call caused. */
  finish(result: number | Error): void {
    this.#operation.settle(this.#next++, result, this.#address, this.#port);
  }
}
