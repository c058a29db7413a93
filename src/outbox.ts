/**
 * Where datagrams leave: one arena for all sockets of a thread. What is sent in one turn is collected and handed to the
 * kernel at the turn's end, in the order it was sent, in as few system calls as that order allows.
 *
 * @module
 */
import process from "node:process";
import type { Libc } from "../ffi/libc.ts";
import { MessageVector } from "../ffi/message_vector.ts";
import type { EncodedAddress } from "../ffi/sockaddr.ts";
import type { Sender, SendRequest } from "./sender.ts";

/** Messages collected at most: as many as one sendmmsg takes (UIO_MAXIOV). */
const SLOTS = 1024;
/** Bytes collected at most. The largest datagram fits many times. */
const ARENA_SIZE = 2 ** 20;

/** A message in the arena. */
export interface OutgoingMessage {
  readonly sender: Sender;
  readonly offset: number;
  readonly length: number;
  readonly address: EncodedAddress | undefined;
  readonly request: SendRequest | undefined;
}

/** The arena. */
export class Outbox {
  readonly #libc: Libc;
  #vector: MessageVector | undefined;
  #messages: OutgoingMessage[] = [];
  #used = 0;
  #scheduled = false;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * Copies a message into the arena. It leaves at the end of the turn, or sooner where the arena is full.
   *
   * @param parts The payload's pieces, `length` bytes in all.
   * @returns False where it is larger than the arena: no datagram is.
   */
  add(
    sender: Sender,
    parts: readonly Uint8Array[],
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
  ): boolean {
    if (length > ARENA_SIZE) return false;
    if (this.#messages.length === SLOTS || this.#used + length > ARENA_SIZE) this.flush();
    const vector = this.#vector ??= new MessageVector(this.#libc, SLOTS, ARENA_SIZE);
    const offset = this.#used;
    let end = offset;
    for (const part of parts) {
      vector.data.bytes.set(part, end);
      end += part.byteLength;
    }
    this.#used = end;
    vector.setOutgoing(this.#messages.length, offset, length, address);
    this.#messages.push({ sender, offset, length, address, request });
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#flushAtEndOfTurn);
    }
    return true;
  }

  /** Hands all that was collected to the kernel. What it has no room for goes back to its sender's backlog. */
  flush(): void {
    const messages = this.#messages;
    this.#messages = [];
    this.#used = 0;
    for (let first = 0; first < messages.length;) {
      const { sender } = messages[first];
      let end = first + 1;
      while (end < messages.length && messages[end].sender === sender) end++;
      sender.transmit(this.#vector!, messages, first, end);
      first = end;
    }
  }

  readonly #flushAtEndOfTurn = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}
