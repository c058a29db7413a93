/**
 * The common part of the senders that queue messages the kernel has no room for. UDP has one queue for each socket, a
 * Unix socket one for each destination.
 *
 * When a message was sent, or has failed, it is settled: its request is notified, and it is removed from its run and
 * from the counts. The notification happens as a whole or not at all, and only assignments follow. So no exception
 * leaves a message half settled, and no request is notified twice.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SendRequest } from "./callbacks.ts";
import type { MessageQueue, WaitingMessage } from "./message_queue.ts";
import { ARENA_SIZE, type Collected, type Outbox, type RetryingTransmitter, type Run } from "./outbox.ts";
import type { Path } from "./path.ts";
import type { Payload } from "./payload.ts";

/** The sending side of one socket. */
export abstract class QueueingSender implements RetryingTransmitter {
  protected readonly libc: Libc;
  protected readonly outbox: Outbox;
  /** The number of messages that the kernel has not accepted yet, whether they wait here or in the outbox. */
  queuedCount = 0;
  /** Their bytes. */
  queuedBytes = 0;
  /** The datagrams, bytes and system calls so far, and how many of the datagrams were segments of how many payloads. */
  readonly counts = { datagrams: 0, bytes: 0, systemCalls: 0, segments: 0, segmentedPayloads: 0 };
  /** The number of messages that have failed. */
  failedCount = 0;
  /** By errno, how many payloads of several messages were refused, so that the messages were sent one by one. */
  segmentRefusals: Map<number, number> | undefined;
  #queueLimit = Infinity;
  /** The last turn in which messages were sent at once. */
  #turn = -1;
  /** Whether transmitting has begun and has not finished. */
  #isTransmitting = false;
  /** Whether the next message may have to wait, or be refused: {@linkcode QueueingSender.#holdBack} knows. */
  #mayHoldBack = false;

  constructor(libc: Libc, outbox: Outbox) {
    this.libc = libc;
    this.outbox = outbox;
  }

  /** For the outbox. */
  abstract segmentsTo(address: EncodedAddress | undefined): Path | undefined;

  /** For the outbox. */
  takesSegments(_path: Path, _controls: EncodedControls | undefined): boolean {
    return true;
  }

  /** Sends runs: {@linkcode QueueingSender.transmit}. */
  protected abstract transmitRuns(collected: Collected, first: number, end: number): void;

  /**
   * Sends runs, even if others wait. @returns The index of the first run with a message that found no room, or `end`.
   */
  protected abstract sendRuns(collected: Collected, first: number, end: number): number;

  /** For the outbox. */
  retransmit(collected: Collected, end: number): void {
    try {
      this.sendRuns(collected, 0, end);
    } catch (error) {
      this.recover(collected, 0, end);
      throw error;
    }
  }

  /** Whether any messages wait. */
  protected abstract waits(): boolean;

  /** Queues a message if others wait that it must not overtake. @returns Whether it did. */
  abstract queueBehind(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean;

  /** Tries to send the waiting messages once, as there may be no other time. */
  abstract tryWaiting(): void;

  /** The queues of waiting messages. */
  protected abstract waitingQueues(): Iterable<MessageQueue<WaitingMessage>>;

  /** Called when some messages were taken out of the queues. */
  protected abstract waitingChanged(): void;

  /**
   * Limits the bytes that may be queued. A message that would exceed the limit while others wait fails with ENOBUFS.
   */
  limitQueue(bytes: number): void {
    this.#queueLimit = bytes;
    this.#mayHoldBack = true;
  }

  /**
   * Accepts a message. It is sent at the end of the turn or with {@linkcode QueueingSender.leave}, after those that
   * wait. Its bytes are copied before this returns. If this throws, the message was not accepted.
   */
  add(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    // V8 includes this in its callers if it is short. So what is rare stands elsewhere.
    if (this.#mayHoldBack && this.#holdBack(payload, length, address, request, controls)) return;
    if (!this.outbox.add(this, payload, length, address, request, controls)) return this.#refuse(request, "EMSGSIZE");
    this.queuedCount++;
    this.queuedBytes += length;
    if (this.outbox.isEnding) this.#leaveAtEnd();
  }

  /** Queues a message that must not overtake others, or refuses it. @returns Whether it did either. */
  #holdBack(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    // Those whose sending was interrupted go first.
    if (this.#isTransmitting) this.outbox.flush();
    if (this.exceedsLimit(length)) {
      this.#refuse(request, "ENOBUFS");
      return true;
    }
    if (!this.queueBehind(payload, length, address, request, controls)) return false;
    this.queuedCount++;
    this.queuedBytes += length;
    return true;
  }

  #refuse(request: SendRequest | undefined, reason: "EMSGSIZE" | "ENOBUFS"): void {
    request?.finish(-this.libc.abi.errno[reason]);
    this.failedCount++;
  }

  #leaveAtEnd(): void {
    try {
      this.leave(true);
    } catch {
      // The message was accepted, and nothing more can be done for it.
    }
  }

