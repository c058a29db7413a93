/**
 * Messages that an AbortSignal cancels while they wait for room in the kernel. A message that the kernel has taken
 * cannot be canceled.
 *
 * @module
 */
import { aborted } from "../errors/node_errors.ts";
import type { SendOperation, SendRequest } from "./callbacks.ts";

/** The sending side of a socket, as far as an aborted message needs it. */
export interface Withdrawing {
  /** Takes the request's messages that wait out of the queue; they fail with `result`. */
  withdraw(request: SendRequest, result: number): void;
}

/** One message with a signal, until it was sent or has failed. */
export class AbortableRequest implements SendRequest {
  readonly #signal: AbortSignal;
  readonly #operation: SendOperation | undefined;
  readonly #ECANCELED: number;
  readonly #abort: () => void;

  /** @param operation Is notified of the outcome. */
  constructor(signal: AbortSignal, operation: SendOperation | undefined, socket: Withdrawing, ECANCELED: number) {
    this.#signal = signal;
    this.#operation = operation;
    this.#ECANCELED = ECANCELED;
    this.#abort = () => socket.withdraw(this, -ECANCELED);
    signal.addEventListener("abort", this.#abort);
  }

  /** @param result Bytes that were sent, a negative errno, or an error that no system call caused. */
  finish(result: number | Error): void {
    const wasTakenBack = result === -this.#ECANCELED && this.#signal.aborted;
    this.#operation?.finish(wasTakenBack ? aborted(this.#signal) : result);
    this.#signal.removeEventListener("abort", this.#abort);
  }
}
