/**
 * {@linkcode Libc} over any runtime's binding.
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";
import type { Binding, NativeFunction } from "./binding.ts";
import type { Libc } from "./libc.ts";
import { Memory, Pointer } from "./memory.ts";
import { type DescriptorOwner, PROCESS } from "./thread_exit.ts";

/** sizeof(int) */
const INT_SIZE = 4;

/** The real C library. */
export class NativeLibc implements Libc {
  readonly abi: Abi;
  readonly owner: DescriptorOwner = PROCESS;
  readonly #binding: Binding;
  readonly #c: Readonly<Record<string, NativeFunction>>;
  readonly #null: unknown;

  /** Stands on a binding whose functions belong to `abi`. */
  constructor(abi: Abi, binding: Binding) {
    this.abi = abi;
    this.#binding = binding;
    this.#c = binding.functions;
    this.#null = binding.nullPointer;
    if (abi.platform === "darwin") this.#replaceMissingOnDarwin();
  }

  allocate(size: number): Memory {
    const buffer = new ArrayBuffer(size);
    return new Memory(buffer, this.#binding.addressOf(buffer));
  }

  pointer(memory: Memory, offset = 0): Pointer {
    return new Pointer(this.#binding.pointerTo(memory, offset), memory, offset);
  }

  socket(domain: number, type: number, protocol: number): number {
    return this.#result(this.#c.socket(domain, type, protocol));
  }

  socketpair(domain: number, type: number, protocol: number, sv: Pointer): number {
    return this.#result(this.#c.socketpair(domain, type, protocol, readable(sv, 8)));
  }

  bind(fd: number, addr: Pointer, len: number): number {
    return this.#result(this.#c.bind(fd, readable(addr, len), len));
  }

  connect(fd: number, addr: Pointer, len: number): number {
    return this.#result(this.#c.connect(fd, readable(addr, len), len));
  }

  getsockname(fd: number, addr: Pointer, len: Pointer): number {
    return this.#result(this.#c.getsockname(fd, addr.value, len.value));
  }

  getpeername(fd: number, addr: Pointer, len: Pointer): number {
    return this.#result(this.#c.getpeername(fd, addr.value, len.value));
  }

  setsockopt(fd: number, level: number, optname: number, optval: Pointer, optlen: number): number {
    return this.#result(this.#c.setsockopt(fd, level, optname, readable(optval, optlen), optlen));
  }

  getsockopt(fd: number, level: number, optname: number, optval: Pointer, optlen: Pointer): number {
    return this.#result(this.#c.getsockopt(fd, level, optname, optval.value, optlen.value));
  }

  sendmsg(fd: number, msg: Pointer, flags: number): number {
    return this.#result(this.#c.sendmsg(fd, msg.value, flags));
  }

  recvmsg(fd: number, msg: Pointer, flags: number): number {
    return this.#result(this.#c.recvmsg(fd, msg.value, flags));
  }

  sendmmsg(fd: number, msgvec: Pointer, vlen: number, flags: number): number {
    return this.#result(this.#c.sendmmsg(fd, readable(msgvec, vlen * this.abi.layouts.mmsghdr.size), vlen, flags));
  }

  recvmmsg(fd: number, msgvec: Pointer, vlen: number, flags: number): number {
    const vector = readable(msgvec, vlen * this.abi.layouts.mmsghdr.size);
    return this.#result(this.#c.recvmmsg(fd, vector, vlen, flags, this.#null));
  }

  sendto(fd: number, buf: Pointer, n: number, flags: number, addr: Pointer | null, len: number): number {
    const address = addr === null ? this.#null : readable(addr, len);
    return this.#result(this.#c.sendto(fd, readable(buf, n), this.#binding.word(n), flags, address, len));
  }

  recvfrom(fd: number, buf: Pointer, n: number, flags: number, addr: Pointer | null, len: Pointer | null): number {
    const room = this.#binding.word(n);
    return this.#result(
      this.#c.recvfrom(fd, readable(buf, n), room, flags, addr?.value ?? this.#null, len?.value ?? this.#null),
    );
  }

  close(fd: number): number {
    return this.#result(this.#c.close(fd));
  }

  fcntl(fd: number, cmd: number, arg: number): number {
    return this.#result(this.#c.fcntl(fd, cmd, arg));
  }

  poll(fds: Pointer, nfds: number, timeout: number): number {
    const set = readable(fds, nfds * this.abi.layouts.pollfd.size);
    return this.#result(this.#c.poll(set, this.#binding.word(nfds), timeout));
  }

  clock_gettime(clockid: number, tp: Pointer): number {
    return this.#result(this.#c.clock_gettime(clockid, readable(tp, this.abi.layouts.timespec.size)));
  }

  if_nametoindex(ifname: Pointer): number {
    const index = this.#c.if_nametoindex(ifname.value) as number;
    return index === 0 ? -this.#binding.errno() : index;
  }

  if_indextoname(ifindex: number, ifname: Pointer): number {
    const name = this.#c.if_indextoname(ifindex, readable(ifname, this.abi.constants.IF_NAMESIZE));
    return isNull(name) ? -this.#binding.errno() : 0;
  }

  ioctl(fd: number, request: number, argp: Pointer): number {
    return this.#result(this.#c.ioctl(fd, this.#binding.word(request), readable(argp, INT_SIZE)));
  }

  epoll_create1(flags: number): number {
    return this.#result(this.#c.epoll_create1(flags));
  }

  epoll_ctl(epfd: number, op: number, fd: number, event: Pointer | null): number {
    return this.#result(this.#c.epoll_ctl(epfd, op, fd, event?.value ?? this.#null));
  }

  epoll_wait(epfd: number, events: Pointer, maxevents: number, timeout: number): number {
    const room = readable(events, maxevents * this.abi.linux!.epoll_event.size);
    return this.#result(this.#c.epoll_wait(epfd, room, maxevents, timeout));
  }

  eventfd(initval: number, flags: number): number {
    return this.#result(this.#c.eventfd(initval, flags));
  }

  kqueue(): number {
    return this.#result(this.#c.kqueue());
  }

  kevent(
    kq: number,
    changelist: Pointer | null,
    nchanges: number,
    eventlist: Pointer | null,
    nevents: number,
    timeout: Pointer | null,
  ): number {
    const nil = this.#null;
    return this.#result(
      this.#c.kevent(kq, changelist?.value ?? nil, nchanges, eventlist?.value ?? nil, nevents, timeout?.value ?? nil),
    );
  }

