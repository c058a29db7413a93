/**
 * Messages that wait for room at one destination, and how it is known that there is some.
 *
 * The kernel says so of a connected socket's peer (POLLOUT), but an unconnected socket hears of its own buffer only, and would be
 * told "room" over and over while a peer's queue is full. So a second socket is connected to that peer for the time, through
 * which nothing is sent: it becomes writable when the peer has read. Where that is in vain (the socket's own buffer is full, the
 * system is out of memory, the peer has a peer of its own, macOS), a timer does, whose delay grows.
 *
 * @module
 */
import { Descriptor } from "../../ffi/descriptor.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { clearTimeout, setTimeout } from "../../ffi/runtimes/process.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { PollLoop, Watcher } from "../loop/loop.ts";
import { MessageQueue, type WaitingMessage } from "../sending/message_queue.ts";

/** The timer's first delay and its longest, in milliseconds. */
const [FIRST_DELAY, LONGEST_DELAY] = [1, 64];

/** After how many milliseconds it is tried in any case: another socket may have taken the peer's path. */
const RECHECK_DELAY = 1000;

/** Times in a row that the kernel may say "room" where there is none. */
const MAX_FALSE_ALARMS = 3;

/** What a backlog needs of its socket. */
export interface BackloggedSocket {
  /** Asks for the endpoint's `onWritable`, or no more. Of use to a connected socket only. @returns Whether it will. */
  awaitRoom(waiting: boolean): boolean;
}

/** What waits for one destination. */
export class Backlog {
  /** Undefined: the peer of a connected socket. */
  readonly address: EncodedAddress | undefined;
  /** The messages. */
  readonly queue = new MessageQueue<WaitingMessage>();
  readonly #libc: Libc;
  readonly #loop: PollLoop;
  readonly #socket: BackloggedSocket;
  readonly #resume: () => void;
  /** Connected to the destination, to hear when it has room. */
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

  /** Notes how a trial went. @param settled How many messages have left. */
  note(settled: number): void {
    if (settled === 0) {
      this.#falseAlarms++;
    } else {
      this.#falseAlarms = 0;
      this.#delay = FIRST_DELAY;
    }
  }

  /** Waits until there may be room. @param errno How it is known that there is none: EAGAIN or ENOBUFS; 0: there may be some. */
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

  /** Waits no more. */
  close(): void {
    this.#stopTimer();
    this.#listen(false);
  }

  /** Has the kernel say when there is room, or no more. @returns Whether it will. */
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
      // Somebody else may be at that path by now.
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
