/**
 * Bun: a poller in the epoll instance of Bun's own event loop, so that no thread is needed.
 *
 * `Bun.connect({ fd })` puts any descriptor into that instance. Here it gets a duplicate of the poller. epoll(7) holds the open file
 * and not the number, and what it reports stands for the socket that Bun has made. So the number is given to another file at once
 * (dup3): one end of a pair of Unix sockets. From then on Bun hears of the poller, and reads from the pair. While a waiter is armed
 * there is one byte to read. Bun hands it to our handler: the poller is ready.
 *
 * | state | what happens | becomes |
 * |---|---|---|
 * | untried | Bun hands over the first byte | at rest |
 * | untried | 100 ms and two turns of the loop later it has not | failed: it stays open and does nothing, and a thread waits |
 * | at rest | `wait()` writes a byte | waits |
 * | waits | the poller is ready, and Bun reads the byte: the callback, at the next tick | at rest |
 * | at rest | the poller is ready, and Bun finds no byte | at rest |
 * | any | `release()`; the poller is closed before Bun's loop goes on, and with it its entry in Bun's instance | closed |
 *
 * While it is untried, one end of the pair is a member of the poller. It has room to write, so the poller is ready.
 *
 * @module
 */
import type { Binding, NativeFunction } from "../libc/binding.ts";
import type { Libc } from "../libc/libc.ts";
import type { Pointer } from "../libc/memory.ts";
import type { Prototype } from "../libc/prototypes.ts";
import type { BunConnect, BunSocket } from "../runtimes/bun.ts";
import { nextTick, setImmediate, setTimeout } from "../runtimes/process.ts";
import { type Poller, WRITABLE } from "./poller.ts";
import type { Watch, Watches } from "./thread_waiter.ts";

/** The function. `tests/headers_test.ts` compares it with the header by a C compiler. */
export const BUN_LOOP_PROTOTYPES = {
  dup3: {
    declaration: "int dup3(int oldfd, int newfd, int flags)",
    result: "int",
    parameters: [["int", "oldfd"], ["int", "newfd"], ["int", "flags"]],
  },
} as const satisfies Record<string, Prototype>;

/** How long the first byte may take, in milliseconds. */
const LONGEST_TRIAL = 100;

/** No watcher has it. */
const TRIAL_TOKEN = 0;

/** What the places of a JavaScript thread share. */
class BunLoop {
  /** Whether places cannot be had here. */
  isBroken = false;
  readonly libc: Libc;
  readonly connect: BunConnect;
  /** The byte that is written. */
  readonly byte: Pointer;
  readonly #pair: Pointer;
  readonly #binding: Binding;
  readonly #dup3: NativeFunction;

  constructor(libc: Libc, binding: Binding, connect: BunConnect) {
    this.libc = libc;
    this.connect = connect;
    this.byte = libc.pointer(libc.allocate(1));
    this.#pair = libc.pointer(libc.allocate(8));
    this.#binding = binding;
    this.#dup3 = binding.open(BUN_LOOP_PROTOTYPES, libc.abi.libraries).dup3;
  }

