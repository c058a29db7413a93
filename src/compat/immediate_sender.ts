/**
 * The sending side of a Unix socket whose messages leave at once or not at all, so that the caller knows the result.
 *
 * @module
 */
import { type Libc, retryOnEintr } from "../../ffi/libc/libc.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SendRequest } from "../sending/callbacks.ts";
import type { Collected, Outbox, Transmitter } from "../sending/outbox.ts";
import type { Payload } from "../sending/payload.ts";
import type { MessageSender, SendingSocket } from "../sending/sender.ts";

/** Sends messages, each with its result, which may be EAGAIN. */
export class ImmediateSender implements Transmitter, MessageSender {
  segmentsTo(): undefined {}
  takesSegments(): boolean {
    return false;
  }
  readonly queuedBytes = 0;
  readonly queuedCount = 0;
  readonly #libc: Libc;
  readonly #outbox: Outbox;
  readonly #socket: SendingSocket;
  readonly #hasRoom: () => void;

  /** @param hasRoom Called when there is room again, once for each request. */
  constructor(libc: Libc, outbox: Outbox, socket: SendingSocket, hasRoom: () => void) {
    this.#libc = libc;
    this.#outbox = outbox;
    this.#socket = socket;
    this.#hasRoom = hasRoom;
  }

  /** Adds a message. The request has its result when {@linkcode ImmediateSender.leave} returns. */
  add(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls?: EncodedControls,
  ): void {
    const fits = this.#outbox.add(this, payload, length, address, request, controls);
    if (!fits) request?.finish(-this.#libc.abi.errno.EMSGSIZE);
  }

  /** Sends it. */
  leave(): void {
    this.#outbox.flush();
  }

  /** Called by the outbox. */
  transmit({ vector, runs, requests }: Collected, first: number, end: number): void {
    const libc = this.#libc;
    for (let slot = first; slot < end; slot++) {
      const run = runs[slot]!;
      const { offset, length, count, address, controls, firstRequest } = run;
      if (count === 0) continue;
      vector.setOutgoing(slot, offset, length, address, 0, controls);
      const sent = retryOnEintr(libc.abi, () => libc.sendmmsg(this.#socket.fd, vector.at(slot), 1, 0));
      run.count = 0;
      requests[firstRequest]?.finish(sent < 0 ? sent : length);
    }
  }

  /** Nothing waits. */
  limitQueue(): void {}

  /** Nothing waits. */
  queueBehind(): boolean {
    return false;
  }

  /** There is room again. */
  resume(): void {
    this.#socket.awaitRoom(false);
    this.#hasRoom();
  }

  /** Nothing ever waits here. */
  cancel(): void {}

  /** Nothing ever waits here. */
  withdraw(): void {}
}
