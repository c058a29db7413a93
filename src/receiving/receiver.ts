/**
 * The receiving side of one socket: receives datagrams in batches and delivers them one by one.
 *
 * It is called step by step: each step delivers one datagram (or one batch), and ticks and promise jobs run before the next, as
 * between two callbacks of Node. What is not delivered yet stays in the arena, and is copied when another socket needs the arena.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { ControlDecoder, Inbox } from "./inbox.ts";
import { fillBatch, MessageBatch, type Received } from "./message_batch.ts";
import { ownBuffer } from "./own_buffer.ts";
import type { ReceiveDetails } from "./types.ts";

/** After this many datagrams no more are received in one turn, so that other sockets and timers get theirs. */
const DATAGRAMS_PER_TURN: number = 512;

/**
 * The same if the thread has other sockets, once a call has found no more: as many as Node receives from one socket before the others get
 * their turn. What arrives from then on may answer what a listener has sent. If two sockets of a thread answer each other, the one whose
 * turn it is would otherwise fill the receive buffer of the other.
 */
const DATAGRAMS_AFTER_LAST = 32;

/** The content of a batch when its listeners have returned. */
const NO_BYTES = new Uint8Array();
const NOTHING: readonly Received[] = [];

/** What a receiver needs from its socket. */
export interface ReceivingSocket {
  /** The descriptor, or -1 once closed. */
  readonly fd: number;
  /** Whether others receive from the descriptor as well: they do not get what is taken from it. */
  readonly isShared: boolean;
  /** Whether other sockets of the thread also receive. */
  readonly hasNeighbours: boolean;
  /** Decodes the control messages; undefined if no metadata is enabled. */
  readonly controlDecoder: ControlDecoder | undefined;
  /** Whether datagrams of this sender are dropped. */
  drops(sender: SocketAddress): boolean;
  /** Whether anything would notice that a datagram is delivered. */
  hasMessageListeners(): boolean;
  /** Whether there are listeners for batches. */
  hasBatchListeners(): boolean;
  /** `rinfo` of one datagram of a payload: an object that is the listener's own. */
  remoteInfo(payload: Received, size: number): object;
  /** Delivers one datagram. May throw what a listener throws, and may close the socket. */
  deliver(message: Buffer<ArrayBuffer>, remote: object): void;
  /** Delivers one batch. May throw and close likewise. */
  deliverBatch(batch: MessageBatch): void;
  /** Releases what was received with a payload that is not delivered as messages. */
  discard(details: ReceiveDetails | undefined): void;
  /** Reports that receiving failed. May throw and close likewise. */
  fail(errno: number): void;
}

/** What was received ahead of its turn: payloads and their memory, or the errno with which a call failed. */
type Ahead = { readonly payloads: readonly Received[]; readonly bytes: Uint8Array } | { readonly errno: number };

/** The most calls that receive ahead, so that a sender cannot keep it going. */
const MOST_CALLS_AHEAD = 256;

/** The receiving side of one socket. */
export class Receiver {
  readonly #inbox: Inbox;
  readonly #socket: ReceivingSocket;
  readonly #EAGAIN: number;
  /** The received payloads and their memory. */
  #payloads = NOTHING;
  #bytes: Uint8Array = NO_BYTES;
  /** The payload that is delivered next, and how many of its datagrams were delivered. */
  #next = 0;
  #delivered = 0;
  /** What follows them, before the kernel is asked for more. */
  readonly #ahead: Ahead[] = [];
  /** Whether none of them was delivered. Then they are a batch, if there are listeners for batches. */
  #isNew = false;
  /** The number of datagrams received in this turn. */
  #fetched = 0;
  /** After how many datagrams the turn is over. */
  #limit = DATAGRAMS_PER_TURN;
  /** The errno with which every call fails. */
  #failure = 0;
  #batch: MessageBatch | undefined;
  /** What was received so far, and by how many calls. */
  readonly counts = { datagrams: 0, bytes: 0, systemCalls: 0 };

  constructor(inbox: Inbox, socket: ReceivingSocket, EAGAIN: number) {
    this.#inbox = inbox;
    this.#socket = socket;
    this.#EAGAIN = EAGAIN;
  }

  /**
   * Delivers one datagram or one batch, or reports one error. Receives if nothing is left.
   *
   * @returns Whether something was done and there may be more in this turn.
   */
  step(): boolean {
    if (this.#next < this.#payloads.length) {
      this.#deliver();
      return true;
    }
    const isOver = this.#fetched >= this.#limit || !this.#fetch();
    if (isOver) this.#fetched = 0;
    return !isOver;
  }

