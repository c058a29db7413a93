/**
 * The types of the public surface, as `@types/node` has them for `node:dgram`.
 *
 * @module
 */
import type { BlockList } from "node:net";
import type { LookupFunction } from "../integration/lookup.ts";

/**
 * The protocol of a socket: UDP over IPv4 or over IPv6.
 *
 * @example
 * ```ts
 * import { isIPv6 } from "node:net";
 * import { createSocket, type SocketType } from "@dgram/ffi";
 *
 * const typeOf = (address: string): SocketType => isIPv6(address) ? "udp6" : "udp4";
 * createSocket(typeOf("::1")).close();
 * ```
 */
export type SocketType = "udp4" | "udp6";

/**
 * The address of a socket or of its peer, as `address()` and `remoteAddress()` return it.
 *
 * @example
 * ```ts
 * import type { AddressInfo } from "@dgram/ffi";
 *
 * const local: AddressInfo = socket.bindSync({ address: "127.0.0.1" });
 * console.log(local.address, local.family); // 127.0.0.1 IPv4
 * ```
 */
export interface AddressInfo {
  /** The IP address. */
  address: string;
  /** `IPv4` or `IPv6`. */
  family: string;
  /** The port. */
  port: number;
}

/**
 * Options of {@linkcode createSocket}.
 *
 * @example
 * ```ts
 * import { createSocket, type SocketOptions } from "@dgram/ffi";
 *
 * const options: SocketOptions = { type: "udp6", ipv6Only: true, recvBufferSize: 1 << 20, recvTTL: true };
 * createSocket(options).close();
 * ```
 */
export interface SocketOptions {
  /** `udp4` or `udp6`. With `fd` it is optional: {@linkcode AdoptOptions}. */
  type: SocketType;
  /**
   * The number of an open datagram socket to take over, which was inherited or opened elsewhere (not in Node). It must be a
   * datagram socket of the family of `type`. It is closed with this socket.
   */
  fd?: number | undefined;
  /** Lets `bind()` reuse an address that another socket is bound to (SO_REUSEADDR). Default: false. */
  reuseAddr?: boolean | undefined;
  /** Lets several sockets bind to one port. The kernel distributes datagrams among them (SO_REUSEPORT; Linux). Default: false. */
  reusePort?: boolean | undefined;
  /** Disables dual stack: the socket uses IPv6 only (IPV6_V6ONLY). Default: false. */
  ipv6Only?: boolean | undefined;
  /** Size of the kernel's receive buffer in bytes (SO_RCVBUF). */
  recvBufferSize?: number | undefined;
  /** Size of the kernel's send buffer in bytes (SO_SNDBUF). */
  sendBufferSize?: number | undefined;
  /**
   * How many bytes may wait for room in the kernel. A message that finds others waiting, and would bring more than that with them, fails
   * with ENOBUFS. `'drain'` says when all have left. Default: Infinity. Not in Node.
   */
  sendQueueLimit?: number | undefined;
  /** Resolves host names. Default: `dns.lookup`. */
  lookup?: LookupFunction | undefined;
  /** Aborting it closes the socket. */
  signal?: AbortSignal | undefined;
  /**
   * Generic segmentation offload (UDP_SEGMENT, Linux 4.18): messages of one turn, destination and size go to the kernel as one
   * payload. The datagrams on the wire are the same. If the kernel does not support it, it is not used. Default: true.
   * `DGRAM_FFI_OFFLOAD=off` in the environment sets this and `gro` to false for the whole process.
   */
  gso?: boolean | undefined;
  /**
   * Generic receive offload (UDP_GRO, Linux 5.0): the kernel coalesces datagrams of one sender and size. Default: true; false with
   * `fd`, as another process may share that socket, and would receive them as one.
   */
  gro?: boolean | undefined;
  /** Adds to `rinfo` the address each datagram was sent to: {@linkcode Socket.setRecvLocalAddress}. Default: false. */
  recvLocalAddress?: boolean | undefined;
  /**
   * Adds to `rinfo` the address and port each datagram was originally sent to:
   * {@linkcode Socket.setRecvOriginalAddress}. Default: false.
   */
  recvOriginalAddress?: boolean | undefined;
  /** Adds to `rinfo` the TTL of each datagram: {@linkcode Socket.setRecvTTL}. Default: false. */
  recvTTL?: boolean | undefined;
  /** Adds to `rinfo` the type of service of each datagram: {@linkcode Socket.setRecvTOS}. Default: false. */
  recvTOS?: boolean | undefined;
  /** Adds to `rinfo` when each datagram was received: {@linkcode Socket.setRecvTimestamp}. Default: false. */
  recvTimestamp?: boolean | undefined;
  /** Adds to `rinfo` whether each datagram was truncated: {@linkcode Socket.setRecvTruncated}. Default: false. */
  recvTruncated?: boolean | undefined;
  /** Adds to `rinfo` the size of coalesced datagrams: {@linkcode Socket.setRecvSegmentSize}. Default: false. */
  recvSegmentSize?: boolean | undefined;
  /** Adds to `rinfo` how many datagrams were lost before each one: {@linkcode Socket.setRecvDropCount}. Default: false. */
  recvDropCount?: boolean | undefined;
  /** Allows `bind()` to an address that this host does not have ({@linkcode Socket.setFreebind}). Default: false. */
  freebind?: boolean | undefined;
  /** Makes it the socket of a transparent proxy ({@linkcode Socket.setTransparent}). Default: false. */
  transparent?: boolean | undefined;
  /** The mark of what is sent ({@linkcode Socket.setMark}), 0 to 4294967295. Default: the system's, 0. */
  mark?: number | undefined;
  /** Enables `'networkError'` events ({@linkcode Socket.setRecvNetworkErrors}). Default: false. */
  recvNetworkErrors?: boolean | undefined;
  /** Enables `'sendTimestamp'` events, which report when each datagram left: {@linkcode Socket.setSendTimestamp}. Default: false. */
  sendTimestamp?: boolean | undefined;
  /** Datagrams from these addresses are not delivered. */
  receiveBlockList?: BlockList | undefined;
  /** Sending and connecting to these addresses fails with ERR_IP_BLOCKED. */
  sendBlockList?: BlockList | undefined;
}

