/**
 * macOS: kqueue(2).
 *
 * @module
 */
import type { DarwinConstants } from "../abi/abi.ts";
import { type Libc, retryOnEintr } from "../libc/libc.ts";
import type { Memory, Pointer } from "../libc/memory.ts";
import { isLost, type Poller, READABLE, WRITABLE } from "./poller.ts";

const MAX_EVENTS = 256;
const WAKE_IDENT = 0;
const WAKE_TOKEN = 0;

/** A kqueue, with a user event that wakes whoever waits for it. */
export class KqueuePoller implements Poller {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #darwin: DarwinConstants;
  readonly #change: Memory;
  readonly #changeAt: Pointer;
  readonly #events: Memory;
  readonly #eventsAt: Pointer;
  /** A `struct timespec` of zeros, not to wait. */
  readonly #noTime: Pointer;
  /** The interest in each member, as kqueue has no call that changes all filters of a descriptor. */
  readonly #interests = new Map<number, number>();
  /** Whether someone has closed the descriptor. */
  #isLost = false;

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#darwin = libc.abi.darwin!;
    this.fd = fd;
    this.#change = libc.allocate(this.#darwin.kevent.size);
    this.#changeAt = libc.pointer(this.#change);
    this.#events = libc.allocate(this.#darwin.kevent.size * MAX_EVENTS);
    this.#eventsAt = libc.pointer(this.#events);
    this.#noTime = libc.pointer(libc.allocate(libc.abi.layouts.timespec.size));
  }

  /** Opens one. @returns A negative errno if it fails. */
  static open(libc: Libc): KqueuePoller | number {
    const fd = libc.kqueue();
    if (fd < 0) return fd;
    const { F_SETFD, FD_CLOEXEC } = libc.abi.constants;
    libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
    const { EVFILT_USER, EV_ADD, EV_CLEAR } = libc.abi.darwin!;
    const poller = new KqueuePoller(libc, fd);
    const added = poller.#control(WAKE_IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0, WAKE_TOKEN);
    if (added < 0) {
      poller.close();
      return added;
    }
    return poller;
  }

  add(fd: number, token: number, interest: number): number {
    if (this.#interests.has(fd)) return -this.#libc.abi.errno.EEXIST;
    this.#interests.set(fd, 0);
    const result = this.modify(fd, token, interest);
    // One of the two filters may have been added.
    if (result < 0) this.remove(fd);
    return result;
  }

  modify(fd: number, token: number, interest: number): number {
    let watched = this.#interests.get(fd);
    if (watched === undefined) return -this.#libc.abi.errno.ENOENT;
    const { EVFILT_READ, EVFILT_WRITE, EV_ADD, EV_DELETE } = this.#darwin;
    for (const [bit, filter] of [[READABLE, EVFILT_READ], [WRITABLE, EVFILT_WRITE]] as const) {
      if ((watched & bit) === (interest & bit)) continue;
      const result = this.#control(fd, filter, interest & bit ? EV_ADD : EV_DELETE, 0, token);
      if (result < 0) return result;
      this.#interests.set(fd, watched ^= bit);
    }
    return 0;
  }

  remove(fd: number): number {
    const result = this.modify(fd, WAKE_TOKEN, 0);
    this.#interests.delete(fd);
    return result;
  }

  collect(): number {
    const libc = this.#libc;
    const found = retryOnEintr(
      libc.abi,
      () => libc.kevent(this.fd, null, 0, this.#eventsAt, MAX_EVENTS, this.#noTime),
    );
    if (found < 0) this.#isLost = isLost(libc.abi, found);
    return found;
  }

  tokenAt(index: number): number {
    const { size, udata } = this.#darwin.kevent;
    return Number(this.#events.view.getBigUint64(index * size + udata, true));
  }

  readinessAt(index: number): number {
    const { EVFILT_READ, EVFILT_WRITE, kevent } = this.#darwin;
    const filter = this.#events.view.getInt16(index * kevent.size + kevent.filter, true);
    return filter === EVFILT_READ ? READABLE : filter === EVFILT_WRITE ? WRITABLE : 0;
  }

  wake(): void {
    const { EVFILT_USER, NOTE_TRIGGER } = this.#darwin;
    this.#control(WAKE_IDENT, EVFILT_USER, 0, NOTE_TRIGGER, WAKE_TOKEN);
  }

  close(): void {
    if (this.#isLost) this.#libc.owner.disown(this.fd);
    else this.#libc.close(this.fd);
  }

  #control(ident: number, filter: number, flags: number, fflags: number, token: number): number {
    const { kevent } = this.#darwin;
    const { view } = this.#change;
    view.setBigUint64(kevent.ident, BigInt(ident), true);
    view.setInt16(kevent.filter, filter, true);
    view.setUint16(kevent.flags, flags, true);
    view.setUint32(kevent.fflags, fflags, true);
    view.setBigUint64(kevent.data, 0n, true);
    view.setBigUint64(kevent.udata, BigInt(token), true);
    return this.#libc.kevent(this.fd, this.#changeAt, 1, null, 0, null);
  }
}
