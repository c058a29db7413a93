/**
 * Linux: epoll(7), level-triggered.
 *
 * @module
 */
import type { LinuxConstants } from "../abi/abi.ts";
import { type Libc, retryOnEintr } from "../libc/libc.ts";
import type { Memory, Pointer } from "../libc/memory.ts";
import { ERROR, isLost, type Poller, READABLE, WRITABLE } from "./poller.ts";

const MAX_EVENTS = 256;
const WAKE_TOKEN = 0;

/** An epoll instance, and an eventfd that wakes whoever waits for it. */
export class EpollPoller implements Poller {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #linux: LinuxConstants;
  readonly #wakeFd: number;
  readonly #change: Memory;
  readonly #changeAt: Pointer;
  readonly #events: Memory;
  readonly #eventsAt: Pointer;
  /** Whether someone has closed the descriptor. */
  #isLost = false;

  private constructor(libc: Libc, fd: number, wakeFd: number) {
    this.#libc = libc;
    this.#linux = libc.abi.linux!;
    this.fd = fd;
    this.#wakeFd = wakeFd;
    this.#change = libc.allocate(this.#linux.epoll_event.size);
    this.#changeAt = libc.pointer(this.#change);
    this.#events = libc.allocate(this.#linux.epoll_event.size * MAX_EVENTS);
    this.#eventsAt = libc.pointer(this.#events);
  }

  /** Opens one. @returns A negative errno if it fails. */
  static open(libc: Libc): EpollPoller | number {
    const { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EFD_CLOEXEC, EFD_NONBLOCK } = libc.abi.linux!;
    const fd = libc.epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) return fd;
    // Its count is 1 and is never read, so it is always readable: to wake, watch it.
    const wakeFd = libc.eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wakeFd < 0) {
      libc.close(fd);
      return wakeFd;
    }
    const poller = new EpollPoller(libc, fd, wakeFd);
    const added = poller.#control(EPOLL_CTL_ADD, wakeFd, WAKE_TOKEN, 0);
    if (added < 0) {
      poller.close();
      return added;
    }
    return poller;
  }

  add(fd: number, token: number, interest: number): number {
    return this.#control(this.#linux.EPOLL_CTL_ADD, fd, token, this.#eventsOf(interest));
  }

  modify(fd: number, token: number, interest: number): number {
    return this.#control(this.#linux.EPOLL_CTL_MOD, fd, token, this.#eventsOf(interest));
  }

  remove(fd: number): number {
    return this.#libc.epoll_ctl(this.fd, this.#linux.EPOLL_CTL_DEL, fd, null);
  }

  collect(): number {
    const libc = this.#libc;
    const found = retryOnEintr(libc.abi, () => libc.epoll_wait(this.fd, this.#eventsAt, MAX_EVENTS, 0));
    if (found < 0) this.#isLost = isLost(libc.abi, found);
    for (let i = 0; i < found; i++) {
      if (this.tokenAt(i) === WAKE_TOKEN) this.#control(this.#linux.EPOLL_CTL_MOD, this.#wakeFd, WAKE_TOKEN, 0);
    }
    return found;
  }

  tokenAt(index: number): number {
    const { size, data } = this.#linux.epoll_event;
    // 53 bits of the 64 in epoll_data: a number holds them, and no process opens 2^53 sockets.
    const at = index * size + data;
    return this.#events.view.getUint32(at, true) + this.#events.view.getUint32(at + 4, true) * 2 ** 32;
  }

  readinessAt(index: number): number {
    const { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, epoll_event } = this.#linux;
    const events = this.#events.view.getUint32(index * epoll_event.size + epoll_event.events, true);
    const readable = events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? READABLE : 0;
    return readable | (events & (EPOLLOUT | EPOLLERR) ? WRITABLE : 0) | (events & EPOLLERR ? ERROR : 0);
  }

  wake(): void {
    this.#control(this.#linux.EPOLL_CTL_MOD, this.#wakeFd, WAKE_TOKEN, this.#linux.EPOLLIN);
  }

  close(): void {
    this.#libc.close(this.#wakeFd);
    if (this.#isLost) this.#libc.owner.disown(this.fd);
    else this.#libc.close(this.fd);
  }

  #eventsOf(interest: number): number {
    return (interest & READABLE ? this.#linux.EPOLLIN : 0) | (interest & WRITABLE ? this.#linux.EPOLLOUT : 0);
  }

  #control(operation: number, fd: number, token: number, events: number): number {
    const { epoll_event } = this.#linux;
    this.#change.view.setUint32(epoll_event.events, events, true);
    this.#change.view.setBigUint64(epoll_event.data, BigInt(token), true);
    return this.#libc.epoll_ctl(this.fd, operation, fd, this.#changeAt);
  }
}
