/**
 * An error about a datagram that did not arrive, from the network or this host: the argument of `'networkError'` listeners.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Abi } from "../../ffi/abi/abi.ts";
import { errnoName } from "../../ffi/libc/errno.ts";
import type { QueuedError } from "../../ffi/wire/error_queue.ts";

/**
 * An ICMP message about a datagram of this socket's, or this host's own refusal of one (ip(7), IP_RECVERR).
 *
 * @example
 * ```ts
 * import type { NetworkError } from "@dgram/ffi";
 *
 * socket.setRecvNetworkErrors(true);
 * socket.on("networkError", ({ code, origin }: NetworkError) => {
 *   console.log(code, origin); // ECONNREFUSED icmp
 * });
 * server.close(() => socket.send("to nobody", port, address));
 * ```
 */
export interface NetworkError {
  /** The origin: a host or router by ICMP (RFC 792) or ICMPv6 (RFC 4443), or this host itself. */
  origin: "icmp" | "icmp6" | "local";
  /** The system's errno name for it: ECONNREFUSED for a closed port, EHOSTUNREACH, EMSGSIZE. */
  code: string;
  /** The negative errno, as in Node's errors. */
  errno: number;
  /** ICMP's type: 3 and 11 (ICMPv6: 1 and 3) for an unreachable destination and for time exceeded. Undefined if local. */
  icmpType: number | undefined;
  /** ICMP's code, which specifies the type. Undefined if local. */
  icmpCode: number | undefined;
  /** For EMSGSIZE the currently known MTU of the path to the destination, in bytes with all headers. */
  mtu: number | undefined;
  /** The address that the datagram was sent to. */
  address: string | undefined;
  /** The port it was sent to; 0 if the system does not report it, as in a local error of an IPv4 socket without a peer. */
  port: number | undefined;
  /** The IP address of the sender of the ICMP message: the destination, or a router on the path. Undefined if local. */
  offender: string | undefined;
  /**
   * The part of the datagram's payload that was returned: ICMP need only return 8 bytes of UDP, which is its header.
   */
  message: Buffer<ArrayBuffer>;
}

/** The error for a message of the queue; undefined if it is not a network error. The payload must not be shared. */
export function networkErrorOf(abi: Abi, queued: QueuedError): NetworkError | undefined {
  const { SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 } = abi.linux!;
  const origins = {
    [SO_EE_ORIGIN_LOCAL]: "local",
    [SO_EE_ORIGIN_ICMP]: "icmp",
    [SO_EE_ORIGIN_ICMP6]: "icmp6",
  } as const;
  const origin = origins[queued.origin];
  if (!origin) return undefined;
  const { errno, type, code, info, destination, offender, payload } = queued;
  const isLocal = origin === "local";
  return {
    origin,
    code: errnoName(abi, errno),
    errno: -errno,
    icmpType: isLocal ? undefined : type,
    icmpCode: isLocal ? undefined : code,
    mtu: errno === abi.errno.EMSGSIZE && info > 0 ? info : undefined,
    address: destination?.address,
    port: destination?.port,
    offender: isLocal ? undefined : offender?.address,
    message: Buffer.from(payload.buffer as ArrayBuffer, payload.byteOffset, payload.byteLength),
  };
}
