/**
 * What a program is told of what it receives.
 *
 * @module
 */

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
