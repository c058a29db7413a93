/**
 * The metadata of received and sent datagrams.
 *
 * @module
 */

/**
 * Metadata of a datagram beyond Node's `rinfo`. A property exists if its option is on and the kernel has given the value. Coalesced
 * datagrams (UDP_GRO) have the same metadata, as the kernel coalesces no others; only the timestamps are those of the first.
 *
 * @example
 * ```ts
 * import type { ReceiveDetails } from "@dgram/ffi";
 *
 * socket.setRecvLocalAddress(true);
 * socket.on("message", (_, { localAddress, interfaceName }: ReceiveDetails) => {
 *   console.log(`to ${localAddress}, on ${interfaceName}`); // to 127.0.0.1, on lo
 * });
 * socket.send("hello", port, address);
 * ```
 */
export interface ReceiveDetails {
  /**
   * With `recvLocalAddress`: the IP address it was sent to: an address of this host, a multicast group or a broadcast address. A
   * link-local IPv6 address is followed by `%` and the interface. If a `udp6` socket received it over IPv4, it is mapped (`::ffff:`).
   */
  localAddress?: string;
  /** With `recvLocalAddress`: the index of the interface it arrived on. */
  interfaceIndex?: number;
  /** With `recvLocalAddress`: the name of that interface, or its index as text if it no longer exists. */
  interfaceName?: string;
  /**
   * With `recvOriginalAddress`: the IP address it was originally sent to, in the form of `localAddress`. It differs from the
   * socket's address if a firewall rule (TPROXY) has redirected the datagram.
   */
  originalAddress?: string;
  /** With `recvOriginalAddress`: the port it was originally sent to. */
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
  /** With `recvTruncated`: whether the datagram was truncated (MSG_TRUNC). A UDP datagram never is. */
  truncated?: boolean;
  /** With `recvTruncated`: whether the metadata was truncated, as the kernel had more than these options request (MSG_CTRUNC). */
  controlTruncated?: boolean;
  /**
   * With `recvSegmentSize`: the size of the coalesced datagrams in bytes, of which the last may be shorter. If the datagram was
   * received alone, its own size.
   */
  segmentSize?: number;
  /**
   * With `recvDropCount`: how many datagrams the socket had lost when this one arrived, since the socket was created, because its
   * receive buffer was full or they were damaged. Counts from 0 to 2^32 - 1, then from 0 again.
   */
  dropCount?: number;
}

/**
 * The sender of a datagram, and its metadata: the second argument of `'message'` listeners.
 *
 * @example
 * ```ts
 * import type { RemoteInfo } from "@dgram/ffi";
 *
 * socket.on("message", (message, { address, family, size }: RemoteInfo) => {
 *   console.log(`${message}: ${size} bytes from ${address}, ${family}`); // hello: 5 bytes from 127.0.0.1, IPv4
 * });
 * socket.send("hello", port, address);
 * ```
 */
export interface RemoteInfo extends ReceiveDetails {
  /** The sender's IP address. A link-local IPv6 address is followed by `%` and the interface it arrived on. */
  address: string;
  /** The protocol. */
  family: "IPv4" | "IPv6";
  /** The sender's port. */
  port: number;
  /** The size of the datagram in bytes. */
  size: number;
}

/**
 * When a datagram left: the argument of `'sendTimestamp'` listeners.
 *
 * @example
 * ```ts
 * import type { SendTimestamp } from "@dgram/ffi";
 *
 * socket.setSendTimestamp(true);
 * socket.on("sendTimestamp", ({ id, timestamp }: SendTimestamp) => {
 *   console.log(id, typeof timestamp); // 0 bigint
 * });
 * socket.send("hello", port, address);
 * ```
 */
export interface SendTimestamp {
  /**
   * The number of the datagram: how many the kernel had taken from this socket since `setSendTimestamp(true)` before this one. The
   * first has 0; after 2^32 - 1 it is 0 again. A message that is refused after the kernel has made a packet of it, for example by a
   * firewall (EPERM), also takes a number.
   */
  id: number;
  /** When the kernel passed it to the device, in nanoseconds since 1970 (CLOCK_REALTIME). */
  timestamp?: bigint;
  /** When the device sent it, in nanoseconds of the device's clock. If the device reports it, that is a separate event. */
  hardwareTimestamp?: bigint;
}
