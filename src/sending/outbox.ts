/**
 * Where datagrams leave: one arena for all sockets of a thread. What is sent in one turn is collected and handed to the
 * kernel at the turn's end, in the order it was sent, in as few system calls as that order allows.
 *
 * Consecutive messages of one socket to one destination with one size (the last may be shorter) and the same control data form
 * a run, which goes to the kernel as one payload with a segment size (UDP_SEGMENT). What the wire carries is the same datagrams.
 *
 * An exception can come out of any call, if only because the stack is full. So each step first does what can throw, and then
 * writes down the outcome with nothing but assignments. What was interrupted goes on at the next flush.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { nextTick } from "../../ffi/runtimes/process.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { MessageVector } from "../../ffi/wire/message_vector.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SendRequest } from "./callbacks.ts";
import type { MessageQueue, WaitingMessage } from "./message_queue.ts";
import type { Path } from "./path.ts";
import { byteLength, copyPayload, type Payload } from "./payload.ts";
import type { Segments } from "./segments.ts";

/** Runs collected at most: as many messages as one sendmmsg takes (UIO_MAXIOV). */
const SLOTS = 1024;
/** Bytes collected at most. The largest datagram fits many times. */
const ARENA_SIZE = 2 ** 20;
/** What one payload can carry over IPv4; IPv6 takes a little more. */
const MAX_PAYLOAD = 65_507;

