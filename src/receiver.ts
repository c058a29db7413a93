/**
 * One socket's receiving side: fetches datagrams in batches and delivers them one by one.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Datagram, Inbox } from "./inbox.ts";

/** Batches fetched in one turn at most; then the other sockets and the timers have theirs. */
const BATCHES_PER_TURN = 4;

/** What a receiver needs of its socket. */
export interface ReceivingSocket {
  /** The descriptor, or -1 once closed. */
  readonly fd: number;
  /** How many listeners wait for datagrams. */
  listeners(): number;
  /** Delivers one. May throw what a listener throws, and may close the socket. */
  deliver(datagram: Datagram): void;
  /** Reports that receiving failed. May throw likewise. */
  fail(errno: number): void;
}

/** The receiving side of one socket. */
export class Receiver {
  readonly #inbox: Inbox;
  readonly #socket: ReceivingSocket;
  readonly #EAGAIN: number;
  /** Fetched but not yet delivered, and how far delivery has come. */
  #fetched: Datagram[] = [];
  #delivered = 0;
  #resumption: ReturnType<typeof setImmediate> | undefined;

  constructor(inbox: Inbox, socket: ReceivingSocket, EAGAIN: number) {
    this.#inbox = inbox;
    this.#socket = socket;
    this.#EAGAIN = EAGAIN;
  }

  /** Fetches and delivers what waits: some of it, where there is much. The poll loop calls again while there is more. */
  receive(): void {
    for (let batch = 0; batch < BATCHES_PER_TURN; batch++) {
      if (!this.#deliverFetched()) return;
      const count = this.#inbox.receive(this.#socket.fd, this.#fetched);
      if (count === -this.#EAGAIN) return;
      if (count < 0) return this.#socket.fail(-count);
    }
    this.#deliverFetched();
  }

  /** Drops what was fetched and not delivered: the socket is closing. */
  stop(): void {
    this.#fetched = [];
    this.#delivered = 0;
  }

  /**
   * Delivers until all is delivered, the socket is closed, or nobody listens any more who did before: `once()` in a loop of
   * awaits is such a case, and its next listener comes only after promises have run. The rest then follows in a later turn
   * of the event loop, as it does where a listener throws.
   *
   * @returns Whether all is delivered and the socket still open.
   */
  #deliverFetched(): boolean {
    if (this.#resumption) return false;
    try {
      while (this.#delivered < this.#fetched.length) {
        const listened = this.#socket.listeners() > 0;
        this.#socket.deliver(this.#fetched[this.#delivered++]);
        if (listened && this.#socket.listeners() === 0) break;
      }
    } finally {
      if (this.#delivered < this.#fetched.length) this.#resumeLater();
      else this.stop();
    }
    return !this.#resumption && this.#socket.fd >= 0;
  }

  #resumeLater(): void {
    this.#resumption = setImmediate(() => {
      this.#resumption = undefined;
      this.#deliverFetched();
    });
  }
}
