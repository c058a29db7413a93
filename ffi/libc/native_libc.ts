/**
 * {@linkcode Libc} over any runtime's binding.
 *
 * @module
 */
import type { Abi, LinuxConstants } from "../abi/abi.ts";
import type { Binding, NativeFunctions } from "./binding.ts";
import type { Libc } from "./libc.ts";
import { checkedPointer, Memory, Pointer, undetachableBuffer } from "./memory.ts";
import { type DescriptorOwner, PROCESS } from "./thread_exit.ts";

/** How often a call is made whose errno is doubtful: {@linkcode NativeLibc.certain}. */
const MOST_TRIES = 3;

/** sizeof(int) */
const INT_SIZE = 4;

type SingleCall = (fd: number, msg: Pointer, flags: number) => number;
type BatchCall = (fd: number, msgvec: Pointer, vlen: number, flags: number) => number;

/** The real C library. */
export class NativeLibc implements Libc {
  readonly abi: Abi;
  readonly owner: DescriptorOwner = PROCESS;
  readonly #binding: Binding;
  #c: NativeFunctions;
  readonly #null: unknown;
  readonly #int: (value: number) => unknown;
  /** Errors that a loop of recvmsg got after a datagram, by descriptor, until the next call. The kernel does not report them again. */
  readonly #laterErrors = new Map<number, number>();

