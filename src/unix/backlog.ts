/**
 * The messages that wait for room at one destination, and how the socket learns that there is room.
 *
 * For a connected socket the kernel reports room at the peer (POLLOUT). For an unconnected socket POLLOUT is about the
 * socket's own buffer, so it would be reported continuously while a peer's queue is full. So for the time being a
 * second socket, through which nothing is sent, is connected to that peer: it becomes writable when the peer has read.
 * If that does not help (the socket's own buffer is full, the system is out of memory, the peer is itself connected,
 * macOS), a timer with increasing delays is used.
 *
 * @module
 */
import { Descriptor } from "../../ffi/descriptor.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { clearTimeout, setTimeout } from "../../ffi/runtimes/process.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { PollLoop, Watcher } from "../loop/loop.ts";
import { MessageQueue, type WaitingMessage } from "../sending/message_queue.ts";

/** The timer's first and longest delay, in milliseconds. */
const [FIRST_DELAY, LONGEST_DELAY] = [1, 64];

/** The time in milliseconds after which sending is tried in any case: another socket may have taken the peer's path. */
const RECHECK_DELAY = 1000;

/** How many times in a row the kernel may report room when there is none. */
const MAX_FALSE_ALARMS = 3;

/** What a backlog needs from its socket. */
export interface BackloggedSocket {
  /**
   * Starts or stops calling the endpoint's `onWritable`. Only useful for a connected socket. @returns Whether it will
   * be called.
   */
  awaitRoom(waiting: boolean): boolean;
}

/** The messages that wait for one destination. */
export class Backlog {
  /** Undefined: the peer of a connected socket. */
  readonly address: EncodedAddress | undefined;
  /** The messages. */
  readonly queue = new MessageQueue<WaitingMessage>();
  readonly #libc: Libc;
  readonly #loop: PollLoop;
  readonly #socket: BackloggedSocket;
  readonly #resume: () => void;
  /** A socket connected to the destination, which is writable when that has room. */
  #probe: Descriptor | undefined;
  #watcher: Watcher | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #delay = FIRST_DELAY;
  #falseAlarms = 0;

  /** @param resume Called when there may be room: not before `wait`, and not after `close`. */
  constructor(
    libc: Libc,
    loop: PollLoop,
    socket: BackloggedSocket,
    address: EncodedAddress | undefined,
    resume: () => void,
  ) {
    this.#libc = libc;
    this.#loop = loop;
    this.#socket = socket;
    this.address = address;
    this.#resume = resume;
  }

  /** Records the outcome of an attempt. @param settled The number of messages that have left the queue. */
  note(settled: number): void {
    if (settled === 0) {
      this.#falseAlarms++;
    } else {
      this.#falseAlarms = 0;
      this.#delay = FIRST_DELAY;
    }
  }

  /**
   * Waits until there may be room. @param errno The error that reported no room, EAGAIN or ENOBUFS; 0 if there may be
   * room.
   */
  wait(errno: number): void {
    this.#stopTimer();
    const mayListen = errno !== this.#libc.abi.errno.ENOBUFS && this.#falseAlarms < MAX_FALSE_ALARMS;
    if (!this.#listen(mayListen)) {
      this.#startTimer(this.#delay);
      this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
    } else if (this.address) {
      this.#startTimer(RECHECK_DELAY);
    }
  }

  /** Stops waiting. */
  close(): void {
    this.#stopTimer();
    this.#listen(false);
  }

  /** Starts or stops watching for room. @returns Whether the kernel will report it. */
  #listen(wanted: boolean): boolean {
    if (!this.address) return this.#socket.awaitRoom(wanted) && wanted;
    else if (!wanted) this.#closeProbe();
    else return (this.#probe ??= this.#openProbe()) !== undefined;
    return wanted;
  }

  #openProbe(): Descriptor | undefined {
    const probe = Descriptor.open(this.#libc, "unix");
    if (typeof probe === "number") return undefined;
    if (probe.connect(this.address!) === 0) {
      const watcher = {
        fd: probe.fd,
        token: 0,
        onReadable: () => false,
        onWritable: this.#resume,
        onError: () => false,
        onTurnOver: () => false,
        onUnwatched: () => {},
      };
      if (this.#loop.watch(watcher) === 0) {
        this.#watcher = watcher;
        if (this.#loop.setWritable(watcher, true)) return probe;
        this.#loop.end(watcher);
        this.#watcher = undefined;
      }
    }
    probe.close();
    return undefined;
  }

  #closeProbe(): void {
    if (this.#watcher) this.#loop.end(this.#watcher);
    this.#watcher = undefined;
    this.#probe?.close();
    this.#probe = undefined;
  }

  #startTimer(delay: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // Another socket may be bound to that path now.
      this.#closeProbe();
      if (delay === RECHECK_DELAY) this.#falseAlarms = 0;
      this.#resume();
    }, delay);
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