  /** socketpair(2). @returns Undefined if it fails. */
  openPair(): readonly [number, number] | undefined {
    const { constants, linux } = this.libc.abi;
    const { SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = linux!;
    const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (this.libc.socketpair(constants.AF_UNIX, type, 0, this.#pair) < 0) return undefined;
    const { view } = this.#pair.memory;
    return [view.getInt32(0, true), view.getInt32(4, true)];
  }

  /** Makes a descriptor mean the file of another one. @returns Whether it does. */
  replace(fd: number, other: number): boolean {
    const { toInt } = this.#binding;
    return this.#dup3(toInt(other), toInt(fd), toInt(this.libc.abi.linux!.SOCK_CLOEXEC)) as number >= 0;
  }
}

/** One poller's place in Bun's loop. */
class LoopPlace implements Watch {
  readonly #loop: BunLoop;
  readonly #poller: Poller;
  readonly #socket: BunSocket;
  /** Its descriptor, which it closes when it is terminated. */
  readonly #fd: number;
  /** The other end of the pair that Bun reads from. */
  readonly #writeFd: number;
  #isTried = false;
  #isClosed = false;
  #hasByte = false;
  #isAwaited = false;
  onReady: () => void = () => {};
  onFailed: () => void = () => {};

  private constructor(loop: BunLoop, poller: Poller, socket: BunSocket, fd: number, writeFd: number) {
    this.#loop = loop;
    this.#poller = poller;
    this.#socket = socket;
    this.#fd = fd;
    this.#writeFd = writeFd;
    poller.add(writeFd, TRIAL_TOKEN, WRITABLE);
    this.#writeByte();
    setTimeout(() => setImmediate(() => setImmediate(() => this.#endTrial())), LONGEST_TRIAL).unref();
  }

  /** Opens one. @returns Undefined if there are no descriptors left, or Bun has no such place. */
  static open(loop: BunLoop, poller: Poller): LoopPlace | undefined {
    const { libc, connect } = loop;
    const pair = loop.openPair();
    if (!pair) return undefined;
    const [readFd, writeFd] = pair;
    const fd = libc.fcntl(poller.fd, libc.abi.constants.F_DUPFD_CLOEXEC, 0);
    let hear = (): void => {};
    const socket = fd < 0 ? undefined : connect(fd, () => hear());
    const isThere = socket !== undefined && loop.replace(fd, readFd);
    libc.close(readFd);
    if (isThere) {
      const place = new LoopPlace(loop, poller, socket, fd, writeFd);
      hear = () => place.#hear();
      return place;
    }
    loop.isBroken = fd >= 0;
    if (socket) terminate(libc, socket, fd);
    else if (fd >= 0) libc.close(fd);
    libc.close(writeFd);
    return undefined;
  }

  get isUp(): boolean {
    return this.#isTried;
  }

  wait(): void {
    this.#isAwaited = true;
    if (!this.#hasByte) this.#writeByte();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onReady = this.onFailed = () => {};
    if (!this.#isTried) this.#poller.remove(this.#writeFd);
    // What Bun has heard of the poller in this turn of the loop, it forgets with the socket.
    terminate(this.#loop.libc, this.#socket, this.#fd);
    this.#loop.libc.close(this.#writeFd);
  }

  #writeByte(): void {
    this.#hasByte = true;
    this.#loop.libc.write(this.#writeFd, this.#loop.byte, 1);
  }

  #hear(): void {
    if (this.#isClosed) return;
    this.#hasByte = false;
    if (!this.#isTried) this.#poller.remove(this.#writeFd);
    this.#isTried = true;
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    // An exception in a handler of Bun's would not be uncaught.
    nextTick(() => this.onReady());
  }

  /**
   * If Bun does not hear of the poller, something else has to wait for it. The socket stays open: nobody knows what Bun does with the
   * poller's entry when it is ready.
   */
  #endTrial(): void {
    if (this.#isTried || this.#isClosed) return;
    this.#isClosed = this.#loop.isBroken = true;
    this.#poller.remove(this.#writeFd);
    this.#socket.unref();
    this.onFailed();
  }
}

/** Bun closes the descriptor. After that the number may be somebody else's, so it must not be closed at the end of the thread or realm. */
function terminate(libc: Libc, socket: BunSocket, fd: number): void {
  libc.owner.disown(fd);
  socket.terminate();
}

/** Places in Bun's loop, or threads if there are none. */
export class LoopPlaces implements Watches {
  readonly #loop: BunLoop;
  readonly #threads: Watches;

  constructor(libc: Libc, binding: Binding, connect: BunConnect, threads: Watches) {
    this.#loop = new BunLoop(libc, binding, connect);
    this.#threads = threads;
  }

  take(poller: Poller): Watch | undefined {
    return (this.#loop.isBroken ? undefined : LoopPlace.open(this.#loop, poller)) ?? this.#threads.take(poller);
  }

  takeParked(): Watch | undefined {
    return this.#threads.takeParked();
  }
}
