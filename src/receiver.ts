/**
 * One socket's receiving side: fetches datagrams in batches and delivers them one by one.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Buffer } from "node:buffer";
import type { SocketAddress } from "../ffi/sockaddr.ts";
import type { ControlDecoder, Datagrams, Inbox } from "./inbox.ts";
import { datagramsIn, fillBatch, MessageBatch, type Received } from "./message_batch.ts";
import type { RemoteInfo } from "./types.ts";

/** Datagrams after which a turn ends: then the other sockets and the timers have theirs. */
const DATAGRAMS_PER_TURN = 512;

/** What a batch shows once its listeners are done. */
const NO_BYTES = new Uint8Array();

const NOTHING: Datagrams = { messages: [], remotes: [] };

/** What a receiver needs of its socket. */
export interface ReceivingSocket {
  /** The descriptor, or -1 once closed. */
  readonly fd: number;
  /** Whether others receive from the descriptor as well: what is taken from it, they do not get. */
  readonly isShared: boolean;
  /** Reads the control messages; undefined where nothing was asked for. */
  readonly controlDecoder: ControlDecoder | undefined;
  /** Whether what this sender sends is not to be delivered. */
  drops(sender: SocketAddress): boolean;
  /** How many listeners wait for datagrams. */
  listeners(): number;
  /** How many listeners wait for batches. */
  batchListeners(): number;
  /** Delivers one batch. May throw likewise, and may close the socket. */
  deliverBatch(batch: MessageBatch): void;
  /** Delivers one. May throw what a listener throws, and may close the socket. */
  deliver(message: Buffer<ArrayBuffer>, remote: RemoteInfo): void;
  /** Reports that receiving failed. May throw likewise. */
  fail(errno: number): void;
}

/** The receiving side of one socket. */
export class Receiver {
  readonly #inbox: Inbox;
  readonly #socket: ReceivingSocket;
  readonly #EAGAIN: number;
  /** Fetched but not yet delivered, and how far delivery has come. */
  #fetched = NOTHING;
  #delivered = 0;
  #batch: MessageBatch | undefined;
  #resumption: ReturnType<typeof setImmediate> | undefined;

  constructor(inbox: Inbox, socket: ReceivingSocket, EAGAIN: number) {
    this.#inbox = inbox;
    this.#socket = socket;
    this.#EAGAIN = EAGAIN;
  }

  /** Fetches and delivers what waits: some of it, where there is much. The poll loop calls again while there is more. */
  receive(): void {
    const socket = this.#socket;
    for (let datagrams = 0; datagrams < DATAGRAMS_PER_TURN && this.#deliverFetched();) {
      const received = this.#inbox.receive(socket.fd, socket.isShared ? 1 : undefined, socket.controlDecoder);
      if (received === -this.#EAGAIN) return;
      if (typeof received === "number") return socket.fail(-received);
      for (const payload of received) datagrams += datagramsIn(payload);
      const heard = received.filter(({ sender }) => !socket.drops(sender));
      if (socket.listeners() > 0) this.#fetched = this.#inbox.copy(heard);
      if (heard.length > 0 && socket.batchListeners() > 0) this.#deliverBatch(heard);
    }
    this.#deliverFetched();
  }

  /** Drops what was fetched and not delivered: the socket is closing. */
  stop(): void {
    this.#fetched = NOTHING;
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
    const socket = this.#socket;
    const { messages, remotes } = this.#fetched;
    const listened = socket.listeners() > 0;
    try {
      // Closing the socket sets #delivered back to 0 and #fetched anew.
      while (this.#delivered < messages.length && this.#fetched.messages === messages) {
        const next = this.#delivered++;
        socket.deliver(messages[next], remotes[next]);
        if (listened && socket.listeners() === 0) break;
      }
    } finally {
      if (this.#delivered < this.#fetched.messages.length) this.#resumeLater();
      else this.stop();
    }
    return !this.#resumption && this.#socket.fd >= 0;
  }

  #deliverBatch(payloads: readonly Received[]): void {
    const batch = this.#batch ??= new MessageBatch();
    fillBatch(batch, this.#inbox.bytes, payloads);
    let hasReturned = false;
    try {
      this.#socket.deliverBatch(batch);
      hasReturned = true;
    } finally {
      fillBatch(batch, NO_BYTES, []);
      // The same datagrams may be waiting for 'message'.
      if (!hasReturned && this.#fetched.messages.length > 0) this.#resumeLater();
    }
  }

  #resumeLater(): void {
    this.#resumption = setImmediate(() => {
      this.#resumption = undefined;
      this.#deliverFetched();
    });
  }
}