/** Hands the messages of one socket to the kernel. */
export interface Transmitter {
  /** The path to a destination (undefined: to the peer), if messages may go there as segments of one payload. */
  segmentsTo(address: EncodedAddress | undefined): Path | undefined;
  /**
   * Sends the runs from `first` up to `end`, whose memory is used for others afterwards. If it throws, it is called again with the
   * same runs, and goes on.
   */
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

/** Hands over messages that have waited, too. */
export interface RetryingTransmitter extends Transmitter {
  /** Sends the runs up to `end`, or the first of them: what finds no room stays in its queue. */
  retransmit(collected: Collected, end: number): void;
  /** Has the messages that wait tried once, as there may be no other time. */
  tryWaiting(): void;
}

/** Messages that lie one behind the other in the arena. Those that were sent, or failed, are taken off its front. */
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
  /** Whether one that is shorter than the others can. */
  takesShorter: boolean;
  /** Whether `open` and `takesShorter` are to be found out when its sender has another message: most sockets have one a turn. */
  isUndecided: boolean;
  /** How many messages, from the first on, its slot holds for the kernel to take. */
  submitted: number;
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
  /** The number of the turn. */
  turn = 0;
  /** Those of whose messages some wait for room. */
  readonly waiting = new Set<RetryingTransmitter>();
  /** Whether the process is about to end: then nothing may wait for the turn's end, which might not come. */
  isEnding = false;
  #maxSegments: number;
  #vector: MessageVector | undefined;
  #bytes: Uint8Array = new Uint8Array();
  #runs: Run[] = [];
  /** The first run that no sender is done with. */
  #next = 0;
  /** The last one, which the next message may join. */
  #last: Run | undefined = undefined;
  #requests: (SendRequest | undefined)[] = [];
  /** The largest message that goes alone by each path, if a router might refuse it. */
  readonly #scouts = new Map<Path, number>();
  #used = 0;
  #scheduled = false;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#maxSegments = libc.abi.linux?.UDP_MAX_SEGMENTS ?? 1;
  }

  /**
   * Copies a message into the arena. It leaves at the end of the turn, or sooner where the arena is full. If this throws, the message
   * was not taken.
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
    if (!this.#scheduled) this.schedule();
    if (this.#isFull(length)) {
      this.flush();
      // Some of the sender's messages may have found no room just now.
      if (sender.queueBehind(payload, length, address, request, controls)) return true;
    }
    this.#collect(sender, payload, length, address, request, controls);
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
    const length = byteLength(bytes);
    const path = sender.segmentsTo(address);
    const isPayload = path !== undefined && size <= path.limit && count <= this.#maxSegments && length <= MAX_PAYLOAD;
    if (!isPayload || length <= (count - 1) * size || this.#isFull(length)) return false;
    if (size > path.sure && (length < count * size || !this.#hasGoneAhead(path, size))) return false;
    if (!this.#scheduled) this.schedule();
    copyPayload(bytes, length, this.#memory(), this.#used);
    const run = this.#last;
    if (run !== undefined && run.isUndecided && run.sender === sender) this.#decide(run);
    const fits = run !== undefined && size === run.segmentSize && run.count + count <= this.#maxSegments;
    const joined = fits && canTake(run, sender, length, address, controls) ? run : undefined;
    this.#append(joined, sender, length, count, size, address, request, controls, true, size <= path.sure, false);
    return true;
  }

  /** Hands all that was collected to the kernel. What it has no room for goes back to its sender. No code of others runs meanwhile. */
  flush(): void {
    const runs = this.#runs;
    if (runs.length === 0) return;
    this.#last = undefined;
    const collected = { vector: this.#vector!, runs, requests: this.#requests };
    for (let first = this.#next; first < runs.length; this.#next = first) {
      const { sender } = runs[first];
      let end = first + 1;
      while (end < runs.length && runs[end].sender === sender) end++;
      sender.transmit(collected, first, end);
      first = end;
    }
    this.#clear();
  }

  /**
   * Sends messages that have waited: as many as fit, but no more than `count`. Those that the kernel takes, or refuses for good, leave
   * the queue.
   *
   * @returns How many have left it.
   */
  retry(sender: RetryingTransmitter, queue: MessageQueue<WaitingMessage>, count: number): number {
    this.flush();
    let [added, done] = [0, 0];
    try {
      for (; added < count; added++) {
        const message = queue.at(added);
        if (message === undefined || this.#isFull(message.bytes.length)) break;
        const { bytes, address, request, controls } = message;
        this.#collect(sender, bytes, bytes.length, address, request, controls);
      }
      const runs = this.#runs;
      if (added > 0) sender.retransmit({ vector: this.#vector!, runs, requests: this.#requests }, runs.length);
    } finally {
      done = added;
      for (const { count } of this.#runs) done -= count;
      this.#clear();
      queue.drop(done);
    }
    return done;
  }

  /**
   * The process or the thread is about to end, perhaps at once: whatever can leave, leaves now, and what is sent later leaves within
   * `send()`.
   */
  sendLast(): void {
    // If it goes on after all, so does this.
    this.schedule();
    this.isEnding = true;
    this.flush();
    for (const sender of this.waiting) sender.tryWaiting();
  }

  /** Has what is collected leave at the end of the turn. */
  schedule(): void {
    if (this.#scheduled) return;
    nextTick(this.#flushAtEndOfTurn);
    this.#scheduled = true;
  }

  /** The kernel takes no more segments than that in one payload. */
  limitSegments(count: number): void {
    if (count < this.#maxSegments) this.#maxSegments = count;
  }

  /** Whether there is no room for as many bytes. */
  #isFull(length: number): boolean {
    return this.#runs.length === SLOTS || this.#used + length > ARENA_SIZE;
  }

  /** The arena's bytes. */
  #memory(): Uint8Array {
    if (this.#vector === undefined) this.#allocate();
    return this.#bytes;
  }

  #allocate(): void {
    const vector = new MessageVector(this.#libc, SLOTS, ARENA_SIZE);
    this.#bytes = vector.data.bytes;
    this.#vector = vector;
  }

  #collect(
    sender: Transmitter,
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): void {
    copyPayload(payload, length, this.#memory(), this.#used);
    const run = this.#last;
    if (run !== undefined && run.isUndecided && run.sender === sender) this.#decide(run);
    const joins = run !== undefined && length <= run.segmentSize && canTake(run, sender, length, address, controls);
    const joined = joins ? run : undefined;
    this.#append(joined, sender, length, 1, length, address, request, controls, joins, joins, !joins);
  }

  /** Finds out whether messages may join a run that has one. */
  #decide(run: Run): void {
    const { length } = run;
    const path = run.sender.segmentsTo(run.address);
    const isSure = path !== undefined && length <= path.sure;
    const mayOpen = path !== undefined && length <= path.limit && (isSure || this.#hasGoneAhead(path, length));
    if (!isSure && path !== undefined) this.#scouts.set(path, Math.max(length, this.#scouts.get(path) ?? 0));
    run.open = mayOpen && this.#maxSegments > 1;
    run.takesShorter = isSure;
    run.isUndecided = false;
  }

  /** Whether a message of that size, or a larger one, has left by a path before, in the same call. */
  #hasGoneAhead(path: Path, size: number): boolean {
    const ahead = this.#scouts.get(path);
    return ahead !== undefined && ahead >= size;
  }

  /** Writes down what was copied. Nothing in here is a call: it is done as a whole or, if there is no stack for it, not at all. */
  #append(
    joined: Run | undefined,
    sender: Transmitter,
    length: number,
    count: number,
    segmentSize: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
    mayOpen: boolean,
    takesShorter: boolean,
    isUndecided: boolean,
  ): void {
    const requests = this.#requests;
    const firstRequest = requests.length;
    const offset = this.#used;
    const maxSegments = this.#maxSegments;
    for (let i = 0; i < count; i++) requests[firstRequest + i] = request;
    this.#used = offset + length;
    if (joined !== undefined) {
      joined.length += length;
      joined.count += count;
      joined.open = length === count * segmentSize && length === count * joined.segmentSize &&
        joined.count < maxSegments;
      return;
    }
    const open = mayOpen && count < maxSegments && length === count * segmentSize;
    // deno-fmt-ignore
    const run: Run = {
      sender, address, controls, offset, length, count, segmentSize, firstRequest, open, takesShorter, isUndecided,
      submitted: 0,
    };
    this.#runs[this.#runs.length] = run;
    this.#last = run;
  }

  #clear(): void {
    this.#runs = [];
    if (this.#scouts.size > 0) this.#scouts.clear();
    this.#next = 0;
    this.#last = undefined;
    this.#requests = [];
    this.#used = 0;
  }

  readonly #flushAtEndOfTurn = (): void => {
    this.#scheduled = false;
    // The process goes on, whatever was announced.
    this.isEnding = false;
    this.turn++;
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
    (run.takesShorter || length % run.segmentSize === 0) && length > 0 && run.length + length <= MAX_PAYLOAD;
}
