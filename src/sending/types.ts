/**
 * The types of `send()`, `sendMany()` and their callbacks.
 *
 * @module
 */

/**
 * Any bytes that can be sent.
 *
 * @example
 * ```ts
 * import type { Bytes } from "@dgram/ffi";
 *
 * const parts: Bytes[] = ["text", new Uint8Array([13, 10]), new DataView(new ArrayBuffer(2))];
 * socket.send(parts, port, address, (_, bytes) => console.log(bytes)); // 8
 * ```
 */
export type Bytes = string | NodeJS.ArrayBufferView;

/**
 * Called when a message was passed to the kernel, or has failed.
 *
 * @example
 * ```ts
 * import type { SendCallback } from "@dgram/ffi";
 *
 * const done: SendCallback = (error, bytes) => console.log(error ?? `sent ${bytes} bytes`); // sent 5 bytes
 * socket.send("hello", port, address, done);
 * ```
 */
export type SendCallback = (error: Error | null, bytes: number) => void;

/**
 * How a single datagram is sent. Options that are not set default to the socket's. Not in Node. Datagrams of one turn
 * that have the same destination, size and options still go to the kernel together.
 *
 * @example
 * ```ts
 * import type { SendControls } from "@dgram/ffi";
 *
 * const expedited: SendControls = { dscp: 46 };
 * socket.send("voice", { port, address, ...expedited }, (error) => console.log(error)); // null
 * ```
 */
export interface SendControls {
  /**
   * The source address (IP_PKTINFO, IPV6_PKTINFO): a local address of the socket's protocol, such as
   * `rinfo.localAddress` of the datagram that is answered. A zone selects the interface. If the address is not local,
   * for example a multicast group, the kernel fails with EINVAL or ENETUNREACH.
   */
  localAddress?: string | undefined;
  /** The outgoing interface, by name or index (IP_PKTINFO, IPV6_PKTINFO). ENODEV if no interface has that name. */
  interface?: string | number | undefined;
  /** The TTL or hop limit, 1 to 255 (IP_TTL, IPV6_HOPLIMIT). On macOS only over IPv6. */
  ttl?: number | undefined;
  /** The type of service or traffic class, 0 to 255 (IP_TOS, IPV6_TCLASS). On macOS only over IPv6. */
  tos?: number | undefined;
  /** The differentiated services codepoint, 0 to 63: with `ecn`, instead of `tos`. Default: the socket's. */
  dscp?: number | undefined;
  /** Explicit congestion notification, 0 to 3: with `dscp`, instead of `tos`. Default: the socket's. */
  ecn?: number | undefined;
  /**
   * Whether this host must not fragment the datagram (IPV6_DONTFRAG). A datagram that is too large then fails with
   * EMSGSIZE. Over IPv4 the kernel supports this for whole sockets only.
   */
  dontFragment?: boolean | undefined;
  /**
   * When the datagram is to be sent, in nanoseconds (SCM_TXTIME, Linux 4.19), by the clock of {@linkcode
   * Socket.setTxTimeClock}, which {@linkcode clockTime} reads. Requires the queueing discipline `fq` or `etf`; others
   * send it at once.
   */
  txTime?: bigint | undefined;
}

/**
 * Destination and options of a single datagram: the second argument of `send()`. Not in Node.
 *
 * @example
 * ```ts
 * import type { SendOptions } from "@dgram/ffi";
 *
 * const options: SendOptions = { port, address, ttl: 3, signal: AbortSignal.timeout(5000) };
 * socket.send("hello", options, (_, bytes) => console.log(bytes)); // 5
 * ```
 */
export interface SendOptions extends SendControls {
  /** The destination's port, 1 to 65535. Required unless the socket is connected; not allowed if it is. */
  port?: number | undefined;
  /** The destination: an IP address or a host name. Defaults to the loopback address. */
  address?: string | undefined;
  /**
   * Cancels the message if it is aborted before the message was sent: while the socket binds, during the lookup, or
   * while the message waits for room in the kernel. The callback then gets an AbortError.
   */
  signal?: AbortSignal | undefined;
}

/**
 * Default destination of the messages, and their signal: the second argument of `sendMany()`. Not in Node.
 *
 * @example
 * ```ts
 * import type { SendManyOptions } from "@dgram/ffi";
 *
 * const options: SendManyOptions = { port, address, signal: AbortSignal.timeout(5000) };
 * socket.sendMany(["one", "two"], options, (_, sent) => console.log(sent)); // 2
 * ```
 */
export interface SendManyOptions {
  /** The destination's port, 1 to 65535; not on a connected socket. */
  port?: number | undefined;
  /** The destination's IP address. Defaults to the loopback address. */
  address?: string | undefined;
  /** Cancels the messages that were not sent yet if it is aborted. The callback then gets an AbortError. */
  signal?: AbortSignal | undefined;
}

/**
 * A message with a destination or with options, for `sendMany()`. With neither a port nor an address it goes to the
 * destination of the call.
 *
 * @example
 * ```ts
 * import type { AddressedMessage } from "@dgram/ffi";
 *
 * const messages: AddressedMessage[] = [
 *   { message: "one", port, address },
 *   { message: ["t", "wo"], port, address, ttl: 3 },
 * ];
 * socket.sendMany(messages, (error, sent) => console.log(error, sent)); // null 2
 * ```
 */
export interface AddressedMessage extends SendControls {
  /** Bytes, text (as UTF-8), or an array of both. */
  message: Bytes | readonly Bytes[];
  /** The destination's port, 1 to 65535; not on a connected socket. */
  port?: number | undefined;
  /** The destination's IP address, which requires a port. Defaults to the loopback address. */
  address?: string | undefined;
}

/**
 * The clocks for transmit times: CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI.
 *
 * @example
 * ```ts
 * import { type ClockName, clockTime } from "@dgram/ffi";
 *
 * const clock: ClockName = "monotonic";
 * console.log(clockTime(clock) < clockTime(clock)); // true
 * ```
 */
export type ClockName = "realtime" | "monotonic" | "tai";

/**
 * Why a message of `sendMany()` could not be sent, and which one it was.
 *
 * @example
 * ```ts
 * import type { SendManyError } from "@dgram/ffi";
 *
 * const done = (error: SendManyError | null, sent: number) => {
 *   console.log(`${sent} sent, number ${error?.index} was not`); // 1 sent, number 1 was not
 * };
 * socket.sendMany(["short", new Uint8Array(70_000)], port, address, done);
 * ```
 */
export interface SendManyError extends Error {
  /** The message's index in the first argument of `sendMany()`. */
  index: number;
  /** The destination's IP address; undefined on a connected socket. */
  address?: string | undefined;
  /** The destination's port; undefined on a connected socket. */
  port?: number | undefined;
}

/**
 * Called when each message of a `sendMany()` was passed to the kernel or has failed. The error is that of the first
 * message, in the order given, that failed.
 *
 * @example
 * ```ts
 * import type { SendManyCallback } from "@dgram/ffi";
 *
 * const done: SendManyCallback = (error, sent) => console.log(error ?? `sent ${sent}`); // sent 2
 * socket.sendMany(["one", "two"], port, address, done);
 * ```
 */
export type SendManyCallback = (error: SendManyError | null, sent: number) => void;
