/**
 * The sending side of one UDP socket: passes its messages to the kernel, and queues those that the kernel has no room
 * for.
 *
 * There are two cases of no room. If the socket's buffer is full (EAGAIN), the kernel reports when there is room
 * (POLLOUT). If the device's queue is full (ENOBUFS, which a socket gets only with IP_RECVERR, and on macOS), POLLOUT
 * does not tell, so a timer tries again. A queueing discipline may also refuse a message every time because it is too
 * large. It must not block the others forever.
 *
 * | state | what happens | becomes |
 * |---|---|---|
 * | nothing waits | the kernel accepts or refuses each message | nothing waits |
 * | nothing waits | EAGAIN | waits for POLLOUT |
 * | nothing waits | ENOBUFS | waits for the timer |
 * | waits for POLLOUT | there is room: the messages are sent, at most 256 in a turn | nothing waits, or according to their result |
 * | waits for POLLOUT | three times in a row there is room and none is sent | waits for the timer |
 * | waits for the timer | it fires, after 1 to 64 ms: some messages are sent | nothing waits, or according to their result |
 * | waits for the timer | the first message got ENOBUFS for 250 ms, and nothing of the socket was sent: it fails | the next is tried |
 * | any | more messages are sent | same; they wait after those that wait, or fail with ENOBUFS above `sendQueueLimit` |
 * | any | the program ends: those that wait are tried once | same |
 * | any | `close()`: those that wait fail with ECANCELED | nothing waits |
 *
 * @module
 */
import { type Libc, retryOnEintr } from "../../ffi/libc/libc.ts";
import { clearTimeout, now, setTimeout } from "../../ffi/runtimes/process.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { MessageVector } from "../../ffi/wire/message_vector.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SendRequest } from "./callbacks.ts";
import { MessageQueue, type WaitingMessage } from "./message_queue.ts";
import type { Collected, Outbox, Run } from "./outbox.ts";
import { type Path, REFUSAL_LIFETIME } from "./path.ts";
import { ownCopy, type Payload } from "./payload.ts";
import { QueueingSender } from "./queueing_sender.ts";
import type { Segments } from "./segments.ts";

/** The most waiting messages that are put back into the arena at a time. */
const RETRY_BATCH = 256;

/** How often a message is sent again if it fails because of another one: the next error may be pending by then. */
const MAX_RETRIES = 8;

/** The timer's first and longest delay, in milliseconds. */
const [FIRST_DELAY, LONGEST_DELAY] = [1, 64];

/** How many times in a row the kernel may report room when there is none, before a timer is used. */
const MAX_FALSE_ALARMS = 3;

/**
 * How long a message may fail with ENOBUFS while nothing of the socket is sent, in milliseconds. Then it is given up.
 */
const PATIENCE = 250;

/**
 * Which datagrams may be fragmented on their path. None: all have the don't-fragment bit (IP_PMTUDISC_DO,
 * IP_PMTUDISC_PROBE). Any: none has it. Large: those larger than the path MTU; the others have the bit
 * (IP_PMTUDISC_WANT, the default).
 */
export type Fragmentation = "none" | "large" | "any";

/** What every sender needs from its socket. */
export interface SendingSocket {
  /** The descriptor, or -1 if it is closed. */
  readonly fd: number;
  /**
   * Starts or stops calling the sender's `resume` when there is room. Meanwhile the process stays alive. @returns
   * Whether it will be called.
   */
  awaitRoom(waiting: boolean): boolean;
  /** Called when all messages that waited for room have left the queue. */
  drained(): void;
}

