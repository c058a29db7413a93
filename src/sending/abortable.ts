/**
 * Messages that an AbortSignal takes back while they wait for room in the kernel. What the kernel has, has left.
 *
 * @module
 */
import { aborted } from "../errors/node_errors.ts";
import type { SendOperation, SendRequest } from "./callbacks.ts";

/** What a message that was taken back fails with, inside: as those of a socket that is closed. */
export interface Withdrawing {
  /** Has messages that wait for room not leave after all. */
  withdraw(request: SendRequest, result: number): void;
}

/** One message with a signal, until it has left or failed. */
export class AbortableRequest implements SendRequest {
  readonly #signal: AbortSignal;
  readonly #operation: SendOperation | undefined;
  readonly #ECANCELED: number;
  readonly #abort: () => void;

  /** @param operation Who waits to hear of the message. */
  constructor(signal: AbortSignal, operation: SendOperation | undefined, socket: Withdrawing, ECANCELED: number) {
    this.#signal = signal;
    this.#operation = operation;
    this.#ECANCELED = ECANCELED;
    this.#abort = () => socket.withdraw(this, -ECANCELED);
    signal.addEventListener("abort", this.#abort);
  }

  /** @param result An error if it is no system call's. */
  finish(result: number | Error): void {
    const wasTakenBack = result === -this.#ECANCELED && this.#signal.aborted;
    this.#operation?.finish(wasTakenBack ? aborted(this.#signal) : result);
    this.#signal.removeEventListener("abort", this.#abort);
  }
}
