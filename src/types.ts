/**
 * The types of the public surface, as `@types/node` has them for `node:dgram`.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { BlockList } from "node:net";
import type { MessageBatch } from "./message_batch.ts";
import type { NetworkError } from "./network_error.ts";

/** Any bytes that can be sent. */
export type Bytes = string | NodeJS.ArrayBufferView;

/** The protocol of a socket: UDP over IPv4 or over IPv6. */
export type SocketType = "udp4" | "udp6";

/**
 * What is told of a datagram beyond Node's `rinfo`. A property is there where its option is on and the kernel has said it.
 * Datagrams that the kernel handed over together (UDP_GRO) agree in all of it: it does not put others together, but for
 * the timestamps, which then are those of the first.
 */
export interface ReceiveDetails {
  /**
   * With `recvDestination`: the IP address it was sent to, be it one of this host's, a group's or a broadcast address. A
   * link-local IPv6 address has `%` and the interface behind it; what came by IPv4 to a `udp6` socket is mapped (`::ffff:`).
   */
  localAddress?: string;
  /** With `recvDestination`: the index of the interface it came by. */
  interfaceIndex?: number;
  /** With `recvDestination`: that interface's name, or its index as text if it has gone. */
  interfaceName?: string;
  /**
   * With `recvOriginalDestination`: the IP address that its sender gave, as `localAddress`. It differs from the socket's own if a rule
   * of the system's (TPROXY) has brought the datagram here.
   */
  originalAddress?: string;
  /** With `recvOriginalDestination`: the port that its sender gave. */
  originalPort?: number;
  /** With `recvTTL`: the TTL or hop limit it arrived with, 0 to 255. */
  ttl?: number;
  /** With `recvTOS`: the type of service or traffic class, 0 to 255: DSCP and ECN together. */
  tos?: number;
  /** With `recvTOS`: the differentiated services codepoint (RFC 2474), 0 to 63. */
  dscp?: number;
  /** With `recvTOS`: explicit congestion notification (RFC 3168), 0 to 3; 3: congestion experienced. */
  ecn?: number;
  /** With `recvTimestamp`: when the kernel received it, in nanoseconds since 1970 (CLOCK_REALTIME). */
  timestamp?: bigint;
  /** With `recvTimestamp`: when the device received it, in nanoseconds of the device's clock. */
  hardwareTimestamp?: bigint;
  /** With `recvTruncated`: whether it was longer than what was received of it (MSG_TRUNC). No UDP datagram is. */
  truncated?: boolean;
  /** With `recvTruncated`: whether the kernel had more to tell than was asked for by these options (MSG_CTRUNC). */
  controlTruncated?: boolean;
  /**
   * With `recvSegmentSize`: the size of the datagrams that the kernel handed over together, in bytes, of which the last may be
   * shorter; of one that came alone its own.
   */
  segmentSize?: number;
  /**
   * With `recvDropCount`: how many datagrams the socket had lost when this one came in, since it was made, for want of room in
   * its receive buffer or because they were damaged. Counts from 0 to 2^32 - 1, and from 0 again.
   */
  dropped?: number;
}

/** Who sent a datagram: the second argument of `'message'` listeners. */
export interface RemoteInfo extends ReceiveDetails {
  /** The sender's IP address. A link-local IPv6 address has `%` and the interface it came by behind it. */
  address: string;
  /** The protocol it came by. */
  family: "IPv4" | "IPv6";
  /** The sender's port. */
  port: number;
  /** How many bytes the datagram has. */
  size: number;
}

/** A socket's own address or its peer's, as `address()` and `remoteAddress()` return it. */
export interface AddressInfo {
  /** The IP address. */
  address: string;
  /** `IPv4` or `IPv6`. */
  family: string;
  /** The port. */
  port: number;
}

/** What a {@linkcode LookupFunction} is called back with: an error, or an address and its family (4 or 6). */
export type LookupCallback = (error: Error | null, address: string, family: number) => void;

/**
 * Resolves a host name to one IP address. Called with the address family wanted, 4 or 6, as second argument.
 * `dns.lookup` is one.
 */
// deno-lint-ignore no-explicit-any
export type LookupFunction = (hostname: string, options: any, callback: LookupCallback) => void;

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

/** Called when a message has been handed to the kernel, or could not be. */
export type SendCallback = (error: Error | null, bytes: number) => void;

/**
 * How a single datagram is sent; what is left out is as the socket has it. Not in Node. Datagrams of one turn, destination and size
 * that agree in all of this still go to the kernel together.
 */