/** What a sender of UDP datagrams needs from its socket. */
export interface UdpSendingSocket extends SendingSocket {
  /** Whether an error may belong to another message, so that this one should be sent again. @param attempt From 0. */
  mayRetry(errno: number, attempt: number): boolean;
  /**
   * The errno that the kernel put on the error queue if it refused the message after those that a call has sent. Trying
   * that message again would put it there again. Otherwise 0.
   */
  refusal(): number;
  /** Bytes that the kernel has accepted and the device has not. */
  unsentBytes(): number;
  /** Which datagrams over IPv4 may be fragmented (IP_MTU_DISCOVER). */
  fragmentation(): Fragmentation;
  /** Whether nothing else uses the descriptor, so that an option can be changed for the duration of a call. */
  readonly isSole: boolean;
  /**
   * Forbids fragmentation over IPv4 (IP_PMTUDISC_DO), or restores IP_PMTUDISC_WANT. @returns A negative errno, or 0.
   */
  forbidFragments(forbidden: boolean): number;
  /** Whether the MTU of the route is locked that messages with those controls take over IPv4. */
  isMTULocked(path: Path, controls: EncodedControls | undefined): boolean;
  /** Called when the kernel has refused a payload of several messages and accepted them in smaller ones. */
  segmentsRefused?(errno: number): void;
  /** The path to a destination; undefined: to the peer. */
  pathTo(address: EncodedAddress | undefined): Path | undefined;
}

/** What a socket needs from its sending side. */
export type MessageSender =
  & Pick<Sender, "add" | "leave" | "resume" | "cancel" | "withdraw" | "queuedBytes" | "queuedCount" | "limitQueue">
  // Not all have segments or counts.
  & Partial<Pick<Sender, "allowSegments" | "addSegments" | "counts" | "failedCount" | "segmentRefusals">>;

/** The sending side of one UDP socket. */
export class Sender extends QueueingSender {
  readonly #socket: UdpSendingSocket;
  /** Created at first use, as most sockets never need it. */
  #waiting: MessageQueue<WaitingMessage> | undefined;
  /** Why the messages wait: EAGAIN or ENOBUFS. */
  #noRoom = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #delay = FIRST_DELAY;
  #falseAlarms = 0;
  /** Since when the first waiting message has failed with ENOBUFS while nothing was sent; 0: it has not. */
  #refusedSince = 0;
  #unsentBytes = 0;
  /** Whether messages may be sent as segments of one payload. */
  #segments: boolean;
  /** Whether the socket's mode is IP_PMTUDISC_DO for the duration of a call. */
  #forbidsFragments = false;

  /** @param segments Whether messages may be sent as segments. */
  constructor(libc: Libc, outbox: Outbox, socket: UdpSendingSocket, segments: boolean) {
    super(libc, outbox);
    this.#socket = socket;
    this.#segments = segments;
  }

  /** Enables or disables sending messages as segments. */
  allowSegments(allowed: boolean): void {
    this.#segments = allowed;
  }