  #result(result: number): number {
    return result < 0 ? -this.#binding.errno() : result;
  }

  /** macOS lacks the batch calls and takes fcntl's argument elsewhere (see prototypes.ts). */
  #replaceMissingOnDarwin(): void {
    const { size, msg_len } = this.abi.layouts.mmsghdr;
    const batch =
      (single: (fd: number, msg: Pointer, flags: number) => number) =>
      (fd: number, msgvec: Pointer, vlen: number, flags: number): number => {
        readable(msgvec, vlen * size);
        const start = msgvec.memory.size - msgvec.room;
        for (let i = 0; i < vlen; i++) {
          const result = single(fd, i === 0 ? msgvec : this.pointer(msgvec.memory, start + i * size), flags);
          if (result < 0) return i > 0 ? i : result;
          msgvec.memory.view.setUint32(start + i * size + msg_len, result, true);
        }
        return vlen;
      };
    this.sendmmsg = batch((fd, msg, flags) => this.sendmsg(fd, msg, flags));
    this.recvmmsg = batch((fd, msg, flags) => this.recvmsg(fd, msg, flags));
    this.fcntl = (fd, cmd, arg) => {
      const word = this.#binding.word(arg);
      return this.#result(this.#c.fcntl(fd, cmd, word, word, word, word, word, word, word));
    };
  }
}

/** The pointer's value, after a check that as many bytes as the call may touch lie behind it. */
function readable(pointer: Pointer, length: number): unknown {
  if (!(length >= 0 && length <= pointer.room)) {
    throw new RangeError(`A native call would touch ${length} bytes where ${pointer.room} are`);
  }
  return pointer.value;
}

function isNull(pointer: unknown): boolean {
  return pointer === null || pointer === 0 || pointer === 0n;
}
