/**
 * When the callbacks of `send()` and `sendMany()` are called, and with what.
 *
 * | what happens to the message | callback of `send()` | callback of `sendMany()` |
 * |---|---|---|
 * | the kernel takes it | `(null, bytes)` | counts it as sent |
 * | the kernel, a permission or a block list refuses it | `(error)` | has its error, if it is the first to fail |
 * | the lookup fails | `(error)`; without a callback `'error'` | there is no lookup |
 * | it waits for room when the socket is closed | `(ECANCELED)` | has ECANCELED |
 * | its signal is aborted before it has left | `(AbortError)` | has the AbortError |
 * | others wait, and there would be more than `sendQueueLimit` | `(ENOBUFS)` | has ENOBUFS |
 * | the socket is closed in the same turn, and has a peer | `(null, bytes)` | is called |
 * | the socket is closed in the same turn, without a peer | never called, as in Node; unlike in Node the message leaves | is called |
 * | the socket is closed during the lookup | never called, and the message does not leave, as in Node | there is no lookup |
 * | binding fails | never called; `'error'`, as in Node | never called; `'error'` |
 * | the program ends first | never called; the message leaves | never called; the messages leave |
 *
 * Node calls back one tick after the kernel has taken the message: on a connected socket that is in `send()`, otherwise a tick later,
 * after the lookup. Here the kernel takes messages at the end of the turn; the ticks are the same.
 *
 * @module
 */
import type { AsyncContexts } from "../../ffi/runtimes/async_context.ts";
import { nextTick } from "../../ffi/runtimes/process.ts";
import { orAborted } from "../errors/node_errors.ts";
import type { SendCallback, SendManyCallback, SendManyError } from "./types.ts";

/** Someone waits to hear how a message fared. */
export interface SendRequest {
  /**
   * Called once. If it throws, it has done nothing.
   *
   * @param result Bytes that were sent, or a negative errno.
   */
  finish(result: number): void;
  /** The request that this one tells in its turn. */
  readonly inner?: SendRequest | undefined;
}

/** One callback. */
export interface DueCallback {
  /** Whether it is still wanted after the first tick. */
  isWanted(): boolean;
  /** Calls it. */
  report(): void;
}

/** The callbacks of one thread. A tick for each would take as long as all else that sending takes. */
export class SendCallbacks {
  /** Those that wait for the first tick. */
  #group: DueCallback[] | undefined;

  /** Has one called at the tick after the next, behind those that were added before. */
  add(callback: DueCallback): void {
    if (this.#group) {
      this.#group.push(callback);
    } else {
      nextTick(this.#firstTick);
      this.#group = [callback];
    }
  }

  readonly #firstTick = (): void => {
    const group = this.#group!;
    this.#group = undefined;
    let count = 0;
    for (const callback of group) if (callback.isWanted()) group[count++] = callback;
    group.length = count;
    if (count > 0) nextTick(reportAll, group, 0);
  };
}

/** If one throws, the others follow in a tick of their own. */
function reportAll(callbacks: readonly DueCallback[], first: number): void {
  let next = first;
  try {
    while (next < callbacks.length) callbacks[next++].report();
  } finally {
    if (next < callbacks.length) nextTick(reportAll, callbacks, next);
  }
}

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

/** One `send()` with a callback. */
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
    nextTick(reportSend, this);
  }

  /** Likewise for the tick after the next, where Node's lookup would be over. Closing the socket before means no callback. */
  scheduleAfterLookup(): void {
    this.#keepContext();
    this.#owner.callbacks.add(this);
  }

  /** @param result An error where it is no system call's. */
  finish(result: number | Error): void {
    if (this.#isLate) nextTick(reportSend, this);
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

function reportSend(operation: SendOperation): void {
  operation.report();
}

/** With an error alone, as Node does. */
function callWithError(callback: SendCallback, error: Error): void {
  (callback as (error: Error) => void)(error);
}

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

  /** What takes the messages back, and who does so. */
  readonly #signal: AbortSignal | undefined;
  readonly #requests: SendRequest[] = [];
  readonly #abort: () => void;

  /** @param withdraw Has messages not leave that wait. */
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
    if (count === 0) nextTick(reportSendMany, this);
  }

  /**
   * Who hears of messages that go to one destination, in their order.
   *
   * @param first The index of the first of them.
   * @param address An IP address, or the path of a Unix socket.
   */
  requestFrom(first: number, address: string | undefined, port: number | undefined): GroupRequest {
    const request = new GroupRequest(this, first, address, port);
    if (this.#signal) this.#requests.push(request);
    return request;
  }

  /** For the requests: a message was sent, or failed. @param result An error if it is no system call's. */
  settle(index: number, result: number | Error, address: string | undefined, port: number | undefined): void {
    if (this.#pending === 1) nextTick(reportSendMany, this);
    this.#pending--;
    if (typeof result === "number" && result >= 0) this.#sent++;
    else if (index < this.#failed.index) {
      this.#failure = result;
      this.#failed = { index, address, port };
    }
    if (this.#pending === 0) this.#signal?.removeEventListener("abort", this.#abort);
  }

  /** All messages are done. */
  report(): void {
    const failure = this.#failure;
    const error = failure === 0 ? null : this.#errorOf(failure);
    this.#owner.contexts.run(this.#context, this.#callback, error, this.#sent);
  }

  #errorOf(failure: Error | number): SendManyError {
    const { index, address, port } = this.#failed;
    const own = typeof failure === "number" ? this.#owner.sendError(-failure, address, port) : failure;
    const error = orAborted(own, this.#signal);
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

function reportSendMany(operation: SendManyOperation): void {
  operation.report();
}
