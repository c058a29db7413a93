/**
 * The memory from which datagrams are sent: one arena for all sockets of a thread. The messages of one turn are
 * collected and passed to the kernel at the end of the turn, in order, in as few system calls as the order allows.
 *
 * Consecutive messages of one socket form a run if they have the same destination, size (the last may be shorter) and
 * ancillary data. A run goes to the kernel as one payload with a segment size (UDP_SEGMENT). The datagrams on the wire
 * are the same.
 *
 * Any call can throw, if only because the stack is full. So each step first does what can throw, and then records the
 * outcome with assignments only. The next flush continues what was interrupted.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { nextTick, now } from "../../ffi/runtimes/process.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { MessageVector } from "../../ffi/wire/message_vector.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { Reporting, SendRequest } from "./callbacks.ts";
import type { MessageQueue, WaitingMessage } from "./message_queue.ts";
import { type Path, REFUSAL_LIFETIME } from "./path.ts";
import { byteLength, copyPayload, type Payload } from "./payload.ts";
import type { Segments } from "./segments.ts";

/** The most runs that are collected: as many messages as one sendmmsg accepts (UIO_MAXIOV). */
const SLOTS = 1024;
/** The most bytes that are collected: many times the largest datagram. A message that is larger fails with EMSGSIZE. */
export const ARENA_SIZE = 2 ** 20;
/** The most bytes in one payload over IPv4. IPv6 allows slightly more. */
const MAX_PAYLOAD = 65_507;

/** The most requests for which there is room before the turn has messages. */
const ROOM_FOR_REQUESTS = 4096;

/** Passes the messages of one socket to the kernel. */
export interface Transmitter {
  /** The path to a destination (undefined: to the peer), if messages may be sent there as segments of one payload. */
  segmentsTo(address: EncodedAddress | undefined): Path | undefined;
  /** Whether segments leave by that path as the messages would one by one. Asked once for each run. */
  takesSegments(path: Path, controls: EncodedControls | undefined): boolean;
  /**
   * Sends the runs from `first` up to `end`, whose memory is reused afterwards. If it throws, it is called again with
   * the same runs, and continues.
   */
  transmit(collected: Collected, first: number, end: number): void;
  /** Queues a message if others wait that it must not overtake. @returns Whether it did. */
  queueBehind(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean;
}

/** Also sends messages that have waited. */
export interface RetryingTransmitter extends Transmitter {
  /** Sends the runs up to `end`, or the first of them. Messages that find no room stay in their queue. */
  retransmit(collected: Collected, end: number): void;
  /** Tries to send the waiting messages once, as there may be no other time. */
  tryWaiting(): void;
}

/** Consecutive messages in the arena. Messages that were sent, or have failed, are removed from its front. */
export interface Run {
  readonly sender: Transmitter;
  readonly address: EncodedAddress | undefined;
  /** Ancillary data of each message. */
  readonly controls: EncodedControls | undefined;
  /** The offset of the first message. */
  offset: number;
  /** The bytes of all messages. */
  length: number;
  /** The number of messages. */
  count: number;
  /** The size of every message but the last. */
  readonly segmentSize: number;
  /** The index of the first message's request. */
  firstRequest: number;
  /** Whether another message can join. */
  open: boolean;
  /** Whether a message shorter than the others can join. */
  takesShorter: boolean;
  /**
   * Whether `open` and `takesShorter` are not known yet. They are determined when the sender has another message: most
   * sockets send one in a turn.
   */
  isUndecided: boolean;
  /** The number of messages, from the first on, that its slot refers to. */
  submitted: number;
}

/** What the outbox passes to a sender. */
export interface Collected {
  readonly vector: MessageVector;
  /** The slot of each run has the run's index. */
  readonly runs: readonly Run[];
  /** Each message's request, which is notified of the outcome. */
  readonly requests: readonly (SendRequest | undefined)[];
}

/** The arena. */
export class Outbox {
  readonly #libc: Libc;
  /** The number of the current turn. */
  turn = 0;
  /** The senders with messages that wait for room. */
  readonly waiting = new Set<RetryingTransmitter>();
  /** Whether the process is about to end. Then no message may wait for the end of the turn, which might not come. */
  isEnding = false;
  #maxSegments: number;
  /** When `#maxSegments` is again what the newest kernels accept, in milliseconds; Infinity: it stays. */
  #limitUntil = Infinity;
  /** The number of segments to which payloads were limited before. */
  #limitedTo = Infinity;
  #vector: MessageVector | undefined;
  #bytes: Uint8Array = new Uint8Array();
  #runs: Run[] = [];
  /** The index of the first run that is not finished. */
  #next = 0;
  /** The last run, which the next message may join. */
  #last: Run | undefined = undefined;
  /** Each message's request, and room for more. */
  #requests: (SendRequest | undefined)[] = [];
  #requestCount = 0;
  /** By path, the size of the largest message that a router might refuse, of the runs up to `#scoutedRuns`. */
  readonly #scouts = new Map<Path, number>();
  #scoutedRuns = 0;
  #used = 0;
  #scheduled = false;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#maxSegments = libc.abi.linux?.UDP_MAX_SEGMENTS ?? 1;
  }

