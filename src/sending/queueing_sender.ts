/**
 * What those sending sides have in common that keep the messages the kernel has no room for. Where these wait differs: UDP has
 * one queue for each socket, a Unix socket one for each destination.
 *
 * A message that was sent, or failed, is settled: its request is told, and it is taken off its run and off the counts. Telling the
 * request happens as a whole or not at all, and what follows are assignments only. So no exception leaves a message half settled,
 * and none is told twice.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SendRequest } from "./callbacks.ts";
import type { MessageQueue, WaitingMessage } from "./message_queue.ts";
import type { Collected, Outbox, RetryingTransmitter, Run } from "./outbox.ts";
import type { Path } from "./path.ts";
import type { Payload } from "./payload.ts";

/** The sending side of one socket. */
export abstract class QueueingSender implements RetryingTransmitter {
  protected readonly libc: Libc;
  protected readonly outbox: Outbox;
  /** Messages that the kernel does not have yet, whether they wait here or in the outbox. */
  queuedCount = 0;
  /** Their bytes. */
  queuedBytes = 0;
  /** What has left so far, by how many calls; how much of it in payloads of several messages. */
  readonly counts = { datagrams: 0, bytes: 0, systemCalls: 0, segments: 0, segmentedPayloads: 0 };
  /** How many messages have failed. */
  failedCount = 0;
  /** How often payloads of several messages were refused and the messages taken singly, by the errno. */
  segmentRefusals: Map<number, number> | undefined;
  /** How many bytes may be queued: a message that would bring more than that behind those that wait fails with ENOBUFS. */
  queueLimit = Infinity;
  /** The last turn in which messages left at once. */
  #turn = -1;
  /** Whether transmitting has begun and has not come to its end. */
  #isTransmitting = false;

  constructor(libc: Libc, outbox: Outbox) {
    this.libc = libc;
    this.outbox = outbox;
  }

  /** For the outbox. */
  abstract segmentsTo(address: EncodedAddress | undefined): Path | undefined;

  /** Sends runs: {@linkcode QueueingSender.transmit}. */
  protected abstract transmitRuns(collected: Collected, first: number, end: number): void;

  /** Sends runs, whether or not others wait. @returns The index of the first run of which a message found no room, or `end`. */
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

  /** Takes a message, if others wait that it must not overtake. @returns Whether it did. */
  abstract queueBehind(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean;

  /** Has the messages that wait tried once, as there may be no other time. */
  abstract tryWaiting(): void;

  /** Where messages wait. */
  protected abstract waitingQueues(): Iterable<MessageQueue<WaitingMessage>>;

  /** Some of those that waited do so no more. */
  protected abstract waitingChanged(): void;

  /**
   * Takes a message: it leaves at the end of the turn or with {@linkcode QueueingSender.leave}, behind those that wait. Its bytes are
   * copied before this returns. If this throws, the message was not taken.
   */
  add(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    // What was interrupted must not be overtaken.
    if (this.#isTransmitting) this.outbox.flush();
    if (this.queuedBytes + length > this.queueLimit && this.exceedsLimit(length)) {
      request?.finish(-this.libc.abi.errno.ENOBUFS);
      this.failedCount++;
      return;
    }
    const isTaken = this.queueBehind(payload, length, address, request, controls) ||
      this.outbox.add(this, payload, length, address, request, controls);
    if (!isTaken) {
      request?.finish(-this.libc.abi.errno.EMSGSIZE);
      this.failedCount++;
      return;
    }
    this.queuedCount++;
    this.queuedBytes += length;
    if (!this.outbox.isEnding) return;
    try {
      this.leave(true);
    } catch {
      // The message was taken, and there is nothing more to be done for it.
    }
  }

  /**
   * Has what was collected leave at once, but once in a turn only: what follows leaves at the turn's end. If this throws, so does all
   * of it: nothing is lost.
   *
   * @param again Even if some left before in this turn.
   */
  leave(again = false): void {
    const { turn } = this.outbox;
    if (this.#turn === turn && !again) return;
    this.#turn = turn;
    this.outbox.flush();
  }

  /** Whether as many bytes more would be too many behind those that wait, once all has left that can. */
  protected exceedsLimit(length: number): boolean {
    this.outbox.flush();
    return this.queuedCount > 0 && this.queuedBytes + length > this.queueLimit;
  }

  /**
   * Has messages that wait not leave after all. What was collected leaves first, if there is room.
   *
   * @param request Who waits to hear of them.
   * @param result What it hears of each: a negative errno.
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
    this.#isTransmitting = true;
    this.transmitRuns(collected, first, end);
    this.#isTransmitting = false;
  }

  /** Settles what the kernel took in a call whose outcome was never written down. */
  protected recover(collected: Collected, first: number, end: number): void {
    for (let slot = first; slot < end; slot++) {
      const run = collected.runs[slot];
      if (run.submitted === 0) continue;
      if (collected.vector.wasSent(slot)) this.settle(collected, run);
      else run.submitted = 0;
    }
  }

  /** Has a run's first messages stand in its slot, to be sent as one payload. */
  protected submit({ vector, runs }: Collected, slot: number, count: number): void {
    const run = runs[slot];
    const { segmentSize } = run;
    const length = count === run.count ? run.length : count * segmentSize;
    vector.setOutgoing(slot, run.offset, length, run.address, count > 1 ? segmentSize : 0, run.controls);
    run.submitted = count;
  }

  /** What was submitted of a run was sent. */
  protected settle({ requests }: Collected, run: Run): void {
    const { submitted, offset } = run;
    while (run.submitted > 0) {
      const length = run.length < run.segmentSize ? run.length : run.segmentSize;
      const request = requests[run.firstRequest];
      if (request !== undefined) request.finish(length);
      // Nothing is called from here on.
      run.submitted--;
      run.offset += length;
      run.length -= length;
      run.count--;
      run.firstRequest++;
      this.queuedCount--;
      this.queuedBytes -= length;
    }
    const { counts } = this;
    counts.datagrams += submitted;
    counts.bytes += run.offset - offset;
    if (submitted < 2) return;
    counts.segments += submitted;
    counts.segmentedPayloads++;
  }

  /** The first message of a run failed: the run goes on without it. @param result A negative errno. */
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

  /** Takes a run's messages out of the arena: they wait. */
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

  /** Fails the first of the messages that wait. @param result A negative errno. */
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
