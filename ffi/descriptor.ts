/**
 * One datagram socket in the kernel, by its descriptor: the system calls that are not on the hot path.
 *
 * Results are counts or negative errno numbers, as in {@linkcode Libc}.
 *
 * @module
 */
import type { Abi } from "./abi/abi.ts";
import { type Libc, retryOnEintr } from "./libc/libc.ts";
import type { Memory, Pointer } from "./libc/memory.ts";
import type { IpVersion } from "./wire/inet.ts";
import type { EncodedOption } from "./wire/membership.ts";
import { type FilterInstruction, withProgram } from "./wire/packet_filter.ts";
import {
  type AddressFamily,
  decodeAddress,
  type EncodedAddress,
  encodeUnspecified,
  familyNumber,
  maxAddressSize,
  type SocketAddress,
} from "./wire/sockaddr.ts";
import { type OptionName, optionOf } from "./wire/sockopt.ts";

/** Memory for the arguments of calls that return before it is used again. One for each C library. */
interface Scratch {
  readonly value: Memory;
  readonly valueAt: Pointer;
  readonly length: Memory;
  readonly lengthAt: Pointer;
}

const scratches = new WeakMap<Libc, Scratch>();

function scratchOf(libc: Libc): Scratch {
  let scratch = scratches.get(libc);
  if (!scratch) {
    const value = libc.allocate(512);
    const length = libc.allocate(4);
    scratch = { value, valueAt: libc.pointer(value), length, lengthAt: libc.pointer(length) };
    scratches.set(libc, scratch);
  }
  return scratch;
}

/**
 * Errors of macOS for connect(2) to AF_UNSPEC, which disconnects the socket before it fails: EAFNOSUPPORT for IPv4, EINVAL for IPv6,
 * EADDRNOTAVAIL for an IPv6 socket whose peer was an IPv4-mapped address.
 */
const HARMLESS_ON_DARWIN = ["EAFNOSUPPORT", "EINVAL", "EADDRNOTAVAIL"] as const;

/** An open datagram socket. */
export class Descriptor {
  /** The descriptor, or -1 once closed. */
  #fd: number;
  readonly #libc: Libc;

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Opens a socket, non-blocking and close-on-exec. @returns A negative errno if it fails. */
  static open(libc: Libc, family: AddressFamily): Descriptor | number {
    const { abi } = libc;
    const fd = libc.socket(familyNumber(abi, family), typeAndFlags(abi), 0);
    if (fd < 0) return fd;
    if (!abi.linux) setFlags(libc, fd);
    return new Descriptor(libc, fd);
  }

  /** Opens two Unix sockets that are each other's peers (socketpair(2)). @returns Their descriptors, or a negative errno. */
  static openPair(libc: Libc): readonly [number, number] | number {
    const { abi } = libc;
    const { value, valueAt } = scratchOf(libc);
    const result = libc.socketpair(familyNumber(abi, "unix"), typeAndFlags(abi), 0, valueAt);
    if (result < 0) return result;
    const pair = [value.view.getInt32(0, true), value.view.getInt32(4, true)] as const;
    if (!abi.linux) { for (const fd of pair) setFlags(libc, fd); }
    return pair;
  }

  /**
   * Takes over an open socket, and makes it non-blocking and close-on-exec. The caller must have checked it with
   * {@linkcode describeSocket}.
   *
   * @param isLent Whether someone else closes it.
   */
  static adopt(libc: Libc, given: number, isLent = false): Descriptor {
    // 0 and not -0: it is shown.
    const fd = given + 0;
    if (!isLent) libc.owner.own(fd);
    setFlags(libc, fd);
    return new Descriptor(libc, fd);
  }

  /** The number, for the hot path. -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** bind(2) */
  bind(address: EncodedAddress): number {
    return this.#libc.bind(this.#fd, put(this.#libc, address), address.length);
  }

