/**
 * The types of the public surface, as `@types/node` has them for `node:dgram`.
 *
 * @module
 */
import type { BlockList } from "node:net";
import type { LookupFunction } from "../integration/lookup.ts";

/** The protocol of a socket: UDP over IPv4 or over IPv6. */
export type SocketType = "udp4" | "udp6";

/** A socket's own address or its peer's, as `address()` and `remoteAddress()` return it. */
export interface AddressInfo {
  /** The IP address. */
  address: string;
  /** `IPv4` or `IPv6`. */
  family: string;
  /** The port. */
  port: number;
}

/** Options of {@linkcode createSocket}. */
export interface SocketOptions {
  /** `udp4` or `udp6`. May be left out with `fd`. */
  type: SocketType;
  /**
   * The number of an open datagram socket to take over, inherited or made elsewhere (not in Node). It is checked to be a
   * datagram socket of the family that `type` names, and closed with this socket.
   */
  fd?: number | undefined;
  /** Lets `bind()` reuse an address that another socket is bound to (SO_REUSEADDR). Default: false. */
  reuseAddr?: boolean | undefined;
  /** Lets several sockets bind one port, among which the kernel spreads datagrams (SO_REUSEPORT; Linux). Default: false. */
  reusePort?: boolean | undefined;
  /** Turns dual stack off: the socket takes IPv6 only (IPV6_V6ONLY). Default: false. */
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
   * Generic segmentation offload (UDP_SEGMENT, Linux 4.18): messages of one turn, destination and size go to the kernel together.
   * The datagrams are the same. Done without if the kernel cannot. Default: true. `DGRAM_FFI_OFFLOAD=off` in the environment makes
   * this and `gro` false for a whole process.
   */
  gso?: boolean | undefined;
  /**
   * Generic receive offload (UDP_GRO, Linux 5.0): the kernel hands over datagrams of one sender and size together. Default: true;
   * false with `fd`, whose socket another process may share, which would get them undivided.
   */
  gro?: boolean | undefined;
  /** Has `rinfo` say where each datagram was sent to: {@linkcode Socket.setRecvDestination}. Default: false. */
  recvDestination?: boolean | undefined;
  /**
   * Has `rinfo` say to which address and port each datagram was sent in the beginning:
   * {@linkcode Socket.setRecvOriginalDestination}. Default: false.
   */
  recvOriginalDestination?: boolean | undefined;
  /** Has `rinfo` say with which TTL each datagram came: {@linkcode Socket.setRecvTTL}. Default: false. */
  recvTTL?: boolean | undefined;
  /** Has `rinfo` say with which type of service each datagram came: {@linkcode Socket.setRecvTOS}. Default: false. */
  recvTOS?: boolean | undefined;
  /** Has `rinfo` say when each datagram came: {@linkcode Socket.setRecvTimestamp}. Default: false. */
  recvTimestamp?: boolean | undefined;
  /** Has `rinfo` say whether a datagram was cut: {@linkcode Socket.setRecvTruncated}. Default: false. */
  recvTruncated?: boolean | undefined;
  /** Has `rinfo` say which datagrams came together: {@linkcode Socket.setRecvSegmentSize}. Default: false. */
  recvSegmentSize?: boolean | undefined;
  /** Has `rinfo` say how many datagrams were lost before: {@linkcode Socket.setRecvDropCount}. Default: false. */
  recvDropCount?: boolean | undefined;
  /** Lets `bind()` take an address that this host does not have ({@linkcode Socket.setFreebind}). Default: false. */
  freebind?: boolean | undefined;
  /** Makes it a transparent proxy's socket ({@linkcode Socket.setTransparent}). Default: false. */
  transparent?: boolean | undefined;
  /** Marks what is sent ({@linkcode Socket.setMark}), 0 to 4294967295. Default: the system's, 0. */
  mark?: number | undefined;
  /** Has the network's errors come as `'networkError'` events ({@linkcode Socket.setRecvErrors}). Default: false. */
  recvErrors?: boolean | undefined;
  /** Has `'timestamp'` events say when each datagram left: {@linkcode Socket.setSendTimestamp}. Default: false. */
  sendTimestamp?: boolean | undefined;
  /** Datagrams from these addresses are not delivered. */
  receiveBlockList?: BlockList | undefined;
  /** Sending and connecting to these addresses fails with ERR_IP_BLOCKED. */
  sendBlockList?: BlockList | undefined;
}

/** {@linkcode SocketOptions} for a descriptor that exists already; its family says the type. */
export interface AdoptOptions extends Omit<SocketOptions, "type" | "fd"> {
  /** Must agree with the descriptor where it is given. */
  type?: SocketType | undefined;
  /** The descriptor. */
  fd: number;
}

/** Options of `bind()`. */
export interface BindOptions {
  /** The port; 0 or left out: one that the system chooses. */
  port?: number | undefined;
  /** The local address or host name; left out: all of them. */
  address?: string | undefined;
  /**
   * In a worker of `node:cluster`: not to share the port with the other workers. Without it all workers that bind the same
   * share one socket, which the primary opened, port 0 too. Deno's cluster does not share UDP sockets: there each worker opens
   * the port with SO_REUSEPORT, among which the kernel spreads senders, and port 0 is a port of its own.
   */
  exclusive?: boolean | undefined;
  /**
   * The number of an open datagram socket to use; `port` and `address` are ignored then. In a worker of `node:cluster`, unless
   * `exclusive`, the number that it has in the primary (Node, Bun).
   */
  fd?: number | undefined;
}

/** Options of `bindSync()`. */
export interface BindSyncOptions {
  /** The port, 0 to 65535; 0 or left out: one that the system chooses. */
  port?: number | undefined;
  /** The local IP address; left out: all of them. */
  address?: string | undefined;
}
