/**
 * One socket's error queue: reads and delivers its messages, and distinguishes errors that only repeat one of them from errors of
 * the call itself.
 *
 * An ICMP error is put on the queue, and also becomes the error of the socket's next call, whichever that is. So a message may be
 * refused because of another one, and has to be sent again.
 *
 * @module
 */
import type { Abi } from "../../ffi/abi/abi.ts";
import type { ErrorQueue, QueuedError } from "../../ffi/wire/error_queue.ts";
import { type NetworkError, networkErrorOf } from "./network_error.ts";

/** Messages read in one turn. The poll loop calls again while there are more. */
const MESSAGES_PER_TURN = 256;

/** The errnos that Linux makes of ICMP and ICMPv6 messages. */
const ICMP_ERRNOS = [
  ...["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EMSGSIZE", "EPROTO", "ENOPROTOOPT", "EACCES"],
  ...["EHOSTDOWN", "ENONET", "ENOTSUP"],
];

/** What an error receiver needs from its socket. */
export interface ErrorReceivingSocket {
  /** The descriptor, or -1 once closed. */
  readonly fd: number;
  /** Delivers one error. May throw what a listener throws, and may close the socket. */
  deliverNetworkError(error: NetworkError): void;
  /** Asks for a turn in which {@linkcode ErrorReceiver.step} is called. */
  requestErrorTurn(): void;
  /** Whether the kernel may have found no room for a message on the error queue since this was asked last. */
  hadNoRoom(): boolean;
}

/** The error queue of one socket. */
export class ErrorReceiver {
  /** Whether ICMP errors are put on the queue (IP_RECVERR). */
  takesNetworkErrors = false;
  /** How often there may have been no room for a message when the queue was read. */
  overruns = 0;
  /** Delivers a transmit timestamp. May throw what a listener throws, and may close the socket. */
  onTimestamp: ((message: QueuedError) => void) | undefined;
  readonly #queue: ErrorQueue;
  readonly #socket: ErrorReceivingSocket;
  readonly #abi: Abi;
  readonly #icmpErrnos: readonly number[];
  /** Messages that were read and not delivered yet. */
  #fetched: QueuedError[] = [];

  constructor(queue: ErrorQueue, socket: ErrorReceivingSocket, abi: Abi) {
    this.#queue = queue;
    this.#socket = socket;
    this.#abi = abi;
    this.#icmpErrnos = ICMP_ERRNOS.flatMap((name) => abi.errno[name] ?? []);
  }

  /** Whether messages that were read are not delivered yet. The kernel does not report them again. */
  get isMoreFetched(): boolean {
    return this.#fetched.length > 0;
  }

  /** Delivers one message; reads the queue if there is none. @returns Whether something was done. */
  step(): boolean {
    if (this.#fetched.length === 0) this.#fetch();
    const message = this.#fetched.shift();
    if (message) this.#deliverOne(message);
    return message !== undefined;
  }

  /** Whether a receive error repeats one on the queue, so that it need not be reported. */
  repeats(errno: number): boolean {
    return this.takesNetworkErrors && this.#icmpErrnos.includes(errno);
  }

  /**
   * Whether sending may have failed with the error of an earlier message. Then the message can be sent again; an error of its own
   * would repeat. Messages of the queue are delivered in a later turn.
   *
   * @param attempt How many times the message was already sent again.
   */
  mayRetry(errno: number, attempt: number): boolean {
    if (!this.repeats(errno)) return false;
    const before = this.#fetched.length;
    this.#fetch();
    if (this.#fetched.length > 0) this.#socket.requestErrorTurn();
    if (this.#fetched.slice(before).some((message) => message.errno === errno && this.#isOfNetwork(message))) {
      return true;
    }
    // Perhaps the queue had no room for it. A message that is too large causes an entry each time it is sent.
    return attempt === 0 && errno !== this.#abi.errno.EMSGSIZE;
  }

  /**
   * The errno of a message that was just refused before it left, or 0. sendmmsg returns it only for the first message of a call. Its
   * entry is already on the queue, and trying the message again would add another.
   */
  localError(): number {
    const before = this.#fetched.length;
    this.#fetch();
    if (this.#fetched.length > 0) this.#socket.requestErrorTurn();
    const { SO_EE_ORIGIN_LOCAL } = this.#abi.linux!;
    return this.#fetched.slice(before).findLast(({ origin }) => origin === SO_EE_ORIGIN_LOCAL)?.errno ?? 0;
  }

  /** Drops what was not delivered: the socket is closing. */
  stop(): void {
    this.#fetched = [];
  }

  #fetch(): void {
    if (this.#socket.hadNoRoom()) this.overruns++;
    for (let taken = 0; taken < MESSAGES_PER_TURN;) {
      const messages = this.#queue.read(this.#socket.fd);
      // An error also shows when the socket is read.
      if (typeof messages === "number" || messages.length === 0) return;
      taken += messages.length;
      // The reader reuses its memory.
      for (const message of messages) this.#fetched.push({ ...message, payload: message.payload.slice() });
    }
  }

  #deliverOne(message: QueuedError): void {
    if (message.origin === this.#abi.linux!.SO_EE_ORIGIN_TIMESTAMPING) return this.onTimestamp?.(message);
    const error = this.takesNetworkErrors ? networkErrorOf(this.#abi, message) : undefined;
    if (error) this.#socket.deliverNetworkError(error);
  }

  #isOfNetwork({ origin }: QueuedError): boolean {
    const { SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 } = this.#abi.linux!;
    return origin === SO_EE_ORIGIN_ICMP || origin === SO_EE_ORIGIN_ICMP6;
  }
}
