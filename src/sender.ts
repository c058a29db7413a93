/**
 * One socket's sending side: hands its messages to the kernel, and keeps those the kernel has no room for.
 *
 * @module
 */
import type { EncodedControls } from "../ffi/control.ts";
import { type Libc, uninterrupted } from "../ffi/libc.ts";
import type { MessageVector } from "../ffi/message_vector.ts";
import type { EncodedAddress } from "../ffi/sockaddr.ts";
import type { Collected, Outbox, Payload, Run } from "./outbox.ts";
import { joined, QueueingSender, type WaitingMessage } from "./queueing_sender.ts";
import type { Segments } from "./segments.ts";

/** Someone waits to hear how a message fared. */
export interface SendRequest {
  /** @param result Bytes that were sent, or a negative errno. */
  finish(result: number): void;
}

/** How many waiting messages are put back into the arena at a time. */
const RETRY_BATCH = 256;

/** How often a message is sent again that fails for another one's sake: each time another one may have come back. */
const MAX_RETRIES = 8;

/** What a sender needs of its socket. */
export interface SendingSocket {
  /** The descriptor, or -1 once closed. */
  readonly fd: number;
  /** Asks for `Sender.resume` to be called when there is room, or no more. Meanwhile the process stays alive. */
  awaitRoom(waiting: boolean): void;
  /** Whether a failure may be another message's, so that this one is to be sent again. @param attempt From 0. */
  mayRetry(errno: number, attempt: number): boolean;
}

/** What a socket asks of its sending side. */
export type MessageSender =
  & Pick<Sender, "send" | "resume" | "cancel" | "queuedBytes" | "queuedCount">
  // Not all have segments.
  & Partial<Pick<Sender, "allowSegments" | "sendSegments">>;

/** The sending side of one socket. */
export class Sender extends QueueingSender {
  readonly #socket: SendingSocket;
  #waiting: WaitingMessage[] = [];
  /**
   * Size of the largest messages that may be sent as segments of one payload; 0: none. It starts without a limit and falls
   * when the kernel refuses: a segment must fit the path's MTU, and some devices take none.
   */
  override segmentLimit: number;

  /** @param segments Whether messages may be sent as segments. */
  constructor(libc: Libc, outbox: Outbox, socket: SendingSocket, segments: boolean) {
    super(libc, outbox);
    this.#socket = socket;
    this.segmentLimit = segments ? Infinity : 0;
  }

  /** Whether messages may be sent as segments from now on. */
  allowSegments(allowed: boolean): void {
    this.segmentLimit = allowed ? Infinity : 0;
  }

