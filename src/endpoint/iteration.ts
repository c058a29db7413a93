/**
 * Datagrams by `for await`: what comes between two steps waits, in a queue of bounded length; then the socket is paused.
 *
 * @module
 */
import type { AnySocket } from "./events.ts";
import { endpointOf } from "./socket_state.ts";

/** With as many datagrams in the queue the socket is paused. */
const MOST = 64;
/** With as many it goes on. */
const FEWEST = 16;

/** What a step of the iteration gives. */
type Step<Datagram> = IteratorResult<Datagram, undefined>;

interface Waiting<Datagram> {
  readonly resolve: (step: Step<Datagram>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The datagrams of one socket, from the first step on. It ends when the socket is closed, and after the socket's `'error'`, which it
 * throws. Ending it leaves the socket as it was, without listeners of this one.
 */
export class DatagramIterator<Datagram extends readonly unknown[]>
  implements AsyncIterableIterator<Datagram, undefined, void> {
  readonly #socket: AnySocket;
  #state: "unused" | "open" | "over" = "unused";
  readonly #queue: Datagram[] = [];
  /** Those who wait for a datagram. */
  readonly #waiting: Waiting<Datagram>[] = [];
  /** What is thrown behind the queue, once. */
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

  /** Nothing comes any more. */
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
