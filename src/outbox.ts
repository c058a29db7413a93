/**
 * Where datagrams leave: one arena for all sockets of a thread. What is sent in one turn is collected and handed to the
 * kernel at the turn's end, in the order it was sent, in as few system calls as that order allows.
 *
 * Consecutive messages of one socket to one destination with one size (the last may be shorter) and the same control data form
 * a run, which goes to the kernel as one payload with a segment size (UDP_SEGMENT). What the wire carries is the same datagrams.
 *
 * @module
 */
import type { EncodedControls } from "../ffi/control.ts";
import type { Libc } from "../ffi/libc.ts";
import { MessageVector } from "../ffi/message_vector.ts";
import process from "../ffi/process.ts";
import type { EncodedAddress } from "../ffi/sockaddr.ts";
import type { Segments } from "./segments.ts";
import type { SendRequest } from "./sender.ts";

/** Runs collected at most: as many messages as one sendmmsg takes (UIO_MAXIOV). */
const SLOTS = 1024;
/** Bytes collected at most. The largest datagram fits many times. */
const ARENA_SIZE = 2 ** 20;
/** What one payload can carry over IPv4; IPv6 takes a little more. */
const MAX_PAYLOAD = 65_507;

/** The payload of one message: bytes, or pieces of them. */
export type Payload = Uint8Array | readonly Uint8Array[];

/** Hands the messages of one socket to the kernel. */
export interface Transmitter {
  /** Size of the largest messages that may be sent as segments of one payload; 0: none. */
  readonly segmentLimit: number;
  /** Sends the runs from `first` up to `end`, whose memory is used for others afterwards. */
  transmit(collected: Collected, first: number, end: number): void;
  /** Takes a message itself, if others wait that it must not overtake. @returns Whether it did. */
  queueBehind(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean;
}

/** Messages that lie one behind the other in the arena. */
export interface Run {
  readonly sender: Transmitter;
  readonly address: EncodedAddress | undefined;
  /** Control data of each message. */
  readonly controls: EncodedControls | undefined;
  /** Where the first message starts. */
  offset: number;
  /** Bytes of all messages. */
  length: number;
  /** Messages. */
  count: number;
  /** Size of every message but the last. */
  readonly segmentSize: number;
  /** Index of the first message's request. */
  firstRequest: number;
  /** Whether another message can join. */
  open: boolean;
}

/** What the outbox hands to a sender. */
export interface Collected {
  readonly vector: MessageVector;
  /** Each has the slot of its index. */
  readonly runs: readonly Run[];
  /** Who waits to hear of each message. */
  readonly requests: readonly (SendRequest | undefined)[];
}

/** The arena. */
export class Outbox {
  readonly #libc: Libc;
  #maxSegments: number;
  #vector: MessageVector | undefined;
  #bytes: Uint8Array = new Uint8Array();
  #runs: Run[] = [];
  /** The last one, which the next message may join. */
  #last: Run | undefined = undefined;
  #requests: (SendRequest | undefined)[] = [];
  #used = 0;
  #scheduled = false;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#maxSegments = libc.abi.linux?.UDP_MAX_SEGMENTS ?? 1;
  }

  /**
   * Copies a message into the arena. It leaves at the end of the turn, or sooner where the arena is full.
   *
   * @param length The payload's length in bytes.
   * @param address The destination. Messages with the same object have the same destination.
   * @param controls Control messages to go with it, if any; likewise.
   * @returns False where it is larger than the arena: no datagram is.
   */
  add(
    sender: Transmitter,
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    if (length > ARENA_SIZE) return false;
    if (this.#isFull(length)) {
      this.flush();
      // Some of the sender's messages may have found no room just now.
      if (sender.queueBehind(payload, length, address, request, controls)) return true;
    }
    const offset = this.#copy(payload, length);
    const run = this.#last;
    if (run !== undefined && length <= run.segmentSize && canTake(run, sender, length, address, controls)) {
      this.#extend(run, length, 1);
    } else {
      this.#begin(sender, offset, length, 1, length, address, controls);
    }
    this.#requests[this.#requests.length] = request;
    this.#schedule();
    return true;
  }