  /** Sends several messages as one payload. @returns Whether it could: otherwise they are to be sent one by one. */
  sendSegments(
    segments: Segments,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    if (this.#waiting.length > 0) return false;
    if (!this.outbox.addSegments(this, segments, address, request, controls)) return false;
    this.queue(segments.count, segments.bytes.byteLength);
    return true;
  }

  /** Takes a message, if others wait that it must not overtake. @returns Whether it did. */
  override queueBehind(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    if (this.#waiting.length === 0) return false;
    this.#waiting.push({ bytes: joined(payload, length), address, request, controls });
    return true;
  }

  /** Called by the outbox: sends the runs from `first` up to `end`. */
  override transmit(collected: Collected, first: number, end: number): void {
    // None may overtake a message of an earlier turn that found no room.
    const blockedAt = this.#waiting.length > 0 ? first : this.#sendRuns(collected, first, end);
    for (let i = blockedAt; i < end; i++) this.#keep(collected, collected.runs[i]);
    if (blockedAt < end) this.#socket.awaitRoom(true);
  }

  /** There is room again. */
  resume(): void {
    this.outbox.flush();
    const batch = this.#waiting.splice(0, RETRY_BATCH);
    const behind = this.#waiting;
    this.#waiting = [];
    this.sendWaiting(batch);
    // What was refused again has queued up anew, in order, before the rest.
    this.#waiting.push(...behind);
    if (this.#waiting.length === 0) this.#socket.awaitRoom(false);
  }

  /** Fails all that waits: the socket is closing. */
  cancel(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.cancelWaiting(waiting);
  }

  /** @returns The index of the first run of which a message found no room, or `end`. */
  #sendRuns(collected: Collected, first: number, end: number): number {
    const { vector, runs } = collected;
    for (let i = first; i < end; i++) this.#fill(collected, i);
    for (let next = first; next < end;) {
      const sent = this.#transmit(vector, next, end - next);
      for (const until = next + Math.max(sent, 0); next < until; next++) this.#finishRun(collected, runs[next]);
      // A call ends before the run that fails; its own error comes when it stands first.
      if (sent >= 0) continue;
      if (this.isNoRoom(sent)) return next;
      const run = runs[next];
      if (run.count > 1 && this.#isRefusalOfSegments(sent, run)) {
        if (!this.#sendSingly(collected, next)) return next;
      } else {
        this.#finishFirst(collected, run, sent);
      }
      if (run.count === 0) next++;
      else this.#fill(collected, next);
    }
    return end;
  }

  /** Sends a run's messages one by one, each with its own result. @returns False if one found no room. */
  #sendSingly(collected: Collected, slot: number): boolean {
    const { vector, runs } = collected;
    const run = runs[slot];
    while (run.count > 0) {
      vector.setOutgoing(slot, run.offset, firstLength(run), run.address, 0, run.controls);
      const sent = this.#transmit(vector, slot, 1);
      if (this.isNoRoom(sent)) return false;
      this.#finishFirst(collected, run, sent);
    }
    return true;
  }

  /** sendmmsg(2). A message that fails for another one's sake is sent again. */
  #transmit(vector: MessageVector, slot: number, count: number): number {
    const libc = this.libc;
    for (let attempt = 0;; attempt++) {
      const sent = uninterrupted(libc.abi, () => libc.sendmmsg(this.#socket.fd, vector.at(slot), count, 0));
      if (sent >= 0 || attempt === MAX_RETRIES || !this.#socket.mayRetry(-sent, attempt)) return sent;
    }
  }

  #fill({ vector, runs }: Collected, slot: number): void {
    const { offset, length, address, count, segmentSize, controls } = runs[slot];
    vector.setOutgoing(slot, offset, length, address, count > 1 ? segmentSize : 0, controls);
  }

  /** Whether an error means that this run's segments cannot go as one payload; if so, later runs are made accordingly. */
  #isRefusalOfSegments(result: number, { count, segmentSize, controls }: Run): boolean {
    const { errno: { EINVAL, EMSGSIZE, EIO, ENOPROTOOPT }, linux } = this.libc.abi;
    const always = linux?.UDP_MAX_SEGMENTS_AT_FIRST ?? 1;
    // Perhaps what it was to be sent with: the single messages will tell.
    if (result === -EINVAL && controls) return true;
    // An older kernel takes fewer in one payload.
    if (result === -EINVAL && count > always) this.outbox.limitSegments(always);
    // The segment is larger than the path's MTU allows: smaller ones may go.
    else if (result === -EINVAL || result === -EMSGSIZE) {
      this.segmentLimit = Math.min(this.segmentLimit, segmentSize - 1);
    } // The device cannot compute checksums, or the kernel has no UDP_SEGMENT: none will go.
    else if (result === -EIO || result === -ENOPROTOOPT) this.segmentLimit = 0;
    else return false;
    return true;
  }

  /** The whole run was sent. */
  #finishRun({ requests }: Collected, run: Run): void {
    const { count, length, segmentSize, firstRequest } = run;
    this.settle(count, length);
    for (let i = 0; i < count - 1; i++) requests[firstRequest + i]?.finish(segmentSize);
    requests[firstRequest + count - 1]?.finish(length - (count - 1) * segmentSize);
  }

  /** The first message of a run was sent, or failed: the run goes on without it. */
  #finishFirst({ requests }: Collected, run: Run, result: number): void {
    const length = firstLength(run);
    const request = requests[run.firstRequest];
    run.offset += length;
    run.length -= length;
    run.count--;
    run.firstRequest++;
    this.finish(length, request, result);
  }

  /** Takes a run's messages out of the arena. */
  #keep({ vector, requests }: Collected, run: Run): void {
    const bytes = vector.data.bytes.slice(run.offset, run.offset + run.length);
    for (let i = 0; i < run.count; i++) {
      const start = i * run.segmentSize;
      const message = bytes.subarray(start, Math.min(start + run.segmentSize, run.length));
      const request = requests[run.firstRequest + i];
      this.#waiting.push({ bytes: message, address: run.address, request, controls: run.controls });
    }
  }
}

function firstLength(run: Run): number {
  return Math.min(run.segmentSize, run.length);
}