  /** @param binding Its functions belong to `abi`. */
  constructor(abi: Abi, binding: Binding) {
    this.abi = abi;
    this.#binding = binding;
    this.#c = binding.functions;
    this.#null = binding.nullPointer;
    this.#int = binding.toInt;
    if (abi.platform === "darwin") this.#replaceMissingOnDarwin();
    else if (!this.#c.gnu_get_libc_version) this.#sendByKernel(abi.linux!);
  }

  allocate(size: number): Memory {
    return this.addressable(new ArrayBuffer(size));
  }

  allocateShown(size: number): Memory | undefined {
    const buffer = undetachableBuffer(size);
    return buffer && this.addressable(buffer);
  }

  addressable(buffer: ArrayBuffer): Memory {
    return new Memory(buffer, this.#binding.addressOf(buffer));
  }

  pointer(memory: Memory, offset = 0): Pointer {
    return new Pointer(this.#binding.pointerTo(memory, offset), memory, offset);
  }

  socket(domain: number, type: number, protocol: number): number {
    return this.certain(() => this.#result(this.#c.socket(this.#int(domain), this.#int(type), this.#int(protocol))));
  }

  socketpair(domain: number, type: number, protocol: number, sv: Pointer): number {
    const memory = checkedPointer(sv, 8);
    return this.certain(() =>
      this.#result(this.#c.socketpair(this.#int(domain), this.#int(type), this.#int(protocol), memory))
    );
  }

  bind(fd: number, addr: Pointer, len: number): number {
    return this.certain(() => this.#result(this.#c.bind(this.#int(fd), checkedPointer(addr, len), this.#int(len))));
  }

  connect(fd: number, addr: Pointer, len: number): number {
    return this.certain(() => this.#result(this.#c.connect(this.#int(fd), checkedPointer(addr, len), this.#int(len))));
  }

  getsockname(fd: number, addr: Pointer, len: Pointer): number {
    return this.certain(() => this.#result(this.#c.getsockname(this.#int(fd), addr.value, len.value)));
  }

  getpeername(fd: number, addr: Pointer, len: Pointer): number {
    return this.certain(() => this.#result(this.#c.getpeername(this.#int(fd), addr.value, len.value)));
  }

  setsockopt(fd: number, level: number, optname: number, optval: Pointer, optlen: number): number {
    const memory = checkedPointer(optval, optlen);
    return this.certain(() =>
      this.#result(this.#c.setsockopt(this.#int(fd), this.#int(level), this.#int(optname), memory, this.#int(optlen)))
    );
  }

  getsockopt(fd: number, level: number, optname: number, optval: Pointer, optlen: Pointer): number {
    return this.certain(() =>
      this.#result(this.#c.getsockopt(this.#int(fd), this.#int(level), this.#int(optname), optval.value, optlen.value))
    );
  }

  sendmsg(fd: number, msg: Pointer, flags: number): number {
    return this.#result(this.#c.sendmsg(this.#int(fd), msg.value, this.#int(flags)));
  }

  recvmsg(fd: number, msg: Pointer, flags: number): number {
    return this.#result(this.#c.recvmsg(this.#int(fd), msg.value, this.#int(flags)));
  }

  sendmmsg(fd: number, msgvec: Pointer, vlen: number, flags: number): number {
    const vector = checkedPointer(msgvec, vlen * this.abi.layouts.mmsghdr.size);
    if (vlen === 1) return this.#sendOne(fd, msgvec, vector, flags);
    const result = this.#result(this.#c.sendmmsg(this.#int(fd), vector, this.#int(vlen), this.#int(flags)));
    if (!this.#mayBeMissing(result)) return result;
    const isMissing = this.#isMissing(
      result,
      () => this.#c.sendmmsg(this.#int(fd), vector, this.#int(0), this.#int(flags)),
    );
    if (!isMissing) return result;
    this.sendmmsg = this.#batch((fd, msg, flags) => this.sendmsg(fd, msg, flags));
    return this.sendmmsg(fd, msgvec, vlen, flags);
  }

  /** A message alone: sendmsg takes the kernel less time, and Node a lot less, whose calls with four arguments are slower. */
  #sendOne(fd: number, msgvec: Pointer, vector: unknown, flags: number): number {
    const { memory } = msgvec;
    const at = memory.size - msgvec.room + this.abi.layouts.mmsghdr.msg_len;
    const length = this.#c.sendmsg(this.#int(fd), vector, this.#int(flags)) as number;
    if (length < 0) return this.#result(length);
    memory.view.setUint32(at, length, true);
    return 1;
  }

  recvmmsg(fd: number, msgvec: Pointer, vlen: number, flags: number): number {
    const vector = checkedPointer(msgvec, vlen * this.abi.layouts.mmsghdr.size);
    const result = this.#result(this.#c.recvmmsg(this.#int(fd), vector, this.#int(vlen), this.#int(flags), this.#null));
    if (!this.#mayBeMissing(result)) return result;
    const isMissing = this.#isMissing(
      result,
      () => this.#c.recvmmsg(this.#int(fd), vector, this.#int(0), this.#int(flags), this.#null),
    );
    if (!isMissing) return result;
    this.recvmmsg = this.#receivingBatch();
    return this.recvmmsg(fd, msgvec, vlen, flags);
  }

  read(fd: number, buf: Pointer, n: number): number {
    return this.#result(this.#c.read(this.#int(fd), checkedPointer(buf, n), this.#binding.toSizeT(n)));
  }

  write(fd: number, buf: Pointer, n: number): number {
    return this.#result(this.#c.write(this.#int(fd), checkedPointer(buf, n), this.#binding.toSizeT(n)));
  }

  close(fd: number): number {
    if (this.#laterErrors.size > 0) this.#laterErrors.delete(fd);
    const result = this.#c.close(this.#int(fd)) as number;
    return result < 0 ? -this.#binding.errno() : result;
  }

  fcntl(fd: number, cmd: number, arg: number): number {
    return this.certain(() => this.#result(this.callFcntl(fd, cmd, arg)));
  }

  /** fcntl(2), without the errno. macOS takes the argument elsewhere (see prototypes.ts). */
  protected callFcntl(fd: number, cmd: number, arg: number): number {
    const c = this.#c;
    const int = this.#int;
    if (this.abi.platform !== "darwin") return c.fcntl(int(fd), int(cmd), int(arg)) as number;
    const word = this.#binding.toSizeT(arg);
    return c.fcntl(int(fd), int(cmd), word, word, word, word, word, word, word) as number;
  }

  clock_gettime(clockid: number, tp: Pointer): number {
    const memory = checkedPointer(tp, this.abi.layouts.timespec.size);
    return this.certain(() => this.#result(this.#c.clock_gettime(this.#int(clockid), memory)));
  }

  if_nametoindex(ifname: Pointer): number {
    return this.certain(() => {
      const index = this.#c.if_nametoindex(ifname.value) as number;
      return index === 0 ? -this.#binding.errno() : index;
    });
  }

  if_indextoname(ifindex: number, ifname: Pointer): number {
    const memory = checkedPointer(ifname, this.abi.constants.IF_NAMESIZE);
    return this.certain(() => {
      const name = this.#c.if_indextoname(this.#int(ifindex), memory);
      return isNull(name) ? -this.#binding.errno() : 0;
    });
  }

  ioctl(fd: number, request: number, argp: Pointer): number {
    return this.certain(() =>
      this.#result(this.#c.ioctl(this.#int(fd), this.#binding.toSizeT(request), checkedPointer(argp, INT_SIZE)))
    );
  }

  epoll_create1(flags: number): number {
    return this.certain(() => this.#result(this.#c.epoll_create1(this.#int(flags))));
  }

  epoll_ctl(epfd: number, op: number, fd: number, event: Pointer | null): number {
    const memory = event?.value ?? this.#null;
    return this.certain(() => this.#result(this.#c.epoll_ctl(this.#int(epfd), this.#int(op), this.#int(fd), memory)));
  }

  epoll_wait(epfd: number, events: Pointer, maxevents: number, timeout: number): number {
    const room = checkedPointer(events, maxevents * this.abi.linux!.epoll_event.size);
    return this.#result(this.#c.epoll_wait(this.#int(epfd), room, this.#int(maxevents), this.#int(timeout)));
  }

  eventfd(initval: number, flags: number): number {
    return this.certain(() => this.#result(this.#c.eventfd(this.#int(initval), this.#int(flags))));
  }

  kqueue(): number {
    return this.certain(() => this.#result(this.#c.kqueue()));
  }

  kevent(
    kq: number,
    changelist: Pointer | null,
    nchanges: number,
    eventlist: Pointer | null,
    nevents: number,
    timeout: Pointer | null,
  ): number {
    const changes = changelist?.value ?? this.#null;
    const events = eventlist?.value ?? this.#null;
    const wait = timeout?.value ?? this.#null;
    return this.#result(
      this.#c.kevent(this.#int(kq), changes, this.#int(nchanges), events, this.#int(nevents), wait),
    );
  }

  /**
   * Makes a call that has no effect if it fails. A lock of the runtime may set errno after the call and before it is read. These calls
   * do not fail with what futex(2) sets, or hardly ever; so if one seems to, it is repeated.
   */
  protected certain(call: () => number): number {
    const { EAGAIN, EINTR, ETIMEDOUT } = this.abi.errno;
    for (let tries = 1;; tries++) {
      const result = call();
      const isDoubtful = result === -EAGAIN || result === -EINTR || result === -ETIMEDOUT;
      if (!isDoubtful || tries === MOST_TRIES) return result;
    }
  }

  #result(result: number): number {
    return result < 0 ? -this.#binding.errno() : result;
  }

  /** Whether an error may mean that the system call is missing, or not permitted to this process. */
  #mayBeMissing(result: number): boolean {
    return result === -this.abi.errno.EPERM || result === -this.abi.errno.ENOSYS;
  }

  /**
   * A system call is missing in old or emulated kernels (ENOSYS), or refused by a seccomp filter (EPERM or ENOSYS). A firewall that
   * rejects a message also gives EPERM; a call without any message distinguishes the two.
   */
  #isMissing(result: number, callWithNone: () => number): boolean {
    return result === -this.abi.errno.ENOSYS || this.#mayBeMissing(this.#result(callWithNone()));
  }

  /**
   * recvmmsg as a loop of recvmsg. An error after a datagram is returned by the next call, as on Linux. That does not apply to EAGAIN and
   * EINTR: the kernel returns them again if they still hold.
   */
  #receivingBatch(): BatchCall {
    const { EAGAIN, EINTR } = this.abi.errno;
    const later = this.#laterErrors;
    const keep = (fd: number, error: number): void => {
      if (error !== -EAGAIN && error !== -EINTR) later.set(fd, error);
    };
    const receive = this.#batch((fd, msg, flags) => this.recvmsg(fd, msg, flags), keep);
    return (fd, msgvec, vlen, flags) => {
      const error = later.size > 0 ? later.get(fd) : undefined;
      if (error === undefined) return receive(fd, msgvec, vlen, flags);
      later.delete(fd);
      return error;
    };
  }

  /**
   * A batch call as a loop of the single one, with the same result.
   *
   * @param onLaterError Called with an error after the first message, which the result does not show.
   */
  #batch(single: SingleCall, onLaterError?: (fd: number, error: number) => void): BatchCall {
    const { size, msg_len } = this.abi.layouts.mmsghdr;
    return (fd, msgvec, vlen, flags) => {
      checkedPointer(msgvec, vlen * size);
      const start = msgvec.memory.size - msgvec.room;
      for (let i = 0; i < vlen; i++) {
        const result = single(fd, i === 0 ? msgvec : this.pointer(msgvec.memory, start + i * size), flags);
        if (result < 0) {
          if (i > 0) onLaterError?.(fd, result);
          return i > 0 ? i : result;
        }
        msgvec.memory.view.setUint32(start + i * size + msg_len, result, true);
      }
      return vlen;
    };
  }

  /**
   * musl's sendmmsg and recvmmsg are loops of single calls, and its sendmsg refuses control data of more than 1,024 bytes (up to 1.2.4).
   * The kernel's own calls take the same structs. Only glibc is known just to call them.
   */
  #sendByKernel({ SYS_sendmsg, SYS_sendmmsg, SYS_recvmmsg }: LinuxConstants): void {
    const c = this.#c;
    const nil = this.#null;
    const [sendmsg, sendmmsg, recvmmsg, none] = [SYS_sendmsg, SYS_sendmmsg, SYS_recvmmsg, 0].map(this.#int);
    const calls: Partial<NativeFunctions> = {
      sendmsg: (fd, msg, flags) => c.syscall(sendmsg, fd, msg, flags, none, nil),
      sendmmsg: (fd, msgvec, vlen, flags) => c.syscall(sendmmsg, fd, msgvec, vlen, flags, nil),
      recvmmsg: (fd, msgvec, vlen, flags, timeout) => c.syscall(recvmmsg, fd, msgvec, vlen, flags, timeout),
    };
    // Functions are added to the others when they are first called.
    this.#c = Object.assign(Object.create(c), calls);
  }

  /** macOS lacks the batch calls. */
  #replaceMissingOnDarwin(): void {
    this.sendmmsg = this.#batch((fd, msg, flags) => this.sendmsg(fd, msg, flags));
    this.recvmmsg = this.#receivingBatch();
  }
}

function isNull(pointer: unknown): boolean {
  return pointer === null || pointer === 0 || pointer === 0n;
}