  override segmentsTo(address: EncodedAddress | undefined): Path | undefined {
    if (!this.#segments) return undefined;
    const path = this.#socket.pathTo(address);
    if (path === undefined) return undefined;
    if (path.limit !== Infinity && now() > path.limitUntil) path.limit = Infinity;
    return this.#keepsHeaders(path) ? path : undefined;
  }

  /**
   * Whether segments leave with the same IPv4 header as the messages would on their own. The kernel numbers the
   * segments of a payload upwards from the payload's identification, but counts the payload as one, so the next payload
   * repeats numbers. A router must not fragment such segments, as fragments of two datagrams could be reassembled into
   * one. So they must have the don't-fragment bit. The socket's mode can set it for the duration of a call if nothing
   * else uses the socket, as the mode belongs to the socket and not to the descriptor.
   */
  #keepsHeaders({ byIPv4, isLoopback }: Path): boolean {
    if (!byIPv4 || isLoopback) return true;
    const fragmented = this.#socket.fragmentation();
    return fragmented === "none" || (fragmented === "large" && this.#socket.isSole);
  }

  /**
   * In the mode IP_PMTUDISC_WANT, messages have no don't-fragment bit if the MTU of their route is locked. Segments
   * would have it, as the mode is switched for them.
   */
  override takesSegments(path: Path, controls: EncodedControls | undefined): boolean {
    if (!path.byIPv4 || path.isLoopback || this.#socket.fragmentation() === "none") return true;
    return !this.#socket.isMTULocked(path, controls);
  }

  /** Accepts several messages as one payload. @returns Whether it could. If not, the caller sends them one by one. */
  addSegments(
    segments: Segments,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    const { length } = segments.bytes;
    if (this.waits() || this.exceedsLimit(length)) return false;
    if (!this.outbox.addSegments(this, segments, address, request, controls)) return false;
    this.queuedCount += segments.count;
    this.queuedBytes += length;
    return true;
  }

  /** Queues a message if others wait that it must not overtake. @returns Whether it did. */
  override queueBehind(
    payload: Payload,
    _length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    if (!this.waits()) return false;
    this.#waiting!.push({ bytes: ownCopy(payload), address, request, controls });
    return true;
  }

  /** Called when there may be room again. */
  resume(): void {
    this.#stopTimer();
    try {
      this.outbox.flush();
      this.#retry();
    } finally {
      this.#wait();
    }
  }

  override tryWaiting(): void {
    if (this.waits()) this.retryQueue(this.#queue(), Infinity);
  }

  /** Fails all messages that wait, as the socket is closing. */
  cancel(): void {
    this.#stopTimer();
    while (this.waits()) this.failFirst(this.#queue(), -this.libc.abi.errno.ECANCELED);
    this.outbox.waiting.delete(this);
  }

  protected override transmitRuns(collected: Collected, first: number, end: number): void {
    // No message may overtake one of an earlier turn that found no room.
    const blockedAt = this.waits() ? first : this.sendRuns(collected, first, end);
    if (blockedAt === end) return;
    for (let i = blockedAt; i < end; i++) this.keep(collected, collected.runs[i]!, this.#queue());
    if (this.#timer === undefined) this.#wait();
  }

  protected override waits(): boolean {
    return this.#waiting !== undefined && this.#waiting.length > 0;
  }

  #queue(): MessageQueue<WaitingMessage> {
    return this.#waiting ??= new MessageQueue();
  }

  protected override waitingQueues(): Iterable<MessageQueue<WaitingMessage>> {
    return this.#waiting ? [this.#waiting] : [];
  }

  protected override waitingChanged(): void {
    if (!this.waits()) this.#stopTimer();
    this.#wait();
  }

  /**
   * Tries to send those that wait. After ENOBUFS it tries the first alone, as that may be the one that no queue
   * accepts; after each success twice as many.
   */
  #retry(): void {
    let count = this.#noRoom === this.libc.abi.errno.ENOBUFS ? 1 : RETRY_BATCH;
    for (let tried = 0; this.waits() && tried < RETRY_BATCH; tried += count, count *= 2) {
      this.#noRoom = 0;
      this.#note(this.retryQueue(this.#queue(), Math.min(count, RETRY_BATCH)));
      if (this.#noRoom !== 0 && !this.#giveUpFirst()) break;
    }
  }

  /** Records the outcome of an attempt. */
  #note(settled: number): void {
    if (settled > 0) {
      this.#falseAlarms = 0;
      this.#delay = FIRST_DELAY;
      this.#refusedSince = 0;
    } else {
      this.#falseAlarms++;
    }
  }

  /**
   * Fails the first waiting message if it was refused for long enough while nothing of the socket was sent.
   *
   * @returns Whether it did. Then the next one is tried.
   */
  #giveUpFirst(): boolean {
    const { ENOBUFS } = this.libc.abi.errno;
    if (this.#noRoom !== ENOBUFS) return false;
    const time = now();
    const unsent = this.#socket.unsentBytes();
    if (this.#refusedSince === 0 || unsent !== this.#unsentBytes) {
      this.#refusedSince = time;
      this.#unsentBytes = unsent;
    }
    if (time - this.#refusedSince < PATIENCE) return false;
    this.failFirst(this.#queue(), -ENOBUFS);
    this.#note(1);
    return true;
  }

  /** Requests a call of `resume` when there may be room, if messages wait. */
  #wait(): void {
    const waits = this.waits();
    const byTimer = waits &&
      (this.#noRoom === this.libc.abi.errno.ENOBUFS || this.#falseAlarms >= MAX_FALSE_ALARMS);
    if (byTimer) this.#startTimer();
    if (!this.#socket.awaitRoom(waits && !byTimer) && waits) this.#startTimer();
    if (waits) this.outbox.waiting.add(this);
    else if (this.outbox.waiting.delete(this)) this.#socket.drained();
  }

  #startTimer(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.resume();
    }, this.#delay);
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @returns The index of the first run of which a message found no room, or `end`. */
  protected override sendRuns(collected: Collected, first: number, end: number): number {
    if (!this.#losesBit(collected, first, end)) return this.#sendInMode(collected, first, end, false);
    try {
      return this.#sendInMode(collected, first, end, true);
    } finally {
      this.#forbidFragments(false);
    }
  }

  /**
   * Whether a run would leave without the don't-fragment bit that its messages have on their own. The kernel does not
   * set it in a payload larger than the path MTU, unless fragmentation is forbidden.
   */
  #losesBit({ runs }: Collected, first: number, end: number): boolean {
    for (let i = first; i < end; i++) {
      const run = runs[i]!;
      if (run.count > 1 && this.#isAtRisk(run)) return this.#socket.fragmentation() === "large";
    }
    return false;
  }

  #isAtRisk({ length, address }: Run): boolean {
    const path = this.#socket.pathTo(address);
    return path !== undefined && path.byIPv4 && length > path.sure;
  }

  #forbidFragments(forbidden: boolean): void {
    if (this.#forbidsFragments === forbidden) return;
    const result = this.#socket.forbidFragments(forbidden);
    if (result >= 0) this.#forbidsFragments = forbidden;
  }

  /** @param forbids Whether fragmentation is forbidden, but for single messages that are too large for that. */
  #sendInMode(collected: Collected, first: number, end: number, forbids: boolean): number {
    const { vector, runs } = collected;
    let next = first;
    while (next < end && runs[next]!.count === 0) next++;
    for (let i = next; i < end; i++) this.submit(collected, i, runs[i]!.count);
    while (next < end) {
      const count = end - next;
      if (forbids) this.#forbidFragments(true);
      const sent = this.#transmit(vector, next, count);
      for (const until = next + Math.max(sent, 0); next < until; next++) this.settle(collected, runs[next]!);
      if (sent === count) continue;
      // A call ends before the run that fails. The error is returned when that run is the first of a call.
      const result = sent > 0 ? -this.#socket.refusal() : sent;
      if (result >= 0) continue;
      if (this.isNoRoom(result)) {
        this.#noRoom = -result;
        return next;
      }
      if (!this.#settleRefused(collected, next, result)) return next;
      if (this.#isAnswer(result, runs[next]!)) return this.#sendRestSingly(collected, next, end);
      if (runs[next]!.count === 0) next++;
      else this.submit(collected, next, runs[next]!.count);
    }
    return end;
  }

  /**
   * Handles a run that was refused: its first message fails, or all are sent in smaller payloads. @returns False if one
   * found no room.
   */
  #settleRefused(collected: Collected, slot: number, result: number): boolean {
    const run = collected.runs[slot]!;
    if (run.count === 1 && this.#forbidsFragments && result === -this.libc.abi.errno.EMSGSIZE) {
      return this.#sendSingly(collected, slot, 0);
    }
    if (run.count === 1 || !this.#mayRefuseSegments(result)) {
      this.settleFailed(collected, run, result);
      return true;
    }
    // An older kernel accepts fewer segments in one payload.
    const few = this.libc.abi.linux?.UDP_MAX_SEGMENTS_AT_FIRST ?? 1;
    if (result === -this.libc.abi.errno.EINVAL && run.count > few) {
      const sent = this.#sendPart(collected, slot, few);
      if (sent >= 0) {
        this.#countRefusal(result);
        this.outbox.limitSegments(few);
        this.settle(collected, run);
      }
      if (sent >= 0 || this.#noRoom !== 0) return sent >= 0;
    }
    return this.#sendSingly(collected, slot, result);
  }

  /**
   * Whether the error means that the peer's host, or a router, refused a message. A payload that was not segmented (as
   * on the loopback interface) is answered once, and the answer is the error of the next message. Sent one by one, each
   * message gets its own error.
   */
  #isAnswer(result: number, { address }: Run): boolean {
    const { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH } = this.libc.abi.errno;
    return address === undefined && (result === -ECONNREFUSED || result === -EHOSTUNREACH || result === -ENETUNREACH);
  }

  /**
   * Sends the remaining messages to a peer that refuses them one by one, for a while. @returns As {@linkcode
   * Sender.sendRuns}.
   */
  #sendRestSingly(collected: Collected, first: number, end: number): number {
    const path = this.#socket.pathTo(undefined);
    if (path !== undefined) {
      path.limit = 0;
      path.limitUntil = now() + REFUSAL_LIFETIME;
    }
    for (let slot = first; slot < end; slot++) if (!this.#sendSingly(collected, slot, 0)) return slot;
    return end;
  }

  /**
   * Sends a run's messages one by one, each with its own result.
   *
   * @param refusal Why they could not be sent together. If they can be sent one by one, later runs are limited
   * accordingly.
   * @returns False if one found no room.
   */
  #sendSingly(collected: Collected, slot: number, refusal: number): boolean {
    const run = collected.runs[slot]!;
    let isLearnt = false;
    while (run.count > 0) {
      const sent = this.#sendPart(collected, slot, 1);
      if (this.#noRoom !== 0) return false;
      if (sent < 0) {
        this.settleFailed(collected, run, sent);
      } else {
        if (!isLearnt && refusal < 0) {
          this.#countRefusal(refusal);
          this.#limitSegments(refusal, run);
        }
        isLearnt = true;
        this.settle(collected, run);
      }
    }
    return true;
  }

  /** Sends the first messages of a run as one payload. @returns The result of sendmmsg. */
  #sendPart(collected: Collected, slot: number, count: number): number {
    if (count === 1) this.#forbidFragments(false);
    this.submit(collected, slot, count);
    const sent = this.#transmit(collected.vector, slot, 1);
    if (this.isNoRoom(sent)) this.#noRoom = -sent;
    return sent;
  }

  /** sendmmsg(2). A message that fails because of another one is sent again. */
  #transmit(vector: MessageVector, slot: number, count: number): number {
    const libc = this.libc;
    this.#noRoom = 0;
    for (let attempt = 0;; attempt++) {
      this.counts.systemCalls++;
      const sent = retryOnEintr(libc.abi, () => libc.sendmmsg(this.#socket.fd, vector.at(slot), count, 0));
      if (sent >= 0 || attempt === MAX_RETRIES || !this.#socket.mayRetry(-sent, attempt)) return sent;
    }
  }

  /** Whether an error may mean that a run's segments cannot be sent as one payload. */
  #mayRefuseSegments(result: number): boolean {
    const { EINVAL, EMSGSIZE, EIO, ENOPROTOOPT } = this.libc.abi.errno;
    return result === -EINVAL || result === -EMSGSIZE || result === -EIO || result === -ENOPROTOOPT;
  }

  #countRefusal(result: number): void {
    this.#socket.segmentsRefused?.(-result);
    const refusals = this.segmentRefusals ??= new Map<number, number>();
    refusals.set(-result, (refusals.get(-result) ?? 0) + 1);
  }

  /**
   * Called when a run could not be sent as one payload, but its messages could one by one. Limits later runs to its
   * destination, for a while.
   */
  #limitSegments(result: number, { segmentSize, controls, address }: Run): void {
    const { EINVAL, EMSGSIZE } = this.libc.abi.errno;
    const path = this.#socket.pathTo(address);
    if (path === undefined) return;
    // The ancillary data does not work with segments. Other data may.
    if (result === -EINVAL && controls) return;
    // The segment is larger than the path MTU: smaller ones may be accepted. Otherwise the route encrypts, its device
    // cannot compute checksums, or the kernel has no UDP_SEGMENT: no segments will be accepted.
    const isTooLarge = result === -EINVAL || result === -EMSGSIZE;
    path.limit = isTooLarge ? Math.min(path.limit, segmentSize - 1) : 0;
    path.limitUntil = now() + REFUSAL_LIFETIME;
  }
}
