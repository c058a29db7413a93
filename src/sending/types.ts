/**
 * What a program says of what it sends, and what it is called back with.
 *
 * @module
 */

/** Any bytes that can be sent. */
export type Bytes = string | NodeJS.ArrayBufferView;

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
  /**
   * Aborting it takes the message back, if it has not left: it is still to be bound or looked up for, or waits for room in the kernel. The
   * callback then gets an AbortError.
   */
  signal?: AbortSignal | undefined;
}

/** Where datagrams go that say nothing themselves, and what stops them: the second argument of `sendMany()`. Not in Node. */
export interface SendManyOptions {
  /** The destination's port, 1 to 65535; not on a connected socket. */
  port?: number | undefined;
  /** The destination's IP address; left out: the loopback address. */
  address?: string | undefined;
  /** Aborting it takes those messages back that have not left. The callback then gets an AbortError. */
  signal?: AbortSignal | undefined;
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
