/**
 * {@linkcode Libc} in a Worker: what it opens is closed when the thread ends. In `bun test` and Deno's main thread: when the next
 * realm begins.
 *
 * A Worker can be terminated at any call of a function. So a new descriptor is written to its slot in the same expression that opens
 * it, and a slot is emptied right before its descriptor is closed: after that the number may belong to someone else.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Binding, NativeFunctions } from "./binding.ts";
import type { Pointer } from "./memory.ts";
import { NativeLibc } from "./native_libc.ts";
import type { Slot, ThreadOwner } from "./thread_exit.ts";

/** The real C library, in a thread that ends before its process. */
export class OwningLibc extends NativeLibc {
  override readonly owner: ThreadOwner;
  readonly #c: NativeFunctions;
  readonly #int: (value: number) => unknown;
  readonly #errno: () => number;

  /** @param binding Its functions belong to `abi`. */
  constructor(abi: Abi, binding: Binding, owner: ThreadOwner) {
    super(abi, binding);
    this.owner = owner;
    this.#c = binding.functions;
    this.#int = binding.toInt;
    this.#errno = () => binding.errno();
  }

  override socket(domain: number, type: number, protocol: number): number {
    const c = this.#c;
    const int = this.#int;
    return this.certain(() => {
      const slot = this.owner.reserve();
      if (!slot) return this.#settle(slot, c.socket(int(domain), int(type), int(protocol)));
      return this.#settle(slot, slot[0] = c.socket(int(domain), int(type), int(protocol)));
    });
  }

  override epoll_create1(flags: number): number {
    const c = this.#c;
    const int = this.#int;
    return this.certain(() => {
      const slot = this.owner.reserve();
      if (!slot) return this.#settle(slot, c.epoll_create1(int(flags)));
      return this.#settle(slot, slot[0] = c.epoll_create1(int(flags)));
    });
  }

  override eventfd(initval: number, flags: number): number {
    const c = this.#c;
    const int = this.#int;
    return this.certain(() => {
      const slot = this.owner.reserve();
      if (!slot) return this.#settle(slot, c.eventfd(int(initval), int(flags)));
      return this.#settle(slot, slot[0] = c.eventfd(int(initval), int(flags)));
    });
  }

  override kqueue(): number {
    const fd = super.kqueue();
    if (fd >= 0) this.owner.own(fd);
    return fd;
  }

  override socketpair(domain: number, type: number, protocol: number, sv: Pointer): number {
    const result = super.socketpair(domain, type, protocol, sv);
    if (result < 0) return result;
    const start = sv.memory.size - sv.room;
    for (const at of [start, start + 4]) this.owner.own(sv.memory.view.getInt32(at, true));
    return result;
  }

  override fcntl(fd: number, cmd: number, arg: number): number {
    const result = super.fcntl(fd, cmd, arg);
    if (result >= 0 && cmd === this.abi.constants.F_DUPFD_CLOEXEC) this.owner.own(result);
    return result;
  }

  override close(fd: number): number {
    const c = this.#c;
    const slot = this.owner.slotOf(fd);
    if (!slot) return super.close(fd);
    if (slot[0] !== fd) {
      // Another realm has closed it, and the number may belong to someone else.
      this.owner.vacate(fd, slot);
      return -this.abi.errno.EBADF;
    }
    slot[0] = -1;
    let result: number;
    try {
      result = c.close(this.#int(fd));
    } catch (error) {
      slot[0] = fd;
      throw error;
    }
    const errno = result < 0 ? this.#errno() : 0;
    try {
      this.owner.vacate(fd, slot);
    } catch {
      // The stack is full: there is a slot less.
    }
    return result < 0 ? -errno : result;
  }

  #settle(slot: Slot | undefined, fd: number): number {
    const errno = fd < 0 ? this.#errno() : 0;
    this.owner.settle(slot, fd);
    return fd < 0 ? -errno : fd;
  }
}
