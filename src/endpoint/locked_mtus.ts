/**
 * Which routes of a socket have a locked MTU. The kernel does not discover the path MTU there, and in the mode
 * IP_PMTUDISC_WANT it sets no don't-fragment bit.
 *
 * @module
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { now } from "../../ffi/runtimes/process.ts";
import type { EncodedControls } from "../../ffi/wire/control.ts";
import { parseIp } from "../../ffi/wire/inet.ts";
import { routeIn, type RouteKey, routeOf } from "../../ffi/wire/route.ts";
import type { SocketAddress } from "../../ffi/wire/sockaddr.ts";
import type { OptionName } from "../../ffi/wire/sockopt.ts";
import type { Path } from "../sending/path.ts";

/** How long an answer of the kernel is remembered, in milliseconds. Asking takes about 12 µs. */
const LIFETIME = 2000;

/** What the routes of a socket depend on. */
export interface RoutedSocket {
  /** getsockopt(2) of an integer option. */
  peekOption(name: OptionName): number;
  /** getsockname(2) */
  localAddress(): SocketAddress | number;
  /** The type of service of datagrams over IPv4. */
  typeOfServiceOf(wire: 4): number;
  /** The last value of IP_MULTICAST_IF that was set: an address, or an address and an index. */
  readonly multicastInterface: Uint8Array | undefined;
}

interface Answer {
  readonly isLocked: boolean;
  readonly until: number;
}

/** The answers for one socket. */
export class LockedMTUs {
  readonly #libc: Libc;
  readonly #socket: RoutedSocket;
  /** By path, and by what a message's own options say of its route. */
  #known = new WeakMap<Path, Map<string, Answer>>();

  constructor(libc: Libc, socket: RoutedSocket) {
    this.#libc = libc;
    this.#socket = socket;
  }

  /** Called when an option of the socket, or its address, was changed. */
  routesChanged(): void {
    this.#known = new WeakMap();
  }

  /** Whether the MTU is locked; also if the kernel does not say. */
  isLocked(path: Path, controls: EncodedControls | undefined): boolean {
    let answers = this.#known.get(path);
    if (answers === undefined) this.#known.set(path, answers = new Map());
    const own = controls && routeIn(this.#libc.abi, controls);
    const key = own ? `${own.interfaceIndex} ${own.source} ${own.tos}` : "";
    const known = answers.get(key);
    const time = now();
    if (known !== undefined && time < known.until) return known.isLocked;
    const route = routeOf(this.#libc, { ...this.#keyOf(path.ipv4), ...own });
    const isLocked = typeof route === "number" || route.isMTULocked;
    answers.set(key, { isLocked, until: time + LIFETIME });
    return isLocked;
  }

  /** What the kernel uses for a message without options. */
  #keyOf(destination: Uint8Array): RouteKey {
    const socket = this.#socket;
    const isMulticast = destination[0]! >> 4 === 0xe;
    const { address, index } = isMulticast
      ? this.#multicast(destination)
      : { address: undefined, index: unicastIndex(socket) };
    return {
      destination,
      source: ipv4Of(socket.localAddress()) ?? address,
      interfaceIndex: Math.max(socket.peekOption("SO_BINDTOIFINDEX"), 0) || index,
      tos: socket.typeOfServiceOf(4),
      mark: markOf(socket.peekOption("SO_MARK")),
    };
  }

  /** The interface and source address of multicast. */
  #multicast(destination: Uint8Array): { address: Uint8Array | undefined; index: number } {
    const value = this.#socket.multicastInterface;
    if (value === undefined || value.length < 4) return { address: undefined, index: 0 };
    const { imr_address, imr_ifindex, size } = this.#libc.abi.layouts.ip_mreqn;
    // An in_addr, an ip_mreq, or an ip_mreqn.
    const address = value.length < size
      ? value.slice(value.length < 8 ? 0 : 4)
      : value.slice(imr_address, imr_address + 4);
    const index = value.length < size ? 0 : new DataView(value.buffer, value.byteOffset).getInt32(imr_ifindex, true);
    if (address.every((byte) => byte === 0)) return { address: undefined, index };
    if (index > 0) return { address, index };
    // To a group the kernel's route leaves by the interface that has the source address, as IP_MULTICAST_IF finds it.
    const route = routeOf(this.#libc, { destination, source: address, interfaceIndex: 0, tos: 0, mark: 0 });
    return { address, index: typeof route === "number" ? 0 : route.interfaceIndex };
  }
}

/** IP_UNICAST_IF, which is in network order. */
function unicastIndex(socket: RoutedSocket): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, socket.peekOption("IP_UNICAST_IF"), true);
  return Math.max(view.getInt32(0), 0);
}

/** A mark may look like a negative errno; the smallest errno is -4095. */
function markOf(value: number): number {
  return value < 0 && value >= -4095 ? 0 : value >>> 0;
}

/** The IPv4 address that a socket is bound to; undefined: none, or any. */
function ipv4Of(local: SocketAddress | number): Uint8Array | undefined {
  const bytes = typeof local === "number" ? undefined : parseIp(local.address)?.bytes;
  const ipv4 = bytes?.length === 16 ? bytes.subarray(12) : bytes;
  return ipv4?.some((byte) => byte !== 0) ? ipv4 : undefined;
}