  /**
   * Copies a message into the arena. It is sent at the end of the turn, or sooner if the arena is full. If this throws,
   * the message was not accepted.
   *
   * @param length The payload's length in bytes.
   * @param address The destination. Messages with the same object have the same destination.
   * @param controls Ancillary data, if any. Messages with the same object have the same data.
   * @returns False if the message is larger than the arena, and so than any datagram. Those before it were sent.
   */
  add(
    sender: Transmitter,
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    if (!this.#scheduled) this.schedule();
    if (this.#isFull(length)) {
      this.flush();
      // The flush may have left messages of this sender waiting for room.
      if (sender.queueBehind(payload, length, address, request, controls)) return true;
      if (length > ARENA_SIZE) return false;
    }
    this.#collect(sender, payload, length, address, request, controls);
    return true;
  }

  /**
   * Copies messages that are already coalesced.
   *
   * @param request Is notified of the outcome of each message.
   * @returns False if they cannot be sent as one payload, or if the arena is full. The caller then adds them one by
   * one.
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
    const run = this.#last;
    if (run !== undefined && run.isUndecided && run.sender === sender) this.#decide(run, address, controls);
    if (size > path.sure && (length < count * size || !this.#hasGoneAhead(path, size, this.#runs.length))) return false;
    if (!sender.takesSegments(path, controls)) return false;
    if (!this.#scheduled) this.schedule();
    copyPayload(bytes, length, this.#memory(), this.#used);
    const shortest = length - (count - 1) * size;
    const joins = run !== undefined && run.sender === sender && canJoin(run, length, shortest, address, controls) &&
      size === run.segmentSize && run.count + count <= this.#maxSegments;
    if (joins) this.#joinSegments(run, length, count, request);
    else this.#begin(sender, length, count, size, address, request, controls, size <= path.sure);
    return true;
  }

  /**
   * Passes the collected messages to the kernel. Those it has no room for go back to their sender. No user code runs
   * meanwhile.
   */
  flush(): void {
    const runs = this.#runs;
    if (runs.length === 0) return;
    this.#last = undefined;
    const collected = { vector: this.#vector!, runs, requests: this.#requests };
    for (let first = this.#next; first < runs.length; this.#next = first) {
      const { sender } = runs[first]!;
      let end = first + 1;
      while (end < runs.length && runs[end]!.sender === sender) end++;
      sender.transmit(collected, first, end);
      first = end;
    }
    this.#clear();
  }

  /**
   * Sends waiting messages: as many as fit, but at most `count`. Those that the kernel accepts, or refuses for good,
   * are removed from the queue.
   *
   * @returns The number of messages removed.
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
   * Called when the process or the thread is about to end, perhaps at once. Sends all messages that can be sent, and
   * makes later ones leave within `send()`.
   */
  sendLast(): void {
    // If the process continues after all, the next turn's end resets this.
    this.schedule();
    this.isEnding = true;
    this.flush();
    for (const sender of this.waiting) sender.tryWaiting();
  }

  /** Makes the collected messages leave at the end of the turn. */
  schedule(): void {
    this.scheduleWith(undefined);
  }

  /**
   * The same, and reports to `next` in the same tick, after the messages have left.
   *
   * @returns False if the end of the turn was scheduled before: then `next` needs another tick.
   */
  scheduleWith(next: Reporting | undefined): boolean {
    if (this.#scheduled) return false;
    nextTick(this.#endTurn, next);
    this.#scheduled = true;
    return true;
  }

  /**
   * Called when the kernel has refused a payload and accepted its first `count` segments as one. It may have refused the
   * payload for another reason that has passed. So the limit stays only if the same happens again when it has expired.
   */
  limitSegments(count: number): void {
    if (count >= this.#maxSegments) return;
    this.#maxSegments = count;
    this.#limitUntil = count === this.#limitedTo ? Infinity : now() + REFUSAL_LIFETIME;
    this.#limitedTo = count;
  }

  #endLimit(): void {
    this.#limitUntil = Infinity;
    this.#maxSegments = this.#libc.abi.linux?.UDP_MAX_SEGMENTS ?? 1;
  }

  /** Whether there is no room for a message of `length` bytes. */
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
    if (run !== undefined && run.sender === sender) {
      if (run.isUndecided) this.#decide(run, address, controls);
      if (canJoin(run, length, length, address, controls)) return this.#join(run, length, request);
    }
    this.#begin(sender, length, 1, length, address, request, controls, undefined);
  }

  /**
   * Determines whether messages may join the last run, which has one. If the next message has another destination, or
   * other control data, it cannot join in any case. Then the path is not looked for: to do so takes as long as the rest
   * if each message has another destination.
   *
   * @param address The destination of the next message.
   * @param controls The control data of the next message.
   */
  #decide(run: Run, address: EncodedAddress | undefined, controls: EncodedControls | undefined): void {
    if (run.address !== address || run.controls !== controls) return;
    const { length } = run;
    const path = run.sender.segmentsTo(address);
    const isSure = path !== undefined && length <= path.sure;
    const mayOpen = length > 0 && this.#maxSegments > 1 && path !== undefined && length <= path.limit &&
      (isSure || this.#hasGoneAhead(path, length, this.#runs.length - 1));
    run.open = mayOpen && run.sender.takesSegments(path, controls);
    run.takesShorter = isSure;
    run.isUndecided = false;
  }

  /** Whether one of the first `end` runs has messages of that size or larger by the same path. */
  #hasGoneAhead(path: Path, size: number, end: number): boolean {
    for (; this.#scoutedRuns < end; this.#scoutedRuns++) this.#addScout(this.#runs[this.#scoutedRuns]!);
    const ahead = this.#scouts.get(path);
    return ahead !== undefined && ahead >= size;
  }

  #addScout({ sender, address, segmentSize }: Run): void {
    const path = sender.segmentsTo(address);
    const isScout = path !== undefined && segmentSize > path.sure;
    if (isScout) this.#scouts.set(path, Math.max(segmentSize, this.#scouts.get(path) ?? 0));
  }

  // What follows records what was copied. It calls nothing, so it happens as a whole or, if the stack is full, not at all.

  /** One more message of a run. */
  #join(run: Run, length: number, request: SendRequest | undefined): void {
    this.#requests[this.#requestCount++] = request;
    this.#used += length;
    run.length += length;
    run.count++;
    if (length !== run.segmentSize || run.count >= this.#maxSegments) run.open = false;
  }

  /** Several more messages of a run. */
  #joinSegments(run: Run, length: number, count: number, request: SendRequest | undefined): void {
    const requests = this.#requests;
    for (let i = 0; i < count; i++) requests[this.#requestCount++] = request;
    this.#used += length;
    run.length += length;
    run.count += count;
    if (length !== count * run.segmentSize || run.count >= this.#maxSegments) run.open = false;
  }

  /** The first messages of another run. @param takesShorter Undefined: whether others may join is determined later. */
  #begin(
    sender: Transmitter,
    length: number,
    count: number,
    segmentSize: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
    takesShorter: boolean | undefined,
  ): void {
    const requests = this.#requests;
    const firstRequest = this.#requestCount;
    const offset = this.#used;
    for (let i = 0; i < count; i++) requests[this.#requestCount++] = request;
    this.#used = offset + length;
    const isUndecided = takesShorter === undefined;
    const open = !isUndecided && count < this.#maxSegments && length === count * segmentSize;
    // deno-fmt-ignore
    const run: Run = {
      sender, address, controls, offset, length, count, segmentSize, firstRequest, open,
      takesShorter: takesShorter === true, isUndecided, submitted: 0,
    };
    this.#runs[this.#runs.length] = run;
    this.#last = run;
  }

  #clear(): void {
    this.#runs = [];
    if (this.#scoutedRuns > 0) this.#forgetScouts();
    this.#next = 0;
    this.#last = undefined;
    this.#forgetRequests();
    this.#used = 0;
    if (this.#limitUntil !== Infinity && now() > this.#limitUntil) this.#endLimit();
  }

  #forgetScouts(): void {
    this.#scouts.clear();
    this.#scoutedRuns = 0;
  }

  /** The next turn's array has as much room. It is new, as storing new objects in an old one takes V8 longer. */
  #forgetRequests(): void {
    this.#requests = new Array(Math.min(this.#requestCount, ROOM_FOR_REQUESTS));
    this.#requestCount = 0;
  }

  readonly #endTurn = (next: Reporting | undefined): void => {
    this.#scheduled = false;
    // The process continues, even if `sendLast()` was called.
    this.isEnding = false;
    this.turn++;
    try {
      this.flush();
    } finally {
      next?.report();
    }
  };
}

/**
 * Whether messages can be the next segments of a run of the same sender. The kernel cuts a payload into segments of one size, of which
 * the last may be shorter, and sends all of them to one destination with the same ancillary data. So all of this must hold:
 *
 * - The run is open: it has no shorter message at its end and fewer messages than a payload can have, its path takes segments of that
 *   size, and no router can refuse the first one before the others leave ({@linkcode Outbox} decides that once for each run).
 * - They have the same object for destination and ancillary data.
 * - They have the size of the run's messages. One that is shorter can be the last, if every router passes it on together with the others.
 * - The payload does not become larger than a datagram can be. An empty message is no segment.
 *
 * @param length Bytes of all messages.
 * @param shortest Bytes of the last one, which may be shorter than the others.
 */
function canJoin(
  run: Run,
  length: number,
  shortest: number,
  address: EncodedAddress | undefined,
  controls: EncodedControls | undefined,
): boolean {
  return run.open && run.address === address && run.controls === controls &&
    (shortest === run.segmentSize || (run.takesShorter && shortest < run.segmentSize && shortest > 0)) &&
    run.length + length <= MAX_PAYLOAD;
}
