/**
 * Iteration over datagrams by `for await`. Between two steps datagrams wait in a queue; if it is full, the socket is
 * paused.
 *
 * @module
 */
import type { AnySocket } from "./events.ts";
import { endpointOf } from "./socket_state.ts";

/** If the queue holds this many datagrams, the socket is paused. */
const MOST = 64;
/** If it holds only this many, the socket is resumed. */
const FEWEST = 16;

/** The result of a step of the iteration. */
type Step<Datagram> = IteratorResult<Datagram, undefined>;

interface Waiting<Datagram> {
  readonly resolve: (step: Step<Datagram>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Iterates over the datagrams of one socket, from the first step on. It ends when the socket is closed, and at the
 * socket's `'error'`, which it throws. When it ends, the socket is as before, without the iterator's listeners.
 */
export class DatagramIterator<Datagram extends readonly unknown[]>
  implements AsyncIterableIterator<Datagram, undefined, void> {
  readonly #socket: AnySocket;
  #state: "unused" | "open" | "over" = "unused";
  readonly #queue: Datagram[] = [];
  /** Steps that wait for a datagram. */
  readonly #waiting: Waiting<Datagram>[] = [];
  /** The error to throw after the queue, once. */
  #error: { readonly value: unknown } | undefined;
  #pauses = false;

  constructor(socket: AnySocket) {
    this.#socket = socket;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next datagram. */
  next(): Promise<Step<Datagram>> {
    if (this.#state === "unused") this.#start();
    const datagram = this.#queue.shift();
    if (datagram !== undefined) {
      if (this.#pauses && this.#queue.length <= FEWEST) this.#pause(false);
      return Promise.resolve({ value: datagram, done: false });
    }
    if (this.#error !== undefined) {
      const { value } = this.#error;
      this.#error = undefined;
      return Promise.reject(value);
    }
    if (this.#state === "over") return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Ends the iteration, as `break` does. What is in the queue is dropped. */
  return(): Promise<Step<Datagram>> {
    this.#queue.length = 0;
    this.#error = undefined;
    this.#end();
    return Promise.resolve(DONE);
  }

  /** Ends the iteration with an error. */
  async throw(error: unknown): Promise<Step<Datagram>> {
    await this.return();
    throw error;
  }

  /** Ends the iteration: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #start(): void {
    const socket = this.#socket;
    if (endpointOf(socket) === undefined) {
      this.#state = "over";
      return;
    }
    this.#state = "open";
    socket.on("message", this.#onMessage);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  readonly #onMessage = (...datagram: readonly unknown[]): void => {
    const first = this.#waiting.shift();
    if (first !== undefined) return first.resolve({ value: datagram as Datagram, done: false });
    this.#queue.push(datagram as Datagram);
    if (this.#queue.length >= MOST && !this.#pauses) this.#pause(true);
  };

  readonly #onError = (error: unknown): void => {
    const first = this.#waiting.shift();
    if (first === undefined) this.#error = { value: error };
    else first.reject(error);
    this.#end();
  };

  readonly #onClose = (): void => {
    this.#end();
  };

  #pause(pauses: boolean): void {
    this.#pauses = pauses;
    endpointOf(this.#socket)?.setPaused(this, pauses);
  }

  /** No datagram follows. */
  #end(): void {
    const socket = this.#socket;
    if (this.#state === "open") {
      socket.removeListener("message", this.#onMessage);
      socket.removeListener("error", this.#onError);
      socket.removeListener("close", this.#onClose);
    }
    this.#state = "over";
    if (this.#pauses) this.#pause(false);
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }
}

const DONE: IteratorResult<never, undefined> = { value: undefined, done: true };
