/**
 * What those sending sides have in common that keep the messages the kernel has no room for. Where these wait differs: UDP has
 * one queue for each socket, a Unix socket one for each destination.
 *
 * @module
 */
import type { EncodedControls } from "../ffi/control.ts";
import type { Libc } from "../ffi/libc.ts";
import type { EncodedAddress } from "../ffi/sockaddr.ts";
import type { Collected, Outbox, Payload, Transmitter } from "./outbox.ts";
import type { SendRequest } from "./sender.ts";

/** A message out of the arena, waiting for room. */
export interface WaitingMessage {
  readonly bytes: Uint8Array;
  readonly address: EncodedAddress | undefined;
  readonly request: SendRequest | undefined;
  readonly controls: EncodedControls | undefined;
}

/** The sending side of one socket. */
export abstract class QueueingSender implements Transmitter {
  protected readonly libc: Libc;
  protected readonly outbox: Outbox;
  /** What was sent and the kernel does not have yet, whether it waits here or in the outbox. */
  #queuedCount = 0;
  #queuedBytes = 0;

  constructor(libc: Libc, outbox: Outbox) {
    this.libc = libc;
    this.outbox = outbox;
  }

  /** For the outbox. */
  abstract readonly segmentLimit: number;

  /** For the outbox. */
  abstract transmit(collected: Collected, first: number, end: number): void;

  /** Takes a message, if others wait that it must not overtake. @returns Whether it did. */
  abstract queueBehind(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean;

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
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    this.queue(1, length);
    if (this.queueBehind(payload, length, address, request, controls)) return;
    if (this.outbox.add(this, payload, length, address, request, controls)) return;
    this.finish(length, request, -this.libc.abi.errno.EMSGSIZE);
  }

  /** Tries messages that have waited. */
  protected sendWaiting(messages: readonly WaitingMessage[]): void {
    for (const { bytes, address, request, controls } of messages) {
      this.outbox.add(this, bytes, bytes.length, address, request, controls);
    }
    this.outbox.flush();
  }

  /** Fails messages that have waited: the socket is closing. */
  protected cancelWaiting(messages: readonly WaitingMessage[]): void {
    for (const { bytes, request } of messages) this.finish(bytes.length, request, -this.libc.abi.errno.ECANCELED);
  }

  /** Whether a result means that a message has to wait. */
  protected isNoRoom(result: number): boolean {
    const { EAGAIN, ENOBUFS } = this.libc.abi.errno;
    return result === -EAGAIN || result === -ENOBUFS;
  }

  /** A message was sent, or failed. @param result Negative: an errno. */
  protected finish(length: number, request: SendRequest | undefined, result: number): void {
    this.settle(1, length);
    request?.finish(result < 0 ? result : length);
  }

  /** Messages wait, here or in the outbox. */
  protected queue(count: number, bytes: number): void {
    this.#queuedCount += count;
    this.#queuedBytes += bytes;
  }

  /** They do no more. */
  protected settle(count: number, bytes: number): void {
    this.#queuedCount -= count;
    this.#queuedBytes -= bytes;
  }
}

/** The bytes of a payload in memory of their own. */
export function joined(payload: Payload, length: number): Uint8Array {
  if (payload instanceof Uint8Array) return payload.slice();
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const piece of payload) {
    bytes.set(piece, offset);
    offset += piece.byteLength;
  }
  return bytes;
}
