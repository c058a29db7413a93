/**
 * A Unix socket's sending side. What a peer has not read lies in that peer's queue, which is short (Linux: 11 messages,
 * net.unix.max_dgram_qlen). Messages that find it full wait here in their order, and keep none to another peer from leaving.
 *
 * @module
 */
import type { EncodedControls } from "../../ffi/control.ts";
import { type Libc, uninterrupted } from "../../ffi/libc.ts";
import type { EncodedAddress } from "../../ffi/sockaddr.ts";
import type { PollLoop } from "../loop.ts";
import type { Collected, Outbox, Payload, Run } from "../outbox.ts";
import { joined, QueueingSender } from "../queueing_sender.ts";
import type { MessageSender, SendingSocket, SendRequest } from "../sender.ts";
import { Backlog } from "./backlog.ts";

/** Messages tried first when there may be room: as many as a peer's queue usually takes. Twice as many after each success. */
const FIRST_TRIAL = 16;
/** Messages tried in one turn. */
const PER_TURN = 512;

/** What a Unix sender needs of its socket. */
export interface UnixSendingSocket extends SendingSocket {
  /** Messages to that destination begin to wait, or have all left. Undefined: the peer of a connected socket. */
  congested(address: EncodedAddress | undefined, isCongested: boolean): void;
}

/** The sending side of one Unix socket. */
export class UnixSender extends QueueingSender implements MessageSender {
  /** A Unix datagram is one payload. */
  override readonly segmentLimit = 0;
  readonly #loop: PollLoop;
  readonly #socket: UnixSendingSocket;
  readonly #backlogs = new Map<string, Backlog>();

  constructor(libc: Libc, loop: PollLoop, outbox: Outbox, socket: UnixSendingSocket) {
    super(libc, outbox);
    this.#loop = loop;
    this.#socket = socket;
  }

  /** Takes a message, if others wait that it must not overtake. @returns Whether it did. */
  override queueBehind(
    payload: Payload,
    length: number,
    address: EncodedAddress | undefined,
    request: SendRequest | undefined,
    controls: EncodedControls | undefined,
  ): boolean {
    const backlog = this.#backlogOf(address);
    if (!backlog || backlog.isOpen) return false;
    backlog.add({ bytes: joined(payload, length), address, request, controls });
    return true;
  }

  /** Called by the outbox. */
  override transmit(collected: Collected, first: number, end: number): void {
    let runs = collected.runs.slice(first, end);
    while (runs.length > 0) {
      if (this.#backlogs.size > 0) runs = runs.filter((run) => !this.#keepsBack(collected, run));
      runs = this.#sendUntilRefused(collected, first, runs);
    }
  }

  /** The peer of a connected socket has room. */
  resume(): void {
    const backlog = this.#backlogOf(undefined);
    if (backlog) this.#resume(backlog);
    else this.#socket.awaitRoom(false);
  }

  /** Fails all that waits: the socket is closing. */
  cancel(): void {
    const backlogs = [...this.#backlogs.values()];
    this.#backlogs.clear();
    for (const backlog of backlogs) this.cancelWaiting(backlog.close());
  }

  /** @returns The runs from the first on that found no room at its destination, for which there is a backlog from now on. */
  #sendUntilRefused({ vector, requests }: Collected, slot: number, runs: readonly Run[]): Run[] {
    const libc = this.libc;
    for (const [i, { offset, length, address, controls }] of runs.entries()) {
      vector.setOutgoing(slot + i, offset, length, address, 0, controls);
    }
    for (let next = 0; next < runs.length;) {
      const { fd } = this.#socket;
      const sent = uninterrupted(libc.abi, () => libc.sendmmsg(fd, vector.at(slot + next), runs.length - next, 0));
      for (const until = next + Math.max(sent, 0); next < until; next++) {
        this.finish(runs[next].length, requests[runs[next].firstRequest], 0);
      }
      if (sent >= 0) continue;
      if (this.isNoRoom(sent)) {
        this.#hold(runs[next].address, -sent);
        return runs.slice(next);
      }
      this.finish(runs[next].length, requests[runs[next].firstRequest], sent);
      next++;
    }
    return [];
  }

  /** Nothing may overtake what waits for the same destination. @returns Whether the run's message waits now, too. */
  #keepsBack({ vector, requests }: Collected, { address, controls, offset, length, firstRequest }: Run): boolean {
    const backlog = this.#backlogOf(address);
    if (!backlog || backlog.isOpen) return false;
    const bytes = vector.data.bytes.slice(offset, offset + length);
    backlog.add({ bytes, address, request: requests[firstRequest], controls });
    return true;
  }

  /** A destination has no room. */
  #hold(address: EncodedAddress | undefined, errno: number): void {
    // Where there is one, its messages are being tried.
    const known = this.#backlogOf(address);
    if (known) return known.block(errno);
    const backlog = new Backlog(this.libc, this.#loop, this.#socket, address, () => this.#resume(backlog));
    this.#backlogs.set(keyOf(address), backlog);
    this.#socket.congested(address, true);
    backlog.block(errno);
    backlog.wait();
  }

  /** There may be room at a destination. */
  #resume(backlog: Backlog): void {
    this.outbox.flush();
    backlog.isOpen = true;
    for (let tried = 0, count = FIRST_TRIAL; backlog.isOpen && backlog.length > 0 && tried < PER_TURN; count *= 2) {
      backlog.try(count, (messages) => this.sendWaiting(messages));
      tried += count;
    }
    if (backlog.length > 0) {
      backlog.isOpen = false;
      return backlog.wait();
    }
    backlog.close();
    this.#backlogs.delete(keyOf(backlog.address));
    this.#socket.congested(backlog.address, false);
  }

  #backlogOf(address: EncodedAddress | undefined): Backlog | undefined {
    return this.#backlogs.size === 0 ? undefined : this.#backlogs.get(keyOf(address));
  }
}

/** Equal for equal addresses. */
function keyOf(address: EncodedAddress | undefined): string {
  return address ? String.fromCharCode(...address) : "";
}