/**
 * {@linkcode SocketOptions} for a descriptor that is open already. The type is that of its family.
 *
 * @example
 * ```ts
 * import { type AdoptOptions, createSocket } from "@dgram/ffi";
 *
 * // The first descriptor that systemd passes (LISTEN_FDS).
 * const options: AdoptOptions = { fd: 3 };
 * if (process.env.LISTEN_PID === `${process.pid}`) createSocket(options).close();
 * ```
 */
export interface AdoptOptions extends Omit<SocketOptions, "type" | "fd"> {
  /** If it is given, it must match the descriptor. */
  type?: SocketType | undefined;
  /** The descriptor. */
  fd: number;
}

/**
 * Options of `bind()`.
 *
 * @example
 * ```ts
 * import type { BindOptions } from "@dgram/ffi";
 *
 * const options: BindOptions = { port: 0, address: "127.0.0.1", exclusive: true };
 * socket.bind(options, () => console.log(socket.address().address)); // 127.0.0.1
 * ```
 */
export interface BindOptions {
  /** The port. Defaults to 0: the system chooses one. */
  port?: number | undefined;
  /** The local address or host name. Defaults to all addresses. */
  address?: string | undefined;
  /**
   * In a worker of `node:cluster`: whether not to share a socket with other workers. Without it all workers that bind to the same address and port
   * share one socket, which the primary has opened; that includes port 0. Deno's cluster does not share UDP sockets: there each
   * worker binds with SO_REUSEPORT, the kernel distributes senders among them, and port 0 is another port for each.
   */
  exclusive?: boolean | undefined;
  /**
   * The number of an open datagram socket to use. `port` and `address` are ignored then. In a worker of `node:cluster`, unless
   * `exclusive`, it is the number that the socket has in the primary (Node, Bun).
   */
  fd?: number | undefined;
}

/**
 * Options of `bindSync()`.
 *
 * @example
 * ```ts
 * import type { BindSyncOptions } from "@dgram/ffi";
 *
 * const options: BindSyncOptions = { port: 0, address: "127.0.0.1" };
 * console.log(socket.bindSync(options).address); // 127.0.0.1
 * ```
 */
export interface BindSyncOptions {
  /** The port, 0 to 65535. Defaults to 0: the system chooses one. */
  port?: number | undefined;
  /** The local IP address. Defaults to all addresses. */
  address?: string | undefined;
}
