/**
 * Waiting for datagrams one by one, on a socket that receives only while they are wanted.
 *
 * @module
 */
import type { AnySocket } from "../endpoint/events.ts";
import { endpointOf } from "../endpoint/socket_state.ts";
import { aborted, notRunning } from "../errors/node_errors.ts";
import { type Abortable, abortable, signalOf } from "./settle.ts";

/** Waits for a datagram: called with it or with an error. */
type Receiver<Datagram> = (datagram: Datagram | undefined, error?: unknown) => void;

/** The pauser while there are no listeners. */
const IDLE = "idle";

/** Pauses a socket while it has no listeners for datagrams. */
export function pauseWhileIdle(socket: AnySocket): void {
  const update = (isHeard: boolean): void => endpointOf(socket)?.setPaused(IDLE, !isHeard);
  const isDatagrams = (event: unknown): boolean => event === "message" || event === "messages";
  update(false);
  socket.on("newListener", (event: unknown) => {
    if (isDatagrams(event)) update(true);
  });
  socket.on("removeListener", (event: unknown) => {
    if (isDatagrams(event)) update(socket.listenerCount("message") + socket.listenerCount("messages") > 0);
  });
}

/** Those who wait for the datagrams of one socket. It has listeners while there are any. */
export class Receivers<Datagram extends readonly unknown[]> {
  readonly #socket: AnySocket;
  /** Each waits for one datagram. */
  readonly #receivers: Receiver<Datagram>[] = [];

  constructor(socket: AnySocket) {
    this.#socket = socket;
  }

  /** Waits for the next datagram. */
  receive(options: Abortable | undefined): Promise<Datagram> {
    return abortable<Datagram>(undefined, (resolve, reject) => {
      const signal = signalOf(options);
      if (signal?.aborted) return reject(aborted(signal));
      if (!endpointOf(this.#socket)) return reject(notRunning());
      const abort = (): void => {
        this.#forget(receiver);
        reject(aborted(signal!));
      };
      const receiver: Receiver<Datagram> = (datagram, error) => {
        signal?.removeEventListener("abort", abort);
        this.#forget(receiver);
        if (datagram) resolve(datagram);
        else reject(error);
      };
      signal?.addEventListener("abort", abort);
      if (this.#receivers.push(receiver) > 1) return;
      this.#socket.on("message", this.#onMessage);
      this.#socket.on("error", this.#onError);
      this.#socket.on("close", this.#onClose);
    });
  }

  #forget(receiver: Receiver<Datagram>): void {
    const at = this.#receivers.indexOf(receiver);
    if (at >= 0) this.#receivers.splice(at, 1);
    if (this.#receivers.length > 0) return;
    this.#socket.removeListener("message", this.#onMessage);
    this.#socket.removeListener("error", this.#onError);
    this.#socket.removeListener("close", this.#onClose);
  }

  readonly #onMessage = (...datagram: readonly unknown[]): void =>
    this.#receivers[0]?.(datagram as unknown as Datagram);

  readonly #onError = (error: unknown): void => {
    for (const receiver of [...this.#receivers]) receiver(undefined, error);
  };

  readonly #onClose = (): void => this.#onError(notRunning());
}
