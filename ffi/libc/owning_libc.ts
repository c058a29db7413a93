/**
 * {@linkcode Libc} in a Worker: what it opens is closed when the thread ends. In `bun test` and Deno's main thread: when the next
 * realm begins.
 *
 * A Worker can be terminated at any call of a function, but not when one returns. So nothing is called between a system call and what
 * belongs to it: a new descriptor is written to its slot in the same expression that opens it, and a slot is emptied in the statement
 * after that which closes its descriptor, as the number may then belong to someone else.
 *
 * @module
 */
import type { Abi } from "../abi/abi.ts";
import type { Binding, NativeFunctions } from "./binding.ts";
import { checkedPointer, type Pointer } from "./memory.ts";
import { NativeLibc } from "./native_libc.ts";
import type { Slot, ThreadOwner } from "./thread_exit.ts";

/** sizeof(int[2]) */
const PAIR_SIZE = 8;

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
    const c = this.#c;
    return this.certain(() => {
      const slot = this.owner.reserve();
      if (!slot) return this.#settle(slot, c.kqueue());
      return this.#settle(slot, slot[0] = c.kqueue());
    });
  }

  /** What the kernel has written is copied to the slots without a call in between. */
  override socketpair(domain: number, type: number, protocol: number, sv: Pointer): number {
    const c = this.#c;
    const int = this.#int;
    const memory = checkedPointer(sv, PAIR_SIZE);
    const pair = new Int32Array(sv.memory.buffer, sv.memory.size - sv.room, 2);
    return this.certain(() => {
      const [first, second] = [this.owner.reserve(), this.owner.reserve()];
      const result = c.socketpair(int(domain), int(type), int(protocol), memory) as number;
      if (result >= 0) {
        if (first) first[0] = pair[0]!;
        if (second) second[0] = pair[1]!;
      }
      const settled = this.#settle(first, result < 0 ? result : pair[0]!);
      this.owner.settle(second, result < 0 ? result : pair[1]!);
      return result < 0 ? settled : result;
    });
  }

  override fcntl(fd: number, cmd: number, arg: number): number {
    if (cmd !== this.abi.constants.F_DUPFD_CLOEXEC) return super.fcntl(fd, cmd, arg);
    return this.certain(() => {
      const slot = this.owner.reserve();
      if (!slot) return this.#settle(slot, this.callFcntl(fd, cmd, arg));
      return this.#settle(slot, slot[0] = this.callFcntl(fd, cmd, arg));
    });
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
    const result = c.close(this.#int(fd)) as number;
    slot[0] = -1;
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
