/**
 * One socket's receiving side: fetches datagrams in batches and delivers them one by one.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Buffer } from "node:buffer";
import type { SocketAddress } from "../ffi/sockaddr.ts";
import type { ControlDecoder, Inbox, Take } from "./inbox.ts";
import { fillBatch, MessageBatch, type Received } from "./message_batch.ts";
import type { RemoteInfo } from "./types.ts";

/** Datagrams after which a turn ends: then the other sockets and the timers have theirs. */
const DATAGRAMS_PER_TURN = 512;

/** What a batch shows once its listeners are done. */
const NO_BYTES = new Uint8Array();

/** One, out of the arena. */
type Datagram = readonly [message: Buffer<ArrayBuffer>, remote: RemoteInfo];

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
  /** Delivers one. May throw what a listener throws, and may close the socket. @returns False where there is no listener. */
  deliver(message: Buffer<ArrayBuffer>, remote: RemoteInfo): boolean;
  /** Reports that receiving failed. May throw likewise. */
  fail(errno: number): void;
}

/** The receiving side of one socket. */
export class Receiver {
  readonly #inbox: Inbox;
  readonly #socket: ReceivingSocket;
  readonly #EAGAIN: number;
  /** Fetched, and delivered in a later turn of the event loop. Until then nothing more is fetched. */
  #kept: Datagram[] = [];
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
    let goesOn = !this.#resumption;
    for (let datagrams = 0; goesOn && datagrams < DATAGRAMS_PER_TURN;) {
      const received = this.#inbox.receive(socket.fd, socket.isShared ? 1 : undefined, socket.controlDecoder);
      if (received === -this.#EAGAIN) return;
      if (typeof received === "number") return socket.fail(-received);
      for (const { count } of received) datagrams += count;
      const heard = received.filter(({ sender }) => !socket.drops(sender));
      goesOn = heard.length === 0 ||
        (socket.batchListeners() > 0 ? this.#deliverBatch(heard) : this.#deliverFetched(heard));
    }
  }

  /** Drops what was fetched and not delivered: the socket is closing. */
  stop(): void {
    this.#kept = [];
  }

  /**
   * Delivers out of the arena, one by one: what a listener does not hold on to is garbage before the next is copied.
   *
   * It ends when the socket is closed, or when nobody listens any more: `once()` in a loop of awaits is such a case, and its
   * next listener comes only after promises have run. The rest then follows in a later turn of the event loop, as it does
   * where a listener throws.
   *
   * @returns Whether to go on: the socket is still open, and who listened still does.
   */
  #deliverFetched(payloads: readonly Received[]): boolean {
    if (this.#socket.listeners() === 0) return true;
    let next = 0;
    let taken = 0;
    const socket = this.#socket;
    const take: Take = (message, remote) => {
      taken++;
      if (socket.deliver(message, remote)) return socket.fd >= 0;
      taken--;
      return false;
    };
    try {
      for (; next < payloads.length; next++) {
        taken = 0;
        if (!this.#inbox.copy(payloads[next], 0, take)) return false;
      }
      return this.#isHeard();
    } finally {
      if (next < payloads.length) this.#keep(this.#copied(payloads.slice(next), taken));
    }
  }

  /** The same for what is out of the arena already. */
  #deliverCopied(datagrams: readonly Datagram[]): boolean {
    if (this.#socket.listeners() === 0) return true;
    let next = 0;
    try {
      while (next < datagrams.length) {
        const [message, remote] = datagrams[next++];
        if (!this.#socket.deliver(message, remote)) {
          next--;
          return false;
        }
        if (this.#socket.fd < 0) return false;
      }
      return this.#isHeard();
    } finally {
      this.#keep(datagrams.slice(next));
    }
  }

  /** Whether the next datagram would be heard. */
  #isHeard(): boolean {
    return this.#socket.fd >= 0 && this.#socket.listeners() > 0;
  }

  /** @returns As {@linkcode Receiver.#deliverFetched}. */
  #deliverBatch(payloads: readonly Received[]): boolean {
    // Listeners for 'message' get the same datagrams, but who gets the batch may write into its memory.
    const copied = this.#socket.listeners() > 0 ? this.#copied(payloads, 0) : [];
    const batch = this.#batch ??= new MessageBatch();
    fillBatch(batch, this.#inbox.bytes, payloads);
    let hasReturned = false;
    try {
      this.#socket.deliverBatch(batch);
      hasReturned = true;
    } finally {
      fillBatch(batch, NO_BYTES, []);
      if (!hasReturned) this.#keep(copied);
    }
    return this.#socket.fd >= 0 && this.#deliverCopied(copied);
  }

  /** Copies payloads out of the arena, but for the first one's first datagrams. */
  #copied(payloads: readonly Received[], first: number): Datagram[] {
    const datagrams: Datagram[] = [];
    const take: Take = (message, remote) => datagrams.push([message, remote]) > 0;
    for (const payload of payloads) {
      if (first < payload.count) this.#inbox.copy(payload, first, take);
      first = 0;
    }
    return datagrams;
  }

  /** Has datagrams delivered in a later turn. */
  #keep(datagrams: Datagram[]): void {
    if (datagrams.length === 0 || this.#socket.fd < 0) return;
    this.#kept = datagrams;
    this.#resumption = setImmediate(() => {
      this.#resumption = undefined;
      const kept = this.#kept;
      this.#kept = [];
      this.#deliverCopied(kept);
    });
  }
}