  /** connect(2): sets the peer. */
  connect(address: EncodedAddress): number {
    const at = put(this.#libc, address);
    return retryOnEintr(this.#libc.abi, () => this.#libc.connect(this.#fd, at, address.length));
  }

  /** connect(2) to AF_UNSPEC: removes the peer. */
  disconnect(): number {
    const { abi } = this.#libc;
    const result = this.connect(encodeUnspecified(abi));
    // macOS removes it, and still returns one of these errors.
    return abi.darwin && HARMLESS_ON_DARWIN.some((name) => result === -abi.errno[name]) ? 0 : result;
  }

  /** getsockname(2) */
  localAddress(): SocketAddress | number {
    return readAddress(this.#libc, (at, length) => this.#libc.getsockname(this.#fd, at, length));
  }

  /** getpeername(2) */
  remoteAddress(): SocketAddress | number {
    return readAddress(this.#libc, (at, length) => this.#libc.getpeername(this.#fd, at, length));
  }

  /** setsockopt(2) of an integer option. ENOPROTOOPT if the system has no such option. */
  setOption(name: OptionName, value: number): number {
    const option = optionOf(this.#libc.abi, name);
    if (!option) return -this.#libc.abi.errno.ENOPROTOOPT;
    const { value: memory, valueAt } = scratchOf(this.#libc);
    if (option.size === 1) memory.view.setUint8(0, value);
    else memory.view.setInt32(0, value, true);
    return this.#libc.setsockopt(this.#fd, option.level, option.name, valueAt, option.size);
  }

  /** setsockopt(2) of an option with a struct. */
  setEncodedOption(option: EncodedOption): number {
    return this.#libc.setsockopt(
      this.#fd,
      option.level,
      option.name,
      put(this.#libc, option.value),
      option.value.length,
    );
  }

  /** getsockopt(2): the value's bytes, at most `length`, or a negative errno. */
  getRawOption(level: number, name: number, length: number): Uint8Array<ArrayBuffer> | number {
    const libc = this.#libc;
    const value = libc.allocate(Math.max(length, 1));
    const size = libc.allocate(4);
    size.view.setUint32(0, length, true);
    const result = libc.getsockopt(this.#fd, level, name, libc.pointer(value), libc.pointer(size));
    return result < 0 ? result : value.bytes.slice(0, Math.min(size.view.getUint32(0, true), length));
  }

  /** ioctl(2) of a request that returns an int. */
  readInt(request: number): number {
    const { value, valueAt } = scratchOf(this.#libc);
    const result = this.#libc.ioctl(this.#fd, request, valueAt);
    return result < 0 ? result : value.view.getInt32(0, true);
  }

  /** setsockopt(2) of an option whose value is a packet filter. */
  attachFilter(level: number, name: number, program: readonly FilterInstruction[]): number {
    return withProgram(this.#libc, program, (fprog, size) => this.#libc.setsockopt(this.#fd, level, name, fprog, size));
  }

  /** getsockopt(2) of an integer option: its value (which is never negative), or a negative errno. */
  getOption(name: OptionName): number {
    return readOption(this.#libc, this.#fd, name);
  }

  /**
   * Binds the socket to an interface: SO_BINDTODEVICE, on macOS IP_BOUND_IF or IPV6_BOUND_IF.
   *
   * @param name The interface's name; empty ends the binding.
   * @param index Its index; 0 ends the binding.
   */
  bindToDevice(version: IpVersion, name: string, index: number): number {
    const { abi } = this.#libc;
    if (!abi.linux) return this.setOption(version === 4 ? "IP_BOUND_IF" : "IPV6_BOUND_IF", index);
    const value = new Uint8Array(abi.constants.IF_NAMESIZE);
    value.set(new TextEncoder().encode(name).subarray(0, abi.constants.IF_NAMESIZE - 1));
    return this.setEncodedOption({ level: abi.levels.SOL_SOCKET, name: abi.linux.options.SO_BINDTODEVICE, value });
  }

  /** Whether its protocol is UDP (SO_PROTOCOL). Linux also has datagram sockets for ICMP echo requests. On macOS always true. */
  get isUdp(): boolean {
    const { linux, levels } = this.#libc.abi;
    return !linux || this.getOption("SO_PROTOCOL") === levels.IPPROTO_UDP;
  }

  /** Another descriptor of the same socket, which someone else closes; or a negative errno. */
  duplicate(): number {
    const libc = this.#libc;
    const fd = libc.fcntl(this.#fd, libc.abi.constants.F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) libc.owner.disown(fd);
    return fd;
  }

  /** Gives up the descriptor, which someone else closes. */
  release(): void {
    if (this.#fd >= 0) this.#libc.owner.disown(this.#fd);
    this.#fd = -1;
  }

  /**
   * close(2), once: a second call does nothing. The descriptor is closed even if close(2) fails; if it throws, it was not called and the
   * descriptor is open.
   */
  close(): void {
    if (this.#fd < 0) return;
    this.#libc.close(this.#fd);
    this.#fd = -1;
  }
}

/** Copies bytes into native-visible memory. */
function put(libc: Libc, bytes: Uint8Array): Pointer {
  const { value, valueAt } = scratchOf(libc);
  if (bytes.length > value.size) return libc.pointer(apart(libc, bytes));
  value.bytes.set(bytes);
  return valueAt;
}

function apart(libc: Libc, bytes: Uint8Array): Memory {
  const memory = libc.allocate(bytes.length);
  memory.bytes.set(bytes);
  return memory;
}

function readAddress(libc: Libc, call: (at: Pointer, length: Pointer) => number): SocketAddress | number {
  const { value, valueAt, length, lengthAt } = scratchOf(libc);
  length.view.setUint32(0, maxAddressSize(libc.abi), true);
  const result = call(valueAt, lengthAt);
  if (result < 0) return result;
  // For a Unix socket without an address macOS may return no bytes, not even a family. Newer versions return 16 bytes, all zero
  // except the family.
  const given = length.view.getUint32(0, true);
  if (given === 0) return { address: "", family: "unix", port: 0 };
  return decodeAddress(libc, value, 0, given) ?? -libc.abi.errno.EAFNOSUPPORT;
}

/** The kind of a descriptor. */
export interface SocketDescription {
  /** IPv4, IPv6 or Unix, or undefined for any other family. */
  readonly family: AddressFamily | undefined;
  /** Whether it is a datagram socket. */
  readonly datagram: boolean;
}

const FAMILIES: readonly AddressFamily[] = [4, 6, "unix"];

/** Finds out what a descriptor is. @returns A negative errno if it fails: EBADF if it is not open, ENOTSOCK if it is not a socket. */
export function describeSocket(libc: Libc, fd: number): SocketDescription | number {
  const type = readOption(libc, fd, "SO_TYPE");
  if (type < 0) return type;
  const family = readFamily(libc, fd);
  if (family < 0) return family;
  return {
    family: FAMILIES.find((known) => familyNumber(libc.abi, known) === family),
    datagram: type === libc.abi.constants.SOCK_DGRAM,
  };
}

/** SO_DOMAIN; on macOS, which does not have it, the family of the socket's address. */
function readFamily(libc: Libc, fd: number): number {
  if (libc.abi.linux) return readOption(libc, fd, "SO_DOMAIN");
  const { value, valueAt, length, lengthAt } = scratchOf(libc);
  length.view.setUint32(0, maxAddressSize(libc.abi), true);
  const result = libc.getsockname(fd, valueAt, lengthAt);
  return result < 0 ? result : value.view.getUint8(libc.abi.layouts.sockaddr.sa_family);
}

function readOption(libc: Libc, fd: number, name: OptionName): number {
  const option = optionOf(libc.abi, name);
  if (!option) return -libc.abi.errno.ENOPROTOOPT;
  const { value, valueAt, length, lengthAt } = scratchOf(libc);
  value.view.setInt32(0, 0, true);
  length.view.setUint32(0, option.size, true);
  const result = libc.getsockopt(fd, option.level, option.name, valueAt, lengthAt);
  if (result < 0) return result;
  return option.size === 1 ? value.view.getUint8(0) : value.view.getInt32(0, true);
}

function typeAndFlags({ constants, linux }: Abi): number {
  return constants.SOCK_DGRAM | (linux ? linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC : 0);
}

function setFlags(libc: Libc, fd: number): void {
  const { F_GETFL, F_SETFL, F_GETFD, F_SETFD, O_NONBLOCK, FD_CLOEXEC } = libc.abi.constants;
  libc.fcntl(fd, F_SETFL, Math.max(libc.fcntl(fd, F_GETFL, 0), 0) | O_NONBLOCK);
  libc.fcntl(fd, F_SETFD, Math.max(libc.fcntl(fd, F_GETFD, 0), 0) | FD_CLOEXEC);
}
