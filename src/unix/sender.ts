/**
 * The sending side of a Unix socket. Messages that a peer has not read are in that peer's queue, which is short (Linux:
 * 11 messages, net.unix.max_dgram_qlen). Messages that find it full wait here, in order, and do not block messages to
 * other peers.
 *
 * @module
 */
import { type Libc, retryOnEintr } from "../../ffi/libc/libc.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { PollLoop } from "../loop/loop.ts";
import type { SendRequest } from "../sending/callbacks.ts";
import type { MessageQueue, WaitingMessage } from "../sending/message_queue.ts";
import type { Collected, Outbox, Run } from "../sending/outbox.ts";
import { ownCopy, type Payload } from "../sending/payload.ts";
import { QueueingSender } from "../sending/queueing_sender.ts";
import type { MessageSender, SendingSocket } from "../sending/sender.ts";
import { Backlog } from "./backlog.ts";

/**
 * Messages tried first when there may be room: a few more than a peer's queue holds by default. Doubles after each
 * success.
 */
const FIRST_TRIAL = 16;
/** The most messages tried in one turn. */
const PER_TURN = 512;

/** Messages to a destination start to wait, or have all been sent. */
export type CongestionEvent = "congestion" | "writable";

/** What a Unix sender needs from its socket. */
export interface UnixSendingSocket extends SendingSocket {
  /** @param address The destination; undefined: the peer of a connected socket. */
  reportCongestion(event: CongestionEvent, address: EncodedAddress | undefined): void;
}

/** The sending side of one Unix socket. */
export class UnixSender extends QueueingSender implements MessageSender {
  /** Unix datagrams have no segments. */
  override segmentsTo(): undefined {}
  readonly #loop: PollLoop;
  readonly #socket: UnixSendingSocket;
  readonly #backlogs = new Map<string, Backlog>();
  /** The error that reported no room since the last call, EAGAIN or ENOBUFS; 0 if there is room. */
  #noRoom = 0;

  constructor(libc: Libc, loop: PollLoop, outbox: Outbox, socket: UnixSendingSocket) {
    super(libc, outbox);
    this.#loop = loop;
    this.#socket = socket;
  }

  protected override waits(): boolean {
    return this.#backlogs.size > 0;
  }

  /** Queues a message if others wait that it must not overtake. @returns Whether it did. */
  override queueBehind(
    payload: Payload,
    _length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    const backlog = this.#backlogOf(address);
    if (!backlog) return false;
    backlog.queue.push({ bytes: ownCopy(payload), address, request, controls });
    return true;
  }

  protected override transmitRuns(collected: Collected, first: number, end: number): void {
    const { runs } = collected;
    const isDone = (slot: number): boolean => runs[slot]!.count === 0;
    for (let next = first; next < end;) {
      if (isDone(next) || this.#keepsBack(collected, runs[next]!)) {
        next++;
        continue;
      }
      let until = next + 1;
      while (until < end && !isDone(until) && !this.#backlogOf(runs[until]!.address)) until++;
      next = this.sendRuns(collected, next, until);
      // The next step finds the new backlog, which takes the run's messages.
      if (next < until) this.#hold(runs[next]!.address);
    }
  }

  /** Called when the peer of a connected socket has room. */
  resume(): void {
    const backlog = this.#backlogOf(undefined);
    if (backlog) this.#resume(backlog);
    else this.#socket.awaitRoom(false);
  }

  override tryWaiting(): void {
    for (const { queue } of this.#backlogs.values()) this.retryQueue(queue, Infinity);
  }

  /** Fails all messages that wait, as the socket is closing. */
  cancel(): void {
    for (const [key, backlog] of this.#backlogs) {
      backlog.close();
      while (backlog.queue.length > 0) this.failFirst(backlog.queue, -this.libc.abi.errno.ECANCELED);
      this.#backlogs.delete(key);
    }
    this.outbox.waiting.delete(this);
  }

  /** @returns The index of the first run that found no room at its destination, or `end`. */
  protected override sendRuns(collected: Collected, first: number, end: number): number {
    const { libc } = this;
    const { vector, runs } = collected;
    this.#noRoom = 0;
    let next = first;
    for (let i = next; i < end; i++) this.submit(collected, i, 1);
    while (next < end) {
      const { fd } = this.#socket;
      this.counts.systemCalls++;
      const sent = retryOnEintr(libc.abi, () => libc.sendmmsg(fd, vector.at(next), end - next, 0));
      for (const until = next + Math.max(sent, 0); next < until; next++) this.settle(collected, runs[next]!);
      if (sent >= 0) continue;
      if (this.isNoRoom(sent)) {
        this.#noRoom = -sent;
        return next;
      }
      this.settleFailed(collected, runs[next]!, sent);
      next++;
    }
    return end;
  }

  /** Holds a message back if others wait for the same destination. @returns Whether it waits, too. */
  #keepsBack(collected: Collected, run: Run): boolean {
    const backlog = this.#backlogOf(run.address);
    if (!backlog) return false;
    this.keep(collected, run, backlog.queue);
    return true;
  }

  /** Called when a destination has no room. */
  #hold(address: EncodedAddress | undefined): void {
    const backlog = new Backlog(this.libc, this.#loop, this.#socket, address, () => this.#resume(backlog));
    // `wait` comes first. If a later step is interrupted, a backlog in which messages wait is still resumed.
    backlog.wait(this.#noRoom);
    this.#backlogs.set(keyOf(address), backlog);
    this.outbox.waiting.add(this);
    this.#socket.reportCongestion("congestion", address);
  }

  /** Called when there may be room at a destination. */
  #resume(backlog: Backlog): void {
    const { queue } = backlog;
    this.#noRoom = 0;
    try {
      this.outbox.flush();
      for (let tried = 0, count = FIRST_TRIAL; queue.length > 0 && tried < PER_TURN; count *= 2) {
        backlog.note(this.retryQueue(queue, count));
        if (this.#noRoom !== 0) break;
        tried += count;
      }
    } finally {
      if (queue.length > 0) backlog.wait(this.#noRoom);
    }
    if (queue.length === 0) this.#end(backlog);
  }

  /** Called when no message waits for a destination. */
  #end(backlog: Backlog): void {
    backlog.close();
    if (!this.#backlogs.delete(keyOf(backlog.address))) return;
    this.#socket.reportCongestion("writable", backlog.address);
    if (this.#backlogs.size === 0 && this.outbox.waiting.delete(this)) this.#socket.drained();
  }

  protected override *waitingQueues(): Iterable<MessageQueue<WaitingMessage>> {
    for (const { queue } of this.#backlogs.values()) yield queue;
  }

  protected override waitingChanged(): void {
    for (const backlog of [...this.#backlogs.values()]) if (backlog.queue.length === 0) this.#end(backlog);
  }

  #backlogOf(address: EncodedAddress | undefined): Backlog | undefined {
    return this.#backlogs.size === 0 ? undefined : this.#backlogs.get(keyOf(address));
  }
}

/** Equal for equal addresses. */
function keyOf(address: EncodedAddress | undefined): string {
  return address ? String.fromCharCode(...address) : "";
}