  /**
   * Sends the collected messages at once, but only once in a turn: later messages are sent at the end of the turn. If
   * this throws, no message is lost.
   *
   * @param again Even if messages were sent at once before in this turn.
   */
  leave(again = false): void {
    const { turn } = this.outbox;
    if (this.#turn === turn && !again) return;
    this.#turn = turn;
    this.outbox.flush();
  }

  /**
   * Whether `length` more bytes would exceed the limit while others wait, once all messages that can be sent were sent.
   */
  protected exceedsLimit(length: number): boolean {
    if (this.queuedBytes + length <= this.#queueLimit) return false;
    this.outbox.flush();
    return this.queuedCount > 0 && this.queuedBytes + length > this.#queueLimit;
  }

  /**
   * Fails messages that wait. The collected ones are sent first, if there is room.
   *
   * @param request Those messages' request.
   * @param result The outcome for each: a negative errno.
   */
  withdraw(request: SendRequest, result: number): void {
    this.outbox.flush();
    try {
      for (const queue of this.waitingQueues()) {
        queue.removeIf((message) => {
          if (message.request !== request && message.request?.inner !== request) return false;
          message.request!.finish(result);
          this.failedCount++;
          this.queuedCount--;
          this.queuedBytes -= message.bytes.length;
          return true;
        });
      }
    } finally {
      this.waitingChanged();
    }
  }

  /** Called by the outbox: sends the runs from `first` up to `end`. */
  transmit(collected: Collected, first: number, end: number): void {
    if (this.#isTransmitting) this.recover(collected, first, end);
    this.#isTransmitting = this.#mayHoldBack = true;
    this.transmitRuns(collected, first, end);
    this.#isTransmitting = false;
    this.#mayHoldBack = this.#queueLimit !== Infinity || this.waits();
  }

  /** Settles messages that the kernel accepted in a call whose outcome was not recorded. */
  protected recover(collected: Collected, first: number, end: number): void {
    for (let slot = first; slot < end; slot++) {
      const run = collected.runs[slot]!;
      if (run.submitted === 0) continue;
      if (collected.vector.wasSent(slot)) this.settle(collected, run);
      else run.submitted = 0;
    }
  }

  /** Sets up a run's slot so that its first `count` messages are sent as one payload. */
  protected submit({ vector, runs }: Collected, slot: number, count: number): void {
    const run = runs[slot]!;
    const { segmentSize } = run;
    const length = count === run.count ? run.length : count * segmentSize;
    vector.setOutgoing(slot, run.offset, length, run.address, count > 1 ? segmentSize : 0, run.controls);
    run.submitted = count;
  }

  /** Settles the messages of a run that were submitted: they were sent. If a request throws, those before it are settled. */
  protected settle({ requests }: Collected, run: Run): void {
    const { submitted, segmentSize, firstRequest, length } = run;
    let [settled, bytes] = [0, 0];
    try {
      for (; settled < submitted; settled++) {
        const size = length - bytes < segmentSize ? length - bytes : segmentSize;
        const request = requests[firstRequest + settled];
        if (request !== undefined) request.finish(size);
        bytes += size;
      }
    } finally {
      // Nothing is called from here on.
      run.submitted -= settled;
      run.offset += bytes;
      run.length -= bytes;
      run.count -= settled;
      run.firstRequest += settled;
      this.queuedCount -= settled;
      this.queuedBytes -= bytes;
      const { counts } = this;
      counts.datagrams += settled;
      counts.bytes += bytes;
    }
    if (submitted < 2) return;
    this.counts.segments += submitted;
    this.counts.segmentedPayloads++;
  }

  /** Settles the first message of a run, which failed. @param result A negative errno. */
  protected settleFailed({ requests }: Collected, run: Run, result: number): void {
    requests[run.firstRequest]?.finish(result);
    const length = run.length < run.segmentSize ? run.length : run.segmentSize;
    run.submitted = 0;
    run.offset += length;
    run.length -= length;
    run.count--;
    run.firstRequest++;
    this.queuedCount--;
    this.queuedBytes -= length;
    this.failedCount++;
  }

  /** Moves a run's messages from the arena to a queue, where they wait. */
  protected keep({ vector, requests }: Collected, run: Run, queue: MessageQueue<WaitingMessage>): void {
    while (run.count > 0) {
      const length = run.length < run.segmentSize ? run.length : run.segmentSize;
      const bytes = vector.data.bytes.slice(run.offset, run.offset + length);
      queue.push({ bytes, address: run.address, request: requests[run.firstRequest], controls: run.controls });
      run.submitted = 0;
      run.offset += length;
      run.length -= length;
      run.count--;
      run.firstRequest++;
    }
  }

  /**
   * Tries to send up to `count` messages of a queue. One that is larger than any datagram fails in its turn.
   *
   * @returns The number of messages that have left the queue.
   */
  protected retryQueue(queue: MessageQueue<WaitingMessage>, count: number): number {
    for (let done = 0;;) {
      done += this.outbox.retry(this, queue, count - done);
      const first = queue.at(0);
      if (first === undefined || first.bytes.length <= ARENA_SIZE) return done;
      this.failFirst(queue, -this.libc.abi.errno.EMSGSIZE);
      done++;
    }
  }

  /** Fails the first message of a queue. @param result A negative errno. */
  protected failFirst(queue: MessageQueue<WaitingMessage>, result: number): void {
    const { bytes, request } = queue.at(0)!;
    request?.finish(result);
    const { length } = bytes;
    queue.drop(1);
    this.queuedCount--;
    this.queuedBytes -= length;
    this.failedCount++;
  }

  /** Whether a result means that a message has to wait. */
  protected isNoRoom(result: number): boolean {
    const { EAGAIN, ENOBUFS } = this.libc.abi.errno;
    return result === -EAGAIN || result === -ENOBUFS;
  }
}