  /**
   * Receives what waits, for the next turns. A listener may be running: so it goes into other memory than the arena, in which there may be
   * what this socket or another one is delivering.
   *
   * @param inbox The memory.
   */
  receiveAhead(inbox: Inbox): void {
    for (let calls = 0; calls < MOST_CALLS_AHEAD; calls++) {
      const received = this.#receive(inbox);
      if (received === -this.#EAGAIN) return;
      if (typeof received === "number") {
        this.#ahead.push({ errno: -received });
      } else {
        const { payloads, bytes } = copyOf(this.#wanted(received), inbox.bytes);
        if (payloads.length > 0) this.#ahead.push({ payloads, bytes });
      }
    }
  }

  /** The turn is over before all was delivered. @returns Whether there is more. */
  endTurn(): boolean {
    this.#fetched = 0;
    if (this.#next === this.#payloads.length) return this.#ahead.length > 0;
    if (this.#inbox.owns(this.#bytes)) this.#copyRest();
    return true;
  }

  /** Drops what was not delivered: the socket is closing. */
  stop(): void {
    this.#payloads = NOTHING;
    this.#bytes = NO_BYTES;
    this.#next = this.#delivered = 0;
    this.#ahead.length = 0;
  }

  /** Receives, and delivers the first datagram or batch. @returns False if nothing waits or receiving has to stop for now. */
  #fetch(): boolean {
    const ahead = this.#ahead.shift();
    if (ahead) {
      this.#deliverAhead(ahead);
      return true;
    }
    const received = this.#receive(this.#inbox);
    if (typeof received === "number") return this.#failed(-received);
    this.#failure = 0;
    this.#take(received);
    if (this.#payloads.length > 0) this.#deliver();
    return true;
  }

  #deliverAhead(ahead: Ahead): void {
    if ("errno" in ahead) return this.#socket.fail(ahead.errno);
    this.#show(ahead.payloads, ahead.bytes);
    this.#fetched += ahead.payloads.reduce((sum, { count }) => sum + count, 0);
    this.#deliver();
  }

  #receive(inbox: Inbox): readonly Received[] | number {
    this.counts.systemCalls++;
    const { fd, isShared, controlDecoder } = this.#socket;
    return inbox.receive(fd, isShared ? 1 : undefined, controlDecoder, !this.#socket.hasBatchListeners());
  }

  #take(received: readonly Received[]): void {
    const before = this.counts.datagrams;
    const yieldsSoon = !this.#inbox.wasFull && this.#socket.hasNeighbours;
    this.#limit = yieldsSoon ? DATAGRAMS_AFTER_LAST : DATAGRAMS_PER_TURN;
    this.#show(this.#wanted(received), this.#inbox.bytes);
    this.#fetched += this.counts.datagrams - before;
  }

  /** Counts what was received. @returns The payloads that are not dropped. */
  #wanted(received: readonly Received[]): readonly Received[] {
    for (const { count, length } of received) {
      this.counts.datagrams += count;
      this.counts.bytes += length;
    }
    return received.filter(({ sender }) => !this.#socket.drops(sender));
  }

  /** These are delivered next. */
  #show(payloads: readonly Received[], bytes: Uint8Array): void {
    this.#payloads = payloads;
    this.#bytes = bytes;
    this.#next = this.#delivered = 0;
    this.#isNew = true;
  }

  #deliver(): void {
    const isNew = this.#isNew;
    this.#isNew = false;
    if (isNew && this.#socket.hasBatchListeners()) this.#deliverBatch();
    else this.#deliverNext();
  }

  /**
   * A failing call clears the pending error. So an error that repeats at once is the state of the descriptor: it is reported once, and
   * the poll loop polls less and less often. The second call is made before the error is reported, as a listener may cause the next
   * error by sending again.
   *
   * @returns Whether something was done.
   */
  #failed(errno: number): boolean {
    if (errno === this.#EAGAIN) {
      this.#failure = 0;
      return false;
    }
    const isKnown = errno === this.#failure;
    const again = this.#receive(this.#inbox);
    this.#failure = again === -errno ? errno : 0;
    if (typeof again !== "number") this.#take(again);
    if (isKnown) return again !== -errno;
    this.#socket.fail(errno);
    return true;
  }

  /** The position moves on before listeners run: they may throw. */
  #deliverNext(): void {
    const payload = this.#payloads[this.#next]!;
    const { length, segmentSize } = payload;
    const index = this.#delivered;
    const taken = index * segmentSize;
    const size = Math.min(segmentSize, length - taken);
    if (taken + size < length) {
      this.#delivered++;
    } else {
      this.#next++;
      this.#delivered = 0;
    }
    const message = payload.own ?? ownBuffer(
      size === segmentSize
        ? payload.views[index] ??= this.#view(payload, taken, size)
        : this.#view(payload, taken, size),
    );
    payload.own = undefined;
    this.#socket.deliver(message, this.#socket.remoteInfo(payload, size));
  }

  #view({ start }: Received, taken: number, size: number): Uint8Array {
    return this.#bytes.subarray(start + taken, start + taken + size);
  }

  /** Delivers a batch. Its listeners may write to the memory, so the datagrams are copied first if there are 'message' listeners. */
  #deliverBatch(): void {
    const socket = this.#socket;
    const payloads = this.#payloads;
    for (const { own, start } of payloads) if (own) this.#bytes.set(own, start);
    const bytes = this.#inbox.isShowable ? this.#bytes : this.#bytes.slice();
    if (socket.hasMessageListeners()) this.#copyRest();
    else this.#payloads = NOTHING;
    const batch = this.#batch ??= new MessageBatch();
    fillBatch(batch, bytes, payloads);
    try {
      socket.deliverBatch(batch);
    } finally {
      fillBatch(batch, NO_BYTES, NOTHING);
      if (this.#payloads === NOTHING) { for (const { details } of payloads) socket.discard(details); }
    }
  }

  /** Copies what was not delivered yet out of the arena. */
  #copyRest(): void {
    const { payloads, bytes } = copyOf(this.#payloads.slice(this.#next), this.#bytes);
    this.#payloads = payloads;
    this.#bytes = bytes;
    this.#next = 0;
  }
}

/** Payloads in memory of their own. */
function copyOf(received: readonly Received[], from: Uint8Array): { payloads: readonly Received[]; bytes: Uint8Array } {
  const bytes = new Uint8Array(received.reduce((total, { length }) => total + length, 0));
  let end = 0;
  const payloads = received.map((payload) => {
    const start = end;
    end += payload.length;
    bytes.set(payload.own ?? from.subarray(payload.start, payload.start + payload.length), start);
    return { ...payload, start, views: [] };
  });
  return { payloads, bytes };
}
