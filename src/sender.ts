/**
 * One socket's sending side: hands its messages to the kernel, and keeps those the kernel has no room for.
 *
 * @module
 */
import { type Libc, uninterrupted } from "../ffi/libc.ts";
import type { MessageVector } from "../ffi/message_vector.ts";
import type { EncodedAddress } from "../ffi/sockaddr.ts";
import type { Outbox, OutgoingMessage } from "./outbox.ts";

/** Someone waits to hear how a message fared. */
export interface SendRequest {
  /** @param errno 0, or why it could not be sent. */
  finish(errno: number, bytes: number): void;
}

/** A message out of the arena, waiting for room. */
interface WaitingMessage {
  readonly bytes: Uint8Array;
  readonly address: EncodedAddress | undefined;
  readonly request: SendRequest | undefined;
}

/** How many waiting messages are put back into the arena at a time. */
const RETRY_BATCH = 64;

/** What a sender needs of its socket. */
export interface SendingSocket {
  /** The descriptor, or -1 once closed. */
  readonly fd: number;
  /** Asks for `Sender.resume` to be called when there is room, or no more. Meanwhile the process stays alive. */
  awaitRoom(waiting: boolean): void;
}

/** The sending side of one socket. */
export class Sender {
  readonly #libc: Libc;
  readonly #outbox: Outbox;
  readonly #socket: SendingSocket;
  #waiting: WaitingMessage[] = [];
  /** What was sent and the kernel does not have yet, whether it waits here or in the outbox. */
  #queuedCount = 0;
  #queuedBytes = 0;

  constructor(libc: Libc, outbox: Outbox, socket: SendingSocket) {
    this.#libc = libc;
    this.#outbox = outbox;
    this.#socket = socket;
  }

  /** Bytes that the kernel does not have yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Messages that the kernel does not have yet. */
  get queuedCount(): number {
    return this.#queuedCount;
  }

  /** Sends a message, behind those that wait. Its bytes are copied before this returns. */
  send(
    parts: readonly Uint8Array[],
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
  ): void {
    this.#queuedCount++;
    this.#queuedBytes += length;
    if (this.#waiting.length > 0) this.#waiting.push({ bytes: joined(parts, length), address, request });
    else if (!this.#outbox.add(this, parts, length, address, request)) {
      this.#finish(length, request, this.#libc.abi.errno.EMSGSIZE, 0);
    }
  }

  /** Called by the outbox: sends `messages` from `first` up to `end`, which lie in the same slots of the vector. */
  transmit(vector: MessageVector, messages: readonly OutgoingMessage[], first: number, end: number): void {
    // None may overtake a message of an earlier run that found no room.
    const blockedAt = this.#waiting.length > 0 ? first : this.#sendBatch(vector, messages, first, end);
    for (let i = blockedAt; i < end; i++) {
      const { offset, length, address, request } = messages[i];
      this.#waiting.push({ bytes: vector.data.bytes.slice(offset, offset + length), address, request });
    }
    if (blockedAt < end) this.#socket.awaitRoom(true);
  }

  /** There is room again. */
  resume(): void {
    this.#outbox.flush();
    const batch = this.#waiting.splice(0, RETRY_BATCH);
    const behind = this.#waiting;
    this.#waiting = [];
    for (const { bytes, address, request } of batch) {
      this.#outbox.add(this, [bytes], bytes.length, address, request);
    }
    this.#outbox.flush();
    // What was refused again has queued up anew, in order, before the rest.
    this.#waiting.push(...behind);
    if (this.#waiting.length === 0) this.#socket.awaitRoom(false);
  }

  /** Fails all that waits: the socket is closing. */
  cancel(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { bytes, request } of waiting) {
      this.#finish(bytes.length, request, this.#libc.abi.errno.ECANCELED, 0);
    }
  }

  /** @returns The index of the first message that found no room, or `end`. */
  #sendBatch(vector: MessageVector, messages: readonly OutgoingMessage[], first: number, end: number): number {
    const libc = this.#libc;
    const { EAGAIN, ENOBUFS } = libc.abi.errno;
    for (let next = first; next < end;) {
      const sent = uninterrupted(libc.abi, () => libc.sendmmsg(this.#socket.fd, vector.at(next), end - next, 0));
      if (sent === -EAGAIN || sent === -ENOBUFS) return next;
      // A batch ends before the message that fails; its own error comes when it stands first.
      if (sent < 0) {
        const { length, request } = messages[next++];
        this.#finish(length, request, -sent, 0);
      }
      for (const until = next + Math.max(sent, 0); next < until; next++) {
        const { length, request } = messages[next];
        this.#finish(length, request, 0, vector.lengthAt(next));
      }
    }
    return end;
  }

  #finish(length: number, request: SendRequest | undefined, errno: number, sent: number): void {
    this.#queuedCount--;
    this.#queuedBytes -= length;
    request?.finish(errno, sent);
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