  /**
   * Copies a run as such.
   *
   * @param request Who waits to hear of each message.
   * @returns False where they cannot go as one payload, or where the arena is full: they are to be added one by one.
   */
  addSegments(
    sender: Transmitter,
    { bytes, size, count }: Segments,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    const length = bytes.byteLength;
    const isPayload = size <= sender.segmentLimit && count <= this.#maxSegments && length <= MAX_PAYLOAD;
    if (!isPayload || this.#isFull(length)) return false;
    const offset = this.#copy(bytes, length);
    const run = this.#last;
    const canJoin = run !== undefined && size === run.segmentSize && run.count + count <= this.#maxSegments;
    if (canJoin && canTake(run, sender, length, address, controls)) this.#extend(run, length, count);
    else this.#begin(sender, offset, length, count, size, address, controls);
    for (let i = 0; i < count; i++) this.#requests.push(request);
    this.#schedule();
    return true;
  }

  /** Hands all that was collected to the kernel. What it has no room for goes back to its sender. */
  flush(): void {
    if (this.#runs.length === 0) return;
    const runs = this.#runs;
    const collected = { vector: this.#vector!, runs, requests: this.#requests };
    this.#runs = [];
    this.#last = undefined;
    this.#requests = [];
    this.#used = 0;
    for (let first = 0; first < runs.length;) {
      const { sender } = runs[first];
      let end = first + 1;
      while (end < runs.length && runs[end].sender === sender) end++;
      sender.transmit(collected, first, end);
      first = end;
    }
  }

  /** The kernel takes no more segments than that in one payload. */
  limitSegments(count: number): void {
    this.#maxSegments = Math.min(this.#maxSegments, count);
  }

  /** Whether there is no room for as many bytes. */
  #isFull(length: number): boolean {
    return this.#runs.length === SLOTS || this.#used + length > ARENA_SIZE;
  }

  /** @returns Where the copy starts. */
  #copy(payload: Payload, length: number): number {
    if (this.#vector === undefined) this.#allocate();
    const offset = this.#used;
    if (payload instanceof Uint8Array) this.#bytes.set(payload, offset);
    else this.#join(payload, offset);
    this.#used = offset + length;
    return offset;
  }

  #allocate(): void {
    this.#vector = new MessageVector(this.#libc, SLOTS, ARENA_SIZE);
    this.#bytes = this.#vector.data.bytes;
  }

  #join(pieces: readonly Uint8Array[], offset: number): void {
    let end = offset;
    for (const piece of pieces) {
      this.#bytes.set(piece, end);
      end += piece.byteLength;
    }
  }

  #begin(
    sender: Transmitter,
    offset: number,
    length: number,
    count: number,
    segmentSize: number,
    address: EncodedAddress | undefined,
    controls: EncodedControls | undefined,
  ): void {
    const firstRequest = this.#requests.length;
    const open = segmentSize <= sender.segmentLimit && count < this.#maxSegments && length === count * segmentSize;
    const run: Run = { sender, address, controls, offset, length, count, segmentSize, firstRequest, open };
    this.#runs.push(run);
    this.#last = run;
  }

  #extend(run: Run, length: number, count: number): void {
    run.length += length;
    run.count += count;
    run.open = length === count * run.segmentSize && run.count < this.#maxSegments;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flushAtEndOfTurn);
  }

  readonly #flushAtEndOfTurn = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}

/** Whether a message can be the next segment of a run. */
function canTake(
  run: Run,
  sender: Transmitter,
  length: number,
  address: EncodedAddress | undefined,
  controls: EncodedControls | undefined,
): boolean {
  return run.open && run.sender === sender && run.address === address && run.controls === controls &&
    length > 0 && run.length + length <= MAX_PAYLOAD;
}