export interface SendControls {
  /**
   * The source address (IP_PKTINFO, IPV6_PKTINFO): one of this host's, of the socket's protocol, as `rinfo.localAddress` of
   * the datagram that is answered. A zone names the interface. The kernel says EINVAL or ENETUNREACH where it is not local: a group's, say.
   */
  localAddress?: string | undefined;
  /** The interface to leave by, by its name or its index (IP_PKTINFO, IPV6_PKTINFO). ENODEV where there is none of that name. */
  interface?: string | number | undefined;
  /** How many routers it may pass, 1 to 255 (IP_TTL, IPV6_HOPLIMIT). On macOS only over IPv6. */
  ttl?: number | undefined;
  /** The type of service or traffic class, 0 to 255 (IP_TOS, IPV6_TCLASS). On macOS only over IPv6. */
  tos?: number | undefined;
  /** The differentiated services codepoint, 0 to 63: with `ecn`, in the place of `tos`. Default: the socket's. */
  dscp?: number | undefined;
  /** Explicit congestion notification, 0 to 3: with `dscp`, in the place of `tos`. Default: the socket's. */
  ecn?: number | undefined;
  /**
   * Whether it is not to be cut into fragments by this host (IPV6_DONTFRAG): too large a one then fails with EMSGSIZE. Over IPv4
   * the kernel has this for whole sockets only.
   */
  dontFragment?: boolean | undefined;
  /**
   * When it is to leave, in nanoseconds (SCM_TXTIME, Linux 4.19), by the clock of {@linkcode Socket.setTxTimeClock}, which
   * {@linkcode clockTime} reads. It takes a queueing discipline that holds it back, `fq` or `etf`; others send it at once.
   */
  txTime?: bigint | undefined;
}

/** Where and how a single datagram is sent: the second argument of `send()`. Not in Node. */
export interface SendOptions extends SendControls {
  /** The destination's port, 1 to 65535; not on a connected socket, where there must be one otherwise. */
  port?: number | undefined;
  /** The destination: an IP address or a host name; left out: the loopback address. */
  address?: string | undefined;
}

/**
 * A message with a destination, or with more to say about how it is sent, for `sendMany()`. With neither a port nor an address it
 * goes where the call says.
 */
export interface AddressedMessage extends SendControls {
  /** Bytes, text (as UTF-8), or an array of both. */
  message: Bytes | readonly Bytes[];
  /** The destination's port, 1 to 65535; not on a connected socket. */
  port?: number | undefined;
  /** The destination's IP address, which takes a port; left out: the loopback address. */
  address?: string | undefined;
}

/** The clocks that transmit times may be of: CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI. */
export type ClockName = "realtime" | "monotonic" | "tai";

/** Why a message of `sendMany()` could not be sent, and which one it was. */
export interface SendManyError extends Error {
  /** The message's index in what `sendMany()` was given. */
  index: number;
  /** Where it was to go: an IP address; undefined on a connected socket. */
  address?: string | undefined;
  /** Its port; undefined on a connected socket. */
  port?: number | undefined;
}

/**
 * Called when all messages of a `sendMany()` have been handed to the kernel or could not be. The error is that of the first
 * message, in the order in which they were given, that failed.
 */
export type SendManyCallback = (error: SendManyError | null, sent: number) => void;

/** When a datagram left: the argument of `'timestamp'` listeners. */
export interface TransmitTimestamp {
  /**
   * Which one: the number of datagrams that the kernel had taken from this socket since `setSendTimestamp(true)` when it took this
   * one. The first has 0; after 2^32 - 1 it is 0 again. A message that is refused after the kernel has made a packet of it, as by a
   * firewall (EPERM), has taken a number, too.
   */
  id: number;
  /** When the kernel gave it to the device, in nanoseconds since 1970 (CLOCK_REALTIME). */
  timestamp?: bigint;
  /** When the device sent it, in nanoseconds of the device's clock: an event of its own, where the device makes them. */
  hardwareTimestamp?: bigint;
}

/** The events of a socket, with what listeners get. */
export interface SocketEvents {
  /**
   * A datagram arrived. The message is the listener's to keep, to change and to transfer: it has an ArrayBuffer to itself, with
   * offset 0 and exactly its size. Ticks and promise jobs that listeners queue run before the next datagram is delivered.
   */
  message: [message: Buffer<ArrayBuffer>, remote: RemoteInfo];
  /**
   * Datagrams arrived together: not in Node. With listeners for `'message'` as well, both get them. The batch's memory is lent until the
   * listener returns.
   */
  messages: [batch: MessageBatch];
  /** The socket is bound and receives. */
  listening: [];
  /** The socket has a peer. */
  connect: [];
  /** The socket is closed; no event follows. */
  close: [];
  /** A datagram has left: only with the option `sendTimestamp`. Not in Node. */
  timestamp: [timestamp: TransmitTimestamp];
  /** The network says that a datagram did not arrive: only with the option `recvErrors`. Not in Node. */
  networkError: [error: NetworkError];
  /** Something failed that no callback was told of. */
  error: [error: Error];
}
